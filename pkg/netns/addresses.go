package netns

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

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

// Addresses waits, and returns what the namespace was given.
func (h *Helper) Addresses() (*Addresses, error) {
	if err := h.Wait(); err != nil {
		return nil, err
	}
	return AddressesOf(h.ns)
}

// OwnIP is the container's address. It is known before the helper is up unless
// the user's options choose it: then OwnIP waits. "" means there is none.
func (h *Helper) OwnIP() string {
	if h.kind == Slirp {
		return h.slirpIP(100)
	}
	if ips := h.pastaIPs(); len(ips) > 0 {
		return ips[0]
	}
	return ""
}

// PlannedIP is the address that a container connected by cfg will have, as far
// as the options tell before anything is started; "" if that is not known.
func PlannedIP(cfg Config) string {
	if _, err := find(&cfg); err != nil {
		return ""
	}
	if cfg.Kind == Slirp {
		return (&Helper{kind: Slirp, options: cfg.Options}).slirpIP(100)
	}
	ips := uplinkIPs()
	words := strings.Split(cfg.Options, ",")
	for i, w := range words {
		name, value, joined := strings.Cut(w, "=")
		if !joined && i+1 < len(words) {
			value = words[i+1]
		}
		switch name {
		case "-a", "--address":
			value, _, _ = strings.Cut(value, "/")
			return value
		case "-i", "--interface":
			var a Addresses
			a.addOf(value, true)
			a.addOf(value, false)
			ips = addressWords(a.IPs)
		case "-4", "--ipv4-only":
			ips = slices.DeleteFunc(ips, func(ip string) bool { return strings.Contains(ip, ":") })
		case "-6", "--ipv6-only":
			ips = slices.DeleteFunc(ips, func(ip string) bool { return !strings.Contains(ip, ":") })
		}
	}
	if len(ips) == 0 {
		return ""
	}
	return ips[0]
}

// pastaIPs are the addresses that pasta gives the container.
func (h *Helper) pastaIPs() []string {
	if h.options == "" {
		return uplinkIPs()
	}
	a, err := h.Addresses()
	if err != nil {
		return nil
	}
	return addressWords(a.IPs)
}

// HostIP is an address at which the container reaches the host, "" if it has
// none: older versions of pasta give it the host's own address.
func (h *Helper) HostIP() string {
	if h.guestMap {
		return GuestMapAddr
	}
	if h.kind == Slirp {
		if o, err := parseSlirp(h.options); err == nil && o.hostLoopback {
			return h.slirpIP(2)
		}
		return HostIP()
	}
	return HostIP(h.pastaIPs()...)
}

// slirpIP is the n-th address of slirp4netns's network: 2 is the gateway, 100
// the container (slirp4netns(1), --cidr).
func (h *Helper) slirpIP(n byte) string {
	o, err := parseSlirp(h.options)
	if err != nil || o.cidr == "" {
		return fmt.Sprintf("10.0.2.%d", n)
	}
	base := netip.MustParsePrefix(o.cidr).Masked().Addr().As4()
	base[3] += n
	return netip.AddrFrom4(base).String()
}

// uplinkIPs are the addresses that pasta copies without options: those of the
// interface with the host's default route, IPv4 before IPv6.
func uplinkIPs() []string {
	routes, _ := os.ReadFile("/proc/thread-self/net/route") // missing: no IPv4
	routes6, _ := os.ReadFile("/proc/thread-self/net/ipv6_route")
	name, _ := defaultRoute(string(routes))
	name6, _ := defaultRoute6(string(routes6))
	var a Addresses
	a.addOf(name, true)
	a.addOf(name6, false)
	return addressWords(a.IPs)
}

func addressWords(list []net.IP) (words []string) {
	for _, ip := range list {
		words = append(words, ip.String())
	}
	return words
}

// addOf appends an interface's addresses; one that is not there has none.
func (a *Addresses) addOf(name string, v4 bool) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return
	}
	if addrs, err := i.Addrs(); err == nil {
		a.add(addrs, v4)
	}
}

// HostIP is the first address of this machine that is not among without, IPv4
// before IPv6; "" if there is none.
func HostIP(without ...string) string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var a Addresses
	a.add(addrs, true)
	a.add(addrs, false)
	for _, ip := range a.IPs {
		if !slices.Contains(without, ip.String()) {
			return ip.String()
		}
	}
	return ""
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
	_, a.Gateway = defaultRoute(string(routes))
	routes, _ = os.ReadFile("/proc/thread-self/net/ipv6_route")
	_, a.Gateway6 = defaultRoute6(string(routes))
	return a, nil
}

// add appends the global addresses of one version of IP.
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
