package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"
)

// Port is a row of published ports: Range ports (at least 1) from Host on, at
// the address HostIP ("" every one), lead to those from Container on inside.
type Port struct {
	HostIP    string
	Host      uint16
	Container uint16
	Range     uint16
	Protocol  string // tcp, udp, sctp
}

func (p Port) count() int { return max(int(p.Range), 1) }

func (p Port) String() string {
	word := strconv.Itoa(int(p.Host))
	if p.count() > 1 {
		word += "-" + strconv.Itoa(int(p.Host)+p.count()-1)
	}
	if p.Protocol != "" && p.Protocol != "tcp" {
		word += "/" + p.Protocol
	}
	return word
}

// portsLock is the file in which bytes stand for ports being published: tcp at
// the port's number, udp 65536 further.
const portsLock = "ports.lock"

// claim holds ports from the check that they are free until the helper has
// bound them: of two commands that want the same one at the same time, the
// second looks when the first is done.
type claim struct{ file *os.File }

func (c claim) release() {
	if c.file != nil {
		c.file.Close() // the locks go with it
	}
}

// claimPorts waits for its turn at each port and checks that it is free.
func claimPorts(dir string, ports []Port) (claim, error) {
	if len(ports) == 0 {
		return claim{}, nil
	}
	c := claim{}
	if dir != "" {
		f, err := os.OpenFile(filepath.Join(dir, portsLock), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return c, fmt.Errorf("cannot publish ports: %w", err)
		}
		c.file = f
		if err := lockPorts(f, ports); err != nil {
			c.release()
			return c, err
		}
	}
	for _, p := range ports {
		if err := checkPort(p); err != nil {
			c.release()
			return c, err
		}
	}
	return c, nil
}

// lockPorts takes the locks lowest first, so that no two commands wait for
// each other. They belong to the open file (F_OFD_SETLKW, fcntl(2)).
func lockPorts(f *os.File, ports []Port) error {
	sorted := append([]Port{}, ports...)
	sort.Slice(sorted, func(i, j int) bool { return offset(sorted[i]) < offset(sorted[j]) })
	for _, p := range sorted {
		lk := unix.Flock_t{Type: unix.F_WRLCK, Start: offset(p), Len: int64(p.count())}
		for {
			err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lk)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("cannot publish port %s: %w", p, err)
			}
		}
	}
	return nil
}

func offset(p Port) int64 {
	if p.Protocol == "udp" {
		return 65536 + int64(p.Host)
	}
	return int64(p.Host)
}

// checkPort binds every port of p and lets it go again. It is needed because
// pasta is content when it gets some of what it was told to bind.
func checkPort(p Port) error {
	if int(p.Host)+p.count()-1 > 65535 {
		return fmt.Errorf("cannot publish port %s: it ends above 65535", p)
	}
	for i := range p.count() {
		port := p.Host + uint16(i)
		if err := tryBind(p.Protocol, p.HostIP, port); err != nil {
			return portError(p.HostIP, port, p.Protocol, err)
		}
	}
	return nil
}

// tryBind binds as the helpers do: at every address, both versions of IP are
// taken by one socket.
func tryBind(protocol, ip string, port uint16) error {
	kind := unix.SOCK_STREAM
	switch protocol {
	case "", "tcp":
	case "udp":
		kind = unix.SOCK_DGRAM
	default:
		return unix.EPROTONOSUPPORT
	}
	family, addr, err := sockaddr(ip, port)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) && ip == "" { // the kernel has no IPv6
		return tryBind(protocol, "0.0.0.0", port)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if kind == unix.SOCK_STREAM { // connections of a former listener do not matter
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if family == unix.AF_INET6 {
		only := 1
		if ip == "" {
			only = 0
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
	}
	return unix.Bind(fd, addr)
}

func sockaddr(ip string, port uint16) (family int, addr unix.Sockaddr, err error) {
	if ip == "" {
		return unix.AF_INET6, &unix.SockaddrInet6{Port: int(port)}, nil
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return 0, nil, fmt.Errorf("%q is not an IP address", ip)
	}
	if a.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}, nil
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(port), Addr: a.As16()}, nil
}

// PortError says why a port cannot be published.
type PortError struct {
	Port Port
	Err  error // for errors.Is: EADDRINUSE, EACCES ...
	why  string
	hint string
}

func (e *PortError) Error() string {
	at := ""
	if e.Port.HostIP != "" {
		at = " at " + e.Port.HostIP
	}
	return fmt.Sprintf("cannot publish port %s%s: %s", e.Port, at, e.why)
}

func (e *PortError) Unwrap() error { return e.Err }
func (e *PortError) Hint() string  { return e.hint }

// portError puts the reason why a port cannot be had into one line.
func portError(ip string, port uint16, protocol string, err error) error {
	e := &PortError{Port: Port{HostIP: ip, Host: port, Protocol: protocol}, Err: err, why: err.Error()}
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		e.why = "it is already in use"
	case errors.Is(err, unix.EACCES):
		e.why = fmt.Sprintf("a port below %d is for root only", firstFree())
		e.hint = fmt.Sprintf("as root: sysctl -w net.ipv4.ip_unprivileged_port_start=%d; or publish a higher port", port)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		e.why = "this machine does not have that address"
	case errors.Is(err, unix.EPROTONOSUPPORT):
		e.why = "only tcp and udp can be published in this network"
	}
	return e
}

// firstFree is the lowest port everybody may bind, ip_unprivileged_port_start
// in ip-sysctl of the kernel's documentation.
func firstFree() int {
	data, _ := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	var n int
	if _, err := fmt.Sscan(string(data), &n); err != nil {
		return 1024
	}
	return n
}

// FreePort picks a host port for which it and the count-1 after it are free at
// ip ("" every address). Nothing keeps them free until they are bound.
func FreePort(protocol, ip string, count uint16) (uint16, error) {
	p := Port{HostIP: ip, Protocol: protocol, Range: count}
	var err error
	for range 64 {
		if p.Host, err = anyPort(protocol, ip); err != nil {
			return 0, fmt.Errorf("cannot find a free port: %w", err)
		}
		if err = checkPort(p); err == nil {
			return p.Host, nil
		}
	}
	return 0, fmt.Errorf("cannot find %d free ports in a row: %w", p.count(), err)
}

// anyPort lets the kernel choose.
func anyPort(protocol, ip string) (uint16, error) {
	kind := unix.SOCK_STREAM
	if protocol == "udp" {
		kind = unix.SOCK_DGRAM
	}
	family, addr, err := sockaddr(ip, 0)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) && ip == "" {
		return anyPort(protocol, "0.0.0.0")
	}
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, addr); err != nil {
		return 0, err
	}
	got, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch a := got.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port), nil
	case *unix.SockaddrInet6:
		return uint16(a.Port), nil
	}
	return 0, unix.EAFNOSUPPORT
}
