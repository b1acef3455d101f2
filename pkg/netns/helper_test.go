package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insideEnv is set in the copy of the test binary that runs in a user
// namespace of its own, as carob does for a user.
const insideEnv = "CAROB_NETNS_INSIDE"

// inside runs the calling test again in a user namespace, once, and skips its
// body outside.
func inside(t *testing.T) {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC):
		t.Skipf("no user namespaces here: %v", err)
	case err != nil:
		t.Fatalf("in a user namespace: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skip(string(out))
	}
	t.SkipNow() // it passed, in there
}

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no tap devices: %v", err)
	}
	f.Close()
}

func start(t *testing.T, cfg Config) *Helper {
	t.Helper()
	ns, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	cfg.Namespace, cfg.Given = ns, true
	if cfg.PIDFile == "" {
		cfg.PIDFile = filepath.Join(t.TempDir(), "pid")
	}
	h, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	if err := h.Wait(); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNewNamespaceHasLoopback(t *testing.T) {
	if os.Getuid() != 0 {
		inside(t)
	}
	ns, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var names []string
	err = In(ns, func() error {
		list, err := net.Interfaces()
		for _, i := range list {
			if i.Flags&net.FlagUp != 0 {
				names = append(names, i.Name)
			}
		}
		return err
	})
	if err != nil || fmt.Sprint(names) != "[lo]" {
		t.Errorf("interfaces up: %v, %v", names, err)
	}
}

// TestFirstThreadStaysHome: were it in the new namespace, /proc/self would
// speak of that, and the namespace would live as long as the process.
func TestFirstThreadStaysHome(t *testing.T) {
	if os.Getuid() != 0 {
		inside(t)
	}
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		ns, err := New()
		if err != nil {
			t.Fatal(err)
		}
		ns.Close()
		if now, err := os.Readlink("/proc/self/ns/net"); err != nil || now != before {
			t.Fatalf("the process is in %s now, was in %s (%v)", now, before, err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		ns, err := New()
		if err != nil {
			b.Skip(err)
		}
		ns.Close()
	}
}

// TestPublishedPorts: what is sent to the host's ports arrives inside, and
// the helper is gone, its ports free, when Stop returns.
func TestPublishedPorts(t *testing.T) {
	for _, kind := range []string{Pasta, Slirp} {
		t.Run(kind, func(t *testing.T) { testPublished(t, kind) })
	}
}

func testPublished(t *testing.T, kind string) {
	if os.Getuid() != 0 {
		inside(t)
	}
	needs(t, kind)
	port, err := FreePort("tcp", "127.0.0.1", 2)
	if err != nil {
		t.Fatal(err)
	}
	ports := []Port{{HostIP: "127.0.0.1", Host: port, Container: 80, Range: 2, Protocol: "tcp"}}
	h := start(t, Config{Kind: kind, Ports: ports, LockDir: t.TempDir()})
	serve(t, h.ns, ":81")
	if got := talk(t, port+1); got != "hello from inside" {
		t.Errorf("got %q", got)
	}
	a, err := h.Addresses()
	if err != nil || len(a.IPs) == 0 {
		t.Fatalf("addresses %+v, %v", a, err)
	}
	if own := h.OwnIP(); own != a.IPs[0].String() {
		t.Errorf("OwnIP %s, the namespace has %v", own, a.IPs)
	}
	if err := checkPort(ports[0]); err == nil {
		t.Error("the ports look free while published")
	}
	if _, err := Start(context.Background(), Config{Kind: kind, Given: true, Ports: ports, Namespace: h.ns}); err == nil {
		t.Error("the same port was published twice")
	}
	if err := Stop(h.pidFile); err != nil {
		t.Fatal(err)
	}
	if err := checkPort(ports[0]); err != nil {
		t.Errorf("after Stop: %v", err)
	}
	if _, err := os.Stat(h.pidFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the pid file is still there: %v", err)
	}
}

// serve greets whoever connects to address in ns.
func serve(t *testing.T, ns *os.File, address string) {
	t.Helper()
	var l net.Listener
	err := In(ns, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "hello from inside\n")
			c.Close()
		}
	}()
}

