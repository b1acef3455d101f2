package userns

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// scopeTimeout bounds the wait for a systemd that does not answer.
const scopeTimeout = 2 * time.Second

// leaveSession moves the keeper into a scope of the user's systemd, out of the
// cgroup of the login session or service that happened to start it, which may
// be killed as a whole at its end. Where there is no systemd or no bus, nothing
// needs to be done; where it fails, the keeper lives as long as the session.
func leaveSession(pid int) {
	if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
		return
	}
	address := busAddress()
	if address == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scopeTimeout)
	defer cancel()
	moveToScope(ctx, address, pid) // a keeper in the session is better than none
}

// busAddress is where the user's bus listens. The library's own search ends in
// starting a bus, which is not wanted here.
func busAddress() string {
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		return address
	}
	base, err := runtimeBase()
	if err != nil {
		return ""
	}
	socket := filepath.Join(base, "bus")
	if fi, err := os.Stat(socket); err != nil || fi.Mode().Type() != os.ModeSocket {
		return ""
	}
	return "unix:path=" + socket
}

func moveToScope(ctx context.Context, address string, pid int) error {
	conn, err := systemd.NewConnection(func() (*dbus.Conn, error) { return dialBus(ctx, address) })
	if err != nil {
		return fmt.Errorf("cannot reach systemd: %w", err)
	}
	defer conn.Close()
	done := make(chan string, 1)
	name := fmt.Sprintf("carob-keeper-%d.scope", pid)
	_, err = conn.StartTransientUnitContext(ctx, name, "fail", []systemd.Property{
		systemd.PropDescription("carob's user namespace"),
		systemd.PropPids(uint32(pid)),
	}, done)
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", name, err)
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("cannot start %s: %s", name, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot start %s: %w", name, ctx.Err())
	}
}

func dialBus(ctx context.Context, address string) (*dbus.Conn, error) {
	conn, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
