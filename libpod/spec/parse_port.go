package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParsePublish reads the value of --publish:
// [[IP:][HOSTPORT]:]CONTAINERPORT[/PROTOCOL], where either port may be a
// range FIRST-LAST and IPv6 addresses stand in brackets. Where the host's port
// is left out, every port of the container gets one of its own, picked later.
func ParsePublish(s string) ([]Port, error) {
	ports, protocol, hasProtocol := strings.Cut(s, "/")
	p := Port{Protocol: "tcp"}
	if hasProtocol {
		p.Protocol = strings.ToLower(protocol)
	}
	switch p.Protocol {
	case "tcp", "udp", "sctp":
	default:
		return nil, fmt.Errorf("unrecognized protocol %q in port mapping %q: tcp, udp or sctp is wanted", protocol, s)
	}
	rest, err := p.cutHostIP(ports)
	if err != nil {
		return nil, err
	}
	host, inside, both := strings.Cut(rest, ":")
	if !both {
		host, inside = "", rest
	}
	if strings.Contains(inside, ":") {
		return nil, fmt.Errorf("invalid port format %q - format is [[hostIP:]hostPort:]containerPort", s)
	}
	first, n, err := parsePortRange(inside)
	if err != nil {
		return nil, fmt.Errorf("parsing container port: %w", err)
	}
	p.Container, p.Range = first, n
	if host == "" {
		return p.each(), nil
	}
	return p.withHost(host)
}

// checkPorts refuses two mappings that want the same port of the host for
// different ports inside.
func checkPorts(ports []Port) error {
	taken := map[string]uint16{}
	for _, p := range ports {
		if p.HostPort == 0 {
			continue
		}
		for i := range max(p.Range, 1) {
			key := fmt.Sprintf("%s %s %d", p.Protocol, p.HostIP, p.HostPort+i)
			inside, have := taken[key]
			if have && inside != p.Container+i {
				return fmt.Errorf("conflicting port mappings for host port %d (protocol %s)", p.HostPort+i, p.Protocol)
			}
			taken[key] = p.Container + i
		}
	}
	return nil
}

// cutHostIP takes the address, if there is one, off the front.
func (p *Port) cutHostIP(s string) (rest string, err error) {
	ip := ""
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.Index(s, "]")
		if end < 0 || !strings.HasPrefix(s[end+1:], ":") {
			return "", fmt.Errorf("invalid port format %q: an IPv6 address is written [address]:port", s)
		}
		ip, rest = s[1:end], s[end+2:]
	case strings.Count(s, ":") == 2:
		ip, rest, _ = strings.Cut(s, ":")
	default:
		return s, nil
	}
	if ip == "" && !strings.HasPrefix(s, "[") {
		return rest, nil
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return "", fmt.Errorf("cannot parse %q as an IP address", ip)
	}
	p.HostIP = addr.String()
	return rest, nil
}

func (p Port) withHost(host string) ([]Port, error) {
	first, n, err := parsePortRange(host)
	if err != nil {
		return nil, fmt.Errorf("parsing host port: %w", err)
	}
	if n != p.Range {
		return nil, fmt.Errorf("host and container port ranges have different lengths: %d vs %d", n, p.Range)
	}
	p.HostPort = first
	return []Port{p}, nil
}

// each makes a range a list of single ports.
func (p Port) each() []Port {
	var list []Port
	for i := range p.Range {
		one := p
		one.Container, one.Range = p.Container+i, 1
		list = append(list, one)
	}
	return list
}

// parsePortRange reads PORT or FIRST-LAST.
func parsePortRange(s string) (first, n uint16, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if first, err = parsePort(from); err != nil || !isRange {
		return first, 1, err
	}
	last, err := parsePort(to)
	if err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("the end of the range %s lies before its beginning", s)
	}
	return first, last - first + 1, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port number", s)
	}
	if n < 1 || n > 65535 {
		return 0, fmt.Errorf("port numbers must be between 1 and 65535 (inclusive), got %d", n)
	}
	return uint16(n), nil
}

// ParseExpose reads the value of --expose, PORT[-LAST][/PROTOCOL], into the
// single ports it names.
func ParseExpose(s string) ([]Port, error) {
	if strings.Contains(s, ":") {
		return nil, fmt.Errorf("cannot expose %q: a port or a range of ports is wanted", s)
	}
	ports, err := ParsePublish(s)
	if err != nil {
		return nil, fmt.Errorf("cannot expose %q: %w", s, err)
	}
	return ports, nil
}
