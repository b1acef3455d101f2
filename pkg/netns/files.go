package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// resolvedStub is where systemd-resolved listens, for this machine only, and
// resolvedServers the file in which it keeps the servers it asks itself.
const (
	resolvedStub    = "127.0.0.53"
	resolvedServers = "/run/systemd/resolve/resolv.conf"
)

// HostResolvConf reads the host's /etc/resolv.conf, or what stands behind it
// where it only leads to systemd-resolved. It is empty when there is none.
func HostResolvConf() []byte {
	data, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	servers := parseResolv(data).servers
	if len(servers) == 1 && servers[0] == resolvedStub {
		if behind, err := os.ReadFile(resolvedServers); err == nil {
			return behind
		}
	}
	return data
}

// ResolvInput is what a container's resolv.conf depends on.
type ResolvInput struct {
	Host []byte // the host's, from HostResolvConf
	// Kind is Pasta, Slirp, "host", "none", or anything else for a namespace
	// of its own without a helper.
	Kind string
	// Forward is the address at which the network itself answers names; ""
	// means the usual one of Kind.
	Forward string
	// Servers, Search and Options are --dns, --dns-search, --dns-option; each
	// takes the place of the host's. A list of search domains or options that
	// is "." is empty.
	Servers, Search, Options []string
	// AddServers, AddSearch and AddOptions come after all those; an option
	// takes the place of one of its name.
	AddServers, AddSearch, AddOptions []string
}

// ResolvConf returns the content of a container's /etc/resolv.conf
// (resolv.conf(5)), nil where names cannot be resolved anyway.
func ResolvConf(in ResolvInput) []byte {
	if in.Kind == "none" && len(in.Servers)+len(in.AddServers) == 0 {
		return nil
	}
	host := parseResolv(in.Host)
	return resolv{
		servers: AddWords(resolvServers(&in, host.servers), in.AddServers),
		search:  AddWords(firstOf(in.Search, host.search), in.AddSearch),
		options: AddOptions(firstOf(in.Options, host.options), in.AddOptions),
	}.format()
}

func firstOf(own, host []string) []string {
	if len(own) > 0 {
		return own
	}
	return host
}

// withoutNone knows the words that stand for an empty list.
func withoutNone(list []string) []string {
	if len(list) == 1 && (list[0] == "." || list[0] == "none") {
		return nil
	}
	return list
}

// AddWords is a list of servers or search domains with those of more after it
// that it does not have yet.
func AddWords(list, more []string) []string {
	list = slices.Clone(withoutNone(list))
	for _, word := range more {
		if !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	return list
}

// AddOptions is AddWords for NAME or NAME:VALUE: of each name the last counts.
func AddOptions(list, more []string) []string {
	name := func(word string) string {
		n, _, _ := strings.Cut(word, ":")
		return n
	}
	list = slices.Clone(withoutNone(list))
	for _, word := range more {
		list = slices.DeleteFunc(list, func(have string) bool { return name(have) == name(word) })
		list = append(list, word)
	}
	return list
}

// resolvServers are the user's, or the network's own and after it those of the
// host's that can be reached from inside: the host's loopback cannot.
func resolvServers(in *ResolvInput, host []string) []string {
	switch {
	case len(in.Servers) > 0:
		return in.Servers
	case in.Kind == "none":
		return nil
	case in.Kind == "host":
		return host
	}
	var servers []string
	if forward := in.forward(); forward != "" {
		servers = append(servers, forward)
	}
	for _, s := range host {
		a, err := netip.ParseAddr(s)
		if err == nil && !a.IsLoopback() && a.Zone() == "" && !slices.Contains(servers, s) {
			servers = append(servers, s)
		}
	}
	if len(servers)+len(in.AddServers) == 0 { // as docker and podman: better these than none
		servers = []string{"8.8.8.8", "8.8.4.4"}
	}
	return servers
}

func (in *ResolvInput) forward() string {
	switch {
	case in.Forward != "":
		return in.Forward
	case in.Kind == Pasta:
		return DNSForward
	case in.Kind == Slirp:
		return "10.0.2.3" // slirp4netns(1)
	}
	return ""
}

type resolv struct {
	servers, search, options []string
}

func parseResolv(data []byte) resolv {
	var r resolv
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			r.servers = append(r.servers, f[1])
		case "search", "domain": // the last one counts
			r.search = f[1:]
		case "options":
			r.options = append(r.options, f[1:]...)
		}
	}
	return r
}