func talk(t *testing.T, port uint16) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(int(port)), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestNothingIsLeftOfAFailure: a helper that cannot start leaves no process
// and no file, and says why in one line.
func TestNothingIsLeftOfAFailure(t *testing.T) {
	if os.Getuid() != 0 {
		inside(t)
	}
	for kind, options := range map[string]string{Pasta: "--no-such-option", Slirp: "outbound_addr=no.such.address"} {
		needs(t, kind)
		ns, err := New()
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		dir := t.TempDir()
		port, err := FreePort("tcp", "", 1)
		if err != nil {
			t.Fatal(err)
		}
		h, err := Start(context.Background(), Config{
			Kind: kind, Given: true, Options: options, Namespace: ns, PIDFile: filepath.Join(dir, "pid"), LockDir: t.TempDir(),
			Ports: []Port{{Host: port, Container: 80, Range: 1, Protocol: "tcp"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		err = h.Wait()
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line", kind, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v", kind, left)
		}
	}
}

// TestKillWhileStarting: an abandoned start leaves nothing, at whatever moment.
func TestKillWhileStarting(t *testing.T) {
	if os.Getuid() != 0 {
		inside(t)
	}
	needs(t, Pasta)
	for delay := time.Duration(0); delay < 40*time.Millisecond; delay += 5 * time.Millisecond {
		ns, err := New()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		h, err := Start(context.Background(), Config{Kind: Pasta, Given: true, Namespace: ns, PIDFile: filepath.Join(dir, "pid")})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		h.Kill()
		ns.Close()
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("after %v: left %v", delay, left)
		}
	}
}

// TestSweep: of four directories, one belongs to a container, one to a container
// whose monitor has made nothing yet, one to a start under way, and one to a
// start that was killed.
func TestSweep(t *testing.T) {
	if os.Getuid() != 0 {
		inside(t)
	}
	needs(t, Slirp)
	parent := t.TempDir()
	helpers := map[string]*Helper{}
	for _, name := range []string{"taken", "busy", "starting", "killed"} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
		helpers[name] = start(t, Config{Kind: Slirp, PIDFile: filepath.Join(parent, name, "pid")})
	}
	if err := os.WriteFile(filepath.Join(parent, "taken", "sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	helpers["taken"].Release()
	helpers["busy"].Release()
	busy := func(name string) bool { return name == "busy" }
	helpers["killed"].file.Close()
	for _, name := range []string{"empty", "old"} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// A sweep was killed while it removed this one.
	if err := os.MkdirAll(filepath.Join(parent, "half.gone", "notify"), 0o700); err != nil {
		t.Fatal(err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(parent, "old"), hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(parent, "pid", busy, "sock"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(parent)
	if err != nil || fmt.Sprint(left) != "[d busy/ d empty/ d starting/ d taken/]" {
		t.Errorf("left %v, %v", left, err)
	}
	for _, name := range []string{"taken", "busy", "starting"} {
		if _, err := os.Stat(helpers[name].pidFile); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Sweep(filepath.Join(parent, "nothing"), "pid", busy, "sock"); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}

// TestSweepBesideStarts has starts make their pid files while others sweep: what
// a start has made and locked stays.
func TestSweepBesideStarts(t *testing.T) {
	parent := t.TempDir()
	stop, swept := make(chan struct{}), make(chan error, 2)
	for range cap(swept) {
		go func() {
			var err error
			for {
				select {
				case <-stop:
					swept <- err
					return
				default:
					err = errors.Join(err, Sweep(parent, "pid", func(string) bool { return false }))
				}
			}
		}()
	}
	for i := range 500 {
		name := filepath.Join(parent, strconv.Itoa(i%3), "pid")
		f, err := openPIDFile(name)
		if err != nil {
			t.Error(err)
			break
		}
		mine, err1 := f.Stat()
		there, err2 := os.Stat(name)
		if err1 != nil || err2 != nil || !os.SameFile(mine, there) {
			t.Errorf("start %d: its file was swept: %v, %v", i, err1, err2)
		}
		f.Close()
	}
	close(stop)
	for range cap(swept) {
		if err := <-swept; err != nil {
			t.Error(err)
		}
	}
}

// TestStrayHelper: a carob that is killed before it writes the pid down leaves
// a file without one, and Stop finds the helper all the same.
func TestStrayHelper(t *testing.T) {
	if os.Getuid() != 0 {
		inside(t)
	}
	for _, kind := range []string{Pasta, Slirp} {
		needs(t, kind)
		h := start(t, Config{Kind: kind, PIDFile: filepath.Join(t.TempDir(), "pid")})
		data, err := os.ReadFile(h.pidFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.pidFile, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Stop(h.pidFile); err != nil {
			t.Fatal(err)
		}
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(data)) + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("%s lives on: %s", kind, stat)
		}
	}
}

func TestPlannedIPFollowsTheOptions(t *testing.T) {
	slirp, err := exec.LookPath(Slirp)
	if err != nil {
		slirp = "/bin/true" // it is looked for, and not run
	}
	for _, c := range []struct{ kind, options, want string }{
		{Slirp, "", "10.0.2.100"},
		{Slirp, "cidr=10.5.0.0/24,mtu=1500", "10.5.0.100"},
		{Pasta, "--address,192.0.2.7", "192.0.2.7"},
		{Pasta, "-a,192.0.2.8/24,-4", "192.0.2.8"},
		{Pasta, "--interface,nosuch0", ""},
		{"bridge", "", ""},
	} {
		dir := t.TempDir()
		if err := os.Symlink("/bin/true", filepath.Join(dir, Pasta)); err != nil {
			t.Fatal(err)
		}
		if got := PlannedIP(Config{Kind: c.kind, Given: true, Options: c.options, Dirs: []string{dir}, SlirpPath: slirp}); got != c.want {
			t.Errorf("%s:%s: got %q, want %q", c.kind, c.options, got, c.want)
		}
	}
}
