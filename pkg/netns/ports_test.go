package netns

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestPastaArgs(t *testing.T) {
	const usual = "--config-net --quiet --no-netns-quit"
	const closed = " -t none -u none -T none -U none --no-map-gw --dns-forward 169.254.1.1 --runas 0:0"
	for _, c := range []struct {
		options string
		ports   []Port
		want    string
	}{
		{"", nil, usual + closed},
		{"", []Port{{Host: 8080, Container: 80, Range: 1, Protocol: "tcp"}},
			usual + " -t 8080:80 -u none -T none -U none --no-map-gw --dns-forward 169.254.1.1 --runas 0:0"},
		{"", []Port{{HostIP: "127.0.0.1", Host: 8000, Container: 80, Range: 3, Protocol: "tcp"}, {HostIP: "::1", Host: 53, Container: 5353, Protocol: "udp"}},
			usual + " -t 127.0.0.1/8000-8002:80-82 -u ::1/53:5353 -T none -U none --no-map-gw --dns-forward 169.254.1.1 --runas 0:0"},
		{"--map-gw", nil, usual + " -t none -u none -T none -U none --dns-forward 169.254.1.1 --runas 0:0"},
		{"--mtu,1500,-T,5432,--dns-forward,192.0.2.9", nil,
			usual + " --mtu 1500 -T 5432 --dns-forward 192.0.2.9 -t none -u none -U none --no-map-gw --runas 0:0"},
		{"--tcp-ports=auto", nil, usual + " --tcp-ports=auto -u none -T none -U none --no-map-gw --dns-forward 169.254.1.1 --runas 0:0"},
	} {
		got, err := pastaArgs(c.options, c.ports)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%q %v: got %s, %v\nwant %s", c.options, c.ports, strings.Join(got, " "), err, c.want)
		}
	}
	if _, err := pastaArgs("", []Port{{Host: 1, Container: 1, Protocol: "sctp"}}); err == nil {
		t.Error("sctp was accepted")
	}
}

func TestSlirpOptions(t *testing.T) {
	o, err := parseSlirp("mtu=1500,cidr=10.9.0.0/24,allow_host_loopback=true,enable_ipv6=false,outbound_addr=eth0,port_handler=slirp4netns")
	want := "--configure --mtu 1500 --ready-fd 3 --netns-type path --enable-sandbox --enable-seccomp --cidr 10.9.0.0/24 --outbound-addr eth0 /proc/self/fd/0 tap0"
	if got := strings.Join(o.args(""), " "); err != nil || got != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	o, err = parseSlirp("")
	want = "--configure --mtu 65520 --ready-fd 3 --netns-type path --enable-sandbox --enable-seccomp --api-socket S --disable-host-loopback --enable-ipv6 /proc/self/fd/0 tap0"
	if got := strings.Join(o.args("S"), " "); err != nil || got != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	for _, bad := range []string{"mtu", "mtu=x", "mtu=7", "cidr=fd00::/64", "cidr=nonsense", "enable_ipv6=maybe", "port_handler=rootlesskit", "speed=fast"} {
		if _, err := parseSlirp(bad); err == nil || !strings.Contains(err.Error(), strconv.Quote(bad)) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestPastaWords(t *testing.T) {
	const noise = "Failed to send 57 bytes to syslog\n"
	for words, want := range map[string]string{
		noise + "Couldn't open network namespace /proc/self/fd/0\n": "cannot start pasta: Couldn't open network namespace /proc/self/fd/0",
		"pasta: unrecognized option '--x'\nUsage: pasta\n  -d\n":    "cannot start pasta: unrecognized option '--x'",
		"": "cannot start pasta: exit status 1",
		"Failed to bind any port for '-t 1:1', exiting\n": "cannot publish ports: Failed to bind any port for '-t 1:1', exiting",
	} {
		if got := pastaError(t.Context(), errExit1{}, words, nil).Error(); got != want {
			t.Errorf("%q: got %q, want %q", words, got, want)
		}
	}
}

type errExit1 struct{}

func (errExit1) Error() string { return "exit status 1" }

func TestCorner45PortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		p    Port
		want string // "" for none
	}{
		{Port{HostIP: "127.0.0.1", Host: port, Protocol: "tcp"}, "already in use"},
		{Port{Host: port, Protocol: "tcp"}, "already in use"}, // every address is not free
		{Port{HostIP: "127.0.0.1", Host: port - 1, Range: 3, Protocol: "tcp"}, "already in use"},
		{Port{HostIP: "127.0.0.2", Host: port, Protocol: "tcp"}, ""},
		{Port{HostIP: "127.0.0.1", Host: port, Protocol: "udp"}, ""},
		{Port{HostIP: "192.0.2.254", Host: port, Protocol: "tcp"}, "does not have that address"},
		{Port{Host: 65535, Range: 2, Protocol: "tcp"}, "ends above 65535"},
		{Port{Host: port, Protocol: "sctp"}, "only tcp and udp"},
		{Port{HostIP: "localhost", Host: port, Protocol: "tcp"}, "is not an IP address"},
	} {
		err := checkPort(c.p)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+v: %v", c.p, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%+v: got %v, want one line with %q", c.p, err, c.want)
		}
	}
}

