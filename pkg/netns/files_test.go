package netns

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// golden compares with testdata/NAME; CAROB_WRITE_GOLDEN=1 writes it instead.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("CAROB_WRITE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", file, got, want)
	}
}

func TestCorner23ResolvConf(t *testing.T) {
	const (
		plain = "# comment\nsearch corp.example lan\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions edns0 trust-ad\n"
		stub  = "nameserver 127.0.0.53\noptions edns0\nsearch .\n"
		odd   = "domain one.example\nsearch two.example three.example\nnameserver fe80::1%eth0\nnameserver ::1\nnameserver 192.0.2.1\nnameserver\n"
	)
	var b strings.Builder
	for _, c := range []struct {
		name string
		in   ResolvInput
	}{
		{"pasta: its own resolver first", ResolvInput{Host: []byte(plain), Kind: Pasta}},
		{"pasta: --dns-forward of the user", ResolvInput{Host: []byte(plain), Kind: Pasta, Forward: "192.0.2.99"}},
		{"pasta: the host's stub cannot be reached", ResolvInput{Host: []byte(stub), Kind: Pasta}},
		{"slirp4netns", ResolvInput{Host: []byte(plain), Kind: Slirp}},
		{"host: as it is", ResolvInput{Host: []byte(stub), Kind: "host"}},
		{"a namespace without a resolver: not the host's loopback", ResolvInput{Host: []byte(stub), Kind: "ns"}},
		{"link-local and loopback servers stay behind, the last search line counts", ResolvInput{Host: []byte(odd), Kind: "ns"}},
		{"no network: no file", ResolvInput{Host: []byte(plain), Kind: "none"}},
		{"--dns takes the place of all servers", ResolvInput{Host: []byte(plain), Kind: Pasta, Servers: []string{"1.1.1.1", "9.9.9.9"}}},
		{"--dns with no network", ResolvInput{Host: []byte(plain), Kind: "none", Servers: []string{"1.1.1.1"}}},
		{"--dns-search", ResolvInput{Host: []byte(plain), Kind: Pasta, Search: []string{"a.example", "b.example"}}},
		{"--dns-search=.", ResolvInput{Host: []byte(plain), Kind: Pasta, Search: []string{"."}}},
		{"--dns-option replaces", ResolvInput{Host: []byte(plain), Kind: Pasta, Options: []string{"ndots:3", "timeout:1"}}},
		{"added", ResolvInput{Host: []byte(plain), Kind: Pasta, AddServers: []string{"192.0.2.53", "192.0.2.54", "192.0.2.54"},
			AddSearch: []string{"lan", "wan"}, AddOptions: []string{"ndots:2", "trust-ad", "edns0:x", "ndots:5"}}},
		{"added to what is in the host's place", ResolvInput{Host: []byte(plain), Kind: Pasta, Servers: []string{"1.1.1.1"}, AddServers: []string{"9.9.9.9"},
			Search: []string{"."}, AddSearch: []string{"wan"}, Options: []string{"."}, AddOptions: []string{"rotate"}}},
		{"added to no network", ResolvInput{Host: []byte(plain), Kind: "none", AddServers: []string{"9.9.9.9"}}},
		{"added to nothing", ResolvInput{Kind: "ns", AddServers: []string{"9.9.9.9"}, AddSearch: []string{"wan"}}},
		{"nothing of the host's", ResolvInput{Host: []byte(plain), Kind: Pasta, Servers: []string{"1.1.1.1"}, Search: []string{"."}, Options: []string{"."}}},
		{"a host without the file", ResolvInput{Kind: Pasta}},
		{"a host without the file, no resolver", ResolvInput{Kind: "ns"}},
	} {
		b.WriteString("== " + c.name + "\n" + string(ResolvConf(c.in)))
	}
	golden(t, "resolv.golden", b.String())
}

func TestCorner22HostsFile(t *testing.T) {
	const host = "127.0.0.1 localhost # loopback\n127.0.1.1\tbox.example box\n::1 localhost ip6-localhost\n\n# done\n"
	base := HostsInput{
		Base: []byte(host), Kind: Pasta, Hostname: "0123456789ab", Name: "web",
		OwnIPs: []string{"10.0.2.100"}, HostIP: "192.0.2.2",
	}
	with := func(change func(*HostsInput)) HostsInput {
		in := base
		change(&in)
		return in
	}
	var b strings.Builder
	for _, c := range []struct {
		name string
		in   HostsInput
	}{
		{"usual", base},
		{"both versions of IP", with(func(in *HostsInput) { in.OwnIPs = []string{"10.0.2.100", "fd00::2"} })},
		{"--add-host comes first", with(func(in *HostsInput) {
			in.Add = []string{"db:192.0.2.7", "a;b:192.0.2.8", "six:[2001:db8::1]", "gw:host-gateway"}
		})},
		{"--add-host wins over the container's own names", with(func(in *HostsInput) {
			in.Add = []string{"web:192.0.2.7", "host.containers.internal:192.0.2.9"}
		})},
		{"an empty base still knows localhost", with(func(in *HostsInput) { in.Base = nil })},
		{"carob inside a container", with(func(in *HostsInput) { in.Base = []byte("10.0.2.2 host.containers.internal host.docker.internal\n") })},
		{"no way to the host", with(func(in *HostsInput) { in.HostIP = "" })},
		{"network none", with(func(in *HostsInput) { in.Kind, in.OwnIPs = "none", nil })},
		{"network host", with(func(in *HostsInput) { in.Kind = "host" })},
		{"a full name", with(func(in *HostsInput) { in.FullName, in.Hostname, in.Name = "web-0.web.example", "web-0", "web-0-infra" })},
		{"a full name that is the hostname", with(func(in *HostsInput) { in.FullName, in.Hostname = "web-0.web.example", "web-0.web.example" })},
		{"a full name, network none", with(func(in *HostsInput) { in.FullName, in.Hostname, in.Kind = "web-0.web.example", "web-0", "none" })},
		{"a full name, network host", with(func(in *HostsInput) { in.FullName, in.Kind = "web-0.web.example", "host" })},
		{"hostname and name the same", with(func(in *HostsInput) { in.Hostname = "web" })},
	} {
		text, err := Hosts(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		b.WriteString("== " + c.name + "\n" + string(text))
	}
	golden(t, "hosts.golden", b.String())
	for word, want := range map[string]string{
		"db":              `cannot add host "db": want NAME:IP`,
		"db:nowhere":      `cannot add host "db:nowhere": "nowhere" is not an IP address`,
		"gw:host-gateway": `cannot add host "gw:host-gateway": the container has no address for the host in this network`,
	} {
		_, err := Hosts(with(func(in *HostsInput) { in.Add, in.HostIP = []string{word}, "" }))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", word, err, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	const v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	if name, gw := defaultRoute(v4); name != "eth0" || gw != "192.0.2.1" {
		t.Errorf("got %s %s", name, gw) // little endian, as the machines we have
	}
	zero := strings.Repeat("0", 32)
	v6 := "fd000000000000000000000000000000 40 " + zero + " 00 " + zero + " 00000100 00000001 00000000 00000001     eth0\n" +
		zero + " 00 " + zero + " 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n" +
		zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n"
	if name, gw := defaultRoute6(v6); name != "eth0" || gw != "fd00::1" {
		t.Errorf("got %s %s", name, gw)
	}
	if name, gw := defaultRoute6(""); name != "" || gw != "" {
		t.Errorf("got %s %s from nothing", name, gw)
	}
}
