package netns

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
)

// defaultRoute finds the interface and gateway of the default route in
// /proc/net/route: columns Iface, Destination, Gateway ... Mask with addresses
// in hexadecimal, in the machine's byte order. The gateway is "" where the
// route has none.
func defaultRoute(routes string) (name, gateway string) {
	for line := range strings.Lines(routes) {
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		raw, err := hex.DecodeString(f[2])
		if err != nil || len(raw) != 4 {
			continue
		}
		ip := make(net.IP, 4)
		binary.NativeEndian.PutUint32(ip, binary.BigEndian.Uint32(raw))
		if !ip.IsUnspecified() {
			gateway = ip.String()
		}
		return f[0], gateway
	}
	return "", ""
}

// defaultRoute6 does so in /proc/net/ipv6_route: destination, its prefix
// length, source, its prefix length, next hop ..., all in hexadecimal, the
// interface last. The kernel's own route that rejects everything is on lo.
func defaultRoute6(routes string) (name, gateway string) {
	zero := strings.Repeat("0", 32)
	for line := range strings.Lines(routes) {
		f := strings.Fields(line)
		if len(f) < 10 || f[0] != zero || f[1] != "00" || f[9] == "lo" {
			continue
		}
		if raw, err := hex.DecodeString(f[4]); err == nil && len(raw) == 16 && f[4] != zero {
			gateway = net.IP(raw).String()
		}
		return f[9], gateway
	}
	return "", ""
}