// TestCorner45PortsAreClaimedOneAtATime: while one command publishes a port,
// another that wants it waits, and one that wants others does not.
func TestCorner45PortsAreClaimedOneAtATime(t *testing.T) {
	dir := t.TempDir()
	port, err := FreePort("tcp", "", 3)
	if err != nil {
		t.Fatal(err)
	}
	first, err := claimPorts(dir, []Port{{Host: port, Range: 3, Protocol: "tcp"}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := claimPorts(dir, []Port{{Host: port, Range: 3, Protocol: "udp"}})
	if err != nil {
		t.Fatal(err)
	}
	other.release()
	second := make(chan error, 1)
	go func() {
		c, err := claimPorts(dir, []Port{{Host: port + 2, Protocol: "tcp"}})
		c.release()
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("the second command did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	l, err := net.Listen("tcp", ":"+strconv.Itoa(int(port)+2)) // what the helper does
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first.release()
	if err := <-second; err == nil || !strings.Contains(err.Error(), "already in use") {
		t.Errorf("the second command got %v", err)
	}
}

func TestFreePort(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		port, err := FreePort(protocol, "127.0.0.1", 4)
		if err != nil || port < 1024 {
			t.Errorf("%s: got %d, %v", protocol, port, err)
		}
	}
	if _, err := FreePort("tcp", "192.0.2.254", 1); err == nil {
		t.Error("a port at an address this machine does not have")
	}
}

func TestPastaHelpIsAskedOnce(t *testing.T) {
	dir := t.TempDir()
	program, asked := dir+"/pasta", dir+"/asked"
	write := func(option string) {
		text := "#!/bin/sh\necho >>" + asked + "\necho '  " + option + " ADDR' >&2\nexit 1\n"
		if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(len(option)) * time.Second)
		if err := os.Chtimes(program, later, later); err != nil {
			t.Fatal(err)
		}
	}
	times := func() int {
		data, _ := os.ReadFile(asked)
		return len(data)
	}
	write("--old-thing")
	for range 2 {
		if pastaKnows(program, dir, "--map-guest-addr") {
			t.Error("an old pasta knows --map-guest-addr")
		}
	}
	if times() != 1 {
		t.Errorf("asked %d times", times())
	}
	write("--map-guest-addr")
	if !pastaKnows(program, dir, "--map-guest-addr") || times() != 2 {
		t.Errorf("the new version was not noticed (asked %d times)", times())
	}
	if !wantsGuestMap([]string{"-4"}) || wantsGuestMap([]string{"--map-guest-addr", "none"}) || wantsGuestMap([]string{"-6"}) {
		t.Error("wantsGuestMap is wrong")
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for kind, pkg := range map[string]string{Pasta: "passt", Slirp: "slirp4netns"} {
		_, err := Start(context.Background(), Config{Kind: kind})
		h, ok := err.(interface{ Hint() string })
		if !ok || !strings.Contains(h.Hint(), "apt-get install "+pkg) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
	if err := os.WriteFile(os.Getenv("PATH")+"/slirp4netns", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[bool]string{false: Slirp, true: ""} {
		cfg := Config{Kind: Pasta, Given: given}
		_, err := find(&cfg)
		if (err == nil) != (want != "") || want != "" && cfg.Kind != want {
			t.Errorf("pasta asked for: %t; got %s, %v", given, cfg.Kind, err)
		}
	}
}

// TestOldPastaIsNoDefault: where the installed pasta is one of the old ones,
// slirp4netns stands in unless pasta was asked for.
func TestOldPastaIsNoDefault(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, name := range []string{Pasta, Slirp} {
		if err := os.WriteFile(dir+"/"+name, []byte("#!/bin/sh\necho '  --old ADDR'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for given, want := range map[bool]string{false: Slirp, true: Pasta} {
		cfg := Config{Kind: Pasta, Given: given, LockDir: t.TempDir()}
		if _, err := find(&cfg); err != nil || cfg.Kind != want {
			t.Errorf("asked for: %t; got %s, %v, want %s", given, cfg.Kind, err, want)
		}
	}
	if err := os.Remove(dir + "/" + Slirp); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Kind: Pasta, LockDir: t.TempDir()}
	if _, err := find(&cfg); err != nil || cfg.Kind != Pasta {
		t.Errorf("without slirp4netns: got %s, %v", cfg.Kind, err)
	}
}

func TestStopLeavesOthersAlone(t *testing.T) {
	file := t.TempDir() + "/pid"
	if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Stop(file); err != nil { // we live to see it
		t.Fatal(err)
	}
	if err := Stop(file); err != nil {
		t.Errorf("without a file: %v", err)
	}
}

func TestHostIP(t *testing.T) {
	ips := []string{}
	for ip := HostIP(); ip != ""; ip = HostIP(ips...) {
		if slices.Contains(ips, ip) {
			t.Fatalf("%s twice", ip)
		}
		ips = append(ips, ip)
	}
	for _, ip := range uplinkIPs() {
		if !slices.Contains(ips, ip) {
			t.Errorf("uplink address %s is not among the host's, %v", ip, ips)
		}
	}
}
