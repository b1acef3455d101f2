package netns

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
)

// defaultGateway finds the gateway of the default route in /proc/net/route:
// columns Iface, Destination, Gateway ... with addresses in hexadecimal, in
// the machine's byte order.
func defaultGateway(routes string) string {
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
			return ip.String()
		}
	}
	return ""
}

// defaultGateway6 does so in /proc/net/ipv6_route: destination, its prefix
// length, source, its prefix length, next hop ..., all in hexadecimal.
func defaultGateway6(routes string) string {
	zero := strings.Repeat("0", 32)
	for line := range strings.Lines(routes) {
		f := strings.Fields(line)
		if len(f) < 10 || f[0] != zero || f[1] != "00" || f[4] == zero {
			continue
		}
		if raw, err := hex.DecodeString(f[4]); err == nil && len(raw) == 16 {
			return net.IP(raw).String()
		}
	}
	return ""
}
