// Package netns makes network namespaces for containers and connects them to
// the host through a helper program, pasta or slirp4netns, that needs no
// privilege. It also knows what /etc/hosts and /etc/resolv.conf a container
// wants in such a network, and looks after the host's ports.
package netns

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/sys"
)

// New makes a network namespace with its loopback up and returns an open file
// that keeps it alive (namespaces(7)). It belongs to the user namespace the
// caller is in.
func New() (*os.File, error) {
	var ns *os.File
	err := sys.OnThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot make a network namespace: %w", err)
		}
		if err = loopbackUp(); err != nil {
			return fmt.Errorf("cannot bring up the loopback of a network namespace: %w", err)
		}
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return ns, err
}

// In runs f with the network namespace ns around it: sockets that f opens
// belong there, and stay there.
func In(ns *os.File, f func() error) error {
	return sys.OnThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter the network namespace: %w", err)
		}
		return f()
	})
}

// loopbackUp sets IFF_UP on lo of the thread's namespace (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}
