// Package netns makes network namespaces for containers and connects them to
// the host through a helper program, pasta or slirp4netns, that needs no
// privilege. It also knows what /etc/hosts and /etc/resolv.conf a container
// wants in such a network, and looks after the host's ports.
package netns

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// New makes a network namespace with its loopback up and returns an open file
// that keeps it alive (namespaces(7)). It belongs to the user namespace the
// caller is in.
func New() (*os.File, error) {
	var ns *os.File
	err := onThread(func() (err error) {
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
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter the network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own that ends with it, because a thread
// that changed its namespace must not run anything else.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		done <- f()
	}()
	return <-done
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

// Addresses is what a namespace's interfaces and routes say.
type Addresses struct {
	Interface string   // name of the first interface that is not lo
	MAC       string   // its hardware address
	IPs       []net.IP // global addresses, IPv4 first
	Prefixes  []int    // length of each one's network, in bits
	Gateway   string   // of the IPv4 default route, "" when there is none
	Gateway6  string
}

// AddressesOf looks up the addresses in ns.
func AddressesOf(ns *os.File) (*Addresses, error) {
	var a *Addresses
	err := In(ns, func() (err error) {
		a, err = readAddresses()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the container's addresses: %w", err)
	}
	return a, nil
}

func readAddresses() (*Addresses, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	a := &Addresses{}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		a.Interface, a.MAC = i.Name, i.HardwareAddr.String()
		a.add(addrs, true)
		a.add(addrs, false)
		break
	}
	routes, _ := os.ReadFile("/proc/thread-self/net/route") // missing: no IPv4
	a.Gateway = defaultGateway(string(routes))
	routes, _ = os.ReadFile("/proc/thread-self/net/ipv6_route")
	a.Gateway6 = defaultGateway6(string(routes))
	return a, nil
}

func (a *Addresses) add(addrs []net.Addr, v4 bool) {
	for _, addr := range addrs {
		n, ok := addr.(*net.IPNet)
		if !ok || (n.IP.To4() != nil) != v4 || !n.IP.IsGlobalUnicast() {
			continue
		}
		bits, _ := n.Mask.Size()
		a.IPs, a.Prefixes = append(a.IPs, n.IP), append(a.Prefixes, bits)
	}
}