func (r resolv) format() []byte {
	var b bytes.Buffer
	if len(r.search) > 0 {
		b.WriteString("search " + strings.Join(r.search, " ") + "\n")
	}
	for _, s := range r.servers {
		b.WriteString("nameserver " + s + "\n")
	}
	if len(r.options) > 0 {
		b.WriteString("options " + strings.Join(r.options, " ") + "\n")
	}
	return b.Bytes()
}

// hostGateway is the word of --add-host that stands for the host's address.
const hostGateway = "host-gateway"

// HostsInput is what a container's hosts file depends on.
type HostsInput struct {
	Base     []byte   // the file to start from: the host's, the image's or empty
	Kind     string   // as in ResolvInput
	FullName string   // NAME.DOMAIN: what hostname -f is to say; "" for none
	Hostname string   // of the container
	Name     string   // of the container
	Add      []string // --add-host: NAME[;NAME...]:IP, the IP may be host-gateway
	OwnIPs   []string // the container's addresses
	HostIP   string   // where the host can be reached, "" if nowhere
}

// Hosts returns the content of a container's /etc/hosts (hosts(5)). The first
// line for a name counts, so what the user adds comes first; the container's
// own names and the host's are added where nobody has taken them. A word of
// Add that cannot be read is an error, and so is host-gateway without HostIP.
func Hosts(in HostsInput) ([]byte, error) {
	var h hosts
	for _, a := range in.Add {
		ip, names, err := parseAddHost(a, in.HostIP)
		if err != nil {
			return nil, fmt.Errorf("cannot add host %q: %w", a, err)
		}
		h.add(ip, names)
	}
	for line := range bytes.Lines(in.Base) {
		text, _, _ := strings.Cut(string(line), "#")
		// A container that runs carob has such a line for its own host.
		if f := strings.Fields(text); len(f) > 1 && !slices.Contains(f, hostInternal) {
			h.add(f[0], f[1:])
		}
	}
	h.addFree("127.0.0.1", "localhost")
	h.addFree("::1", "localhost")
	if in.HostIP != "" {
		h.addFree(in.HostIP, hostInternal, "host.docker.internal")
	}
	ips := in.ownIPs()
	label, _, _ := strings.Cut(in.FullName, ".")
	for _, ip := range ips {
		h.addFree(ip, in.FullName, label, in.Hostname, in.Name) // the first counts as the name of all
	}
	if len(ips) == 0 {
		h.addFree("127.0.0.1", in.FullName)
	}
	return h.text.Bytes(), nil
}

const hostInternal = "host.containers.internal"

// ownIPs: without a network, the container's names mean itself; in the host's
// network they are the host's matter.
func (in *HostsInput) ownIPs() []string {
	switch in.Kind {
	case "none":
		return []string{"127.0.0.1"}
	case "host":
		return nil
	}
	return in.OwnIPs
}

// hosts collects lines and remembers which names the user or the base file has
// given a meaning.
type hosts struct {
	text  bytes.Buffer
	taken []string
}

func (h *hosts) add(ip string, names []string) {
	h.taken = append(h.taken, names...)
	h.text.WriteString(ip + "\t" + strings.Join(names, " ") + "\n")
}

// addFree adds those of names that are not taken; it does not take them, so
// that a name can have an address of each version of IP.
func (h *hosts) addFree(ip string, names ...string) {
	var free []string
	for _, n := range names {
		if n != "" && !slices.Contains(h.taken, n) && !slices.Contains(free, n) {
			free = append(free, n)
		}
	}
	if len(free) > 0 {
		h.text.WriteString(ip + "\t" + strings.Join(free, " ") + "\n")
	}
}

// parseAddHost reads NAME[;NAME...]:IP. An IPv6 address may have colons, a
// name has none.
func parseAddHost(word, hostIP string) (ip string, names []string, err error) {
	list, ip, ok := strings.Cut(word, ":")
	if !ok || list == "" {
		return "", nil, errors.New("want NAME:IP")
	}
	if ip == hostGateway {
		if ip = hostIP; ip == "" {
			return "", nil, errors.New("the container has no address for the host in this network")
		}
	}
	ip = strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
	if _, err := netip.ParseAddr(ip); err != nil {
		return "", nil, fmt.Errorf("%q is not an IP address", ip)
	}
	return ip, strings.Split(list, ";"), nil
}
