package userns

import (
	"context"
	"errors"

	"github.com/godbus/dbus/v5"
)

// Systemd connects to the user's systemd, for root to the system's.
func Systemd(ctx context.Context) (*dbus.Conn, error) {
	address := busAddress()
	if address == "" {
		return nil, errors.New("cannot reach systemd: no bus of the user's session is there")
	}
	return dialBus(ctx, address)
}
