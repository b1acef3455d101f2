package monitor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
)

// The tests that run containers do so in a user and mount namespace of their
// own, which needs neither root nor an account.

const insideEnv = "CAROB_MONITOR_TEST_INSIDE"

var (
	program    string // the built carob-monitor
	skipReason string
	ownCgroups bool // containers can be given one
)

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) == "" {
		if code, ok := rerunInside(); ok {
			os.Exit(code)
		}
		skipReason = "user namespaces cannot be made here"
	} else {
		mountCgroup()
	}
	os.Exit(runTests(m))
}

// runTests builds the monitor, unless CAROB_MONITOR names one, and tests it.
func runTests(m *testing.M) int {
	if program = os.Getenv("CAROB_MONITOR"); program != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "monitor-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "carob-monitor")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "../../cmd/carob-monitor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil && skipReason == "" {
		skipReason = "cannot build carob-monitor: " + string(out)
	}
	return m.Run()
}

// mountCgroup gives the namespace a version 2 hierarchy of its own, or none:
// crun refuses hybrid hosts even when it is told to leave cgroups alone.
func mountCgroup() {
	err := unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, "")
	ownCgroups = err == nil && canMakeCgroups()
	if err == nil {
		return
	}
	if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, ""); err != nil {
		skipReason = "cannot mount: " + err.Error()
	}
}

// canMakeCgroups moves this process into a group of its own and back: that a
// directory can be written to says little.
func canMakeCgroups() bool {
	const root, group = "/sys/fs/cgroup", "/sys/fs/cgroup/carob-monitor-test"
	if err := os.Mkdir(group, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return false
	}
	err := os.WriteFile(group+"/cgroup.procs", []byte("0"), 0)
	back := os.WriteFile(root+"/cgroup.procs", []byte("0"), 0)
	return err == nil && back == nil && os.Remove(group) == nil
}

func rerunInside() (code int, ok bool) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), true
	}
	return 0, err == nil
}

// box is one container to be supervised.
type box struct {
	t    testing.TB
	dir  string
	cfg  monitor.Config
	opts client.SpawnOptions
	pid  int // the monitor's

	ownNetwork bool // a network namespace without a way out
	ownCgroup  bool // at /sys/fs/cgroup/carob-test-ID
}

// newBox makes a bundle that runs args.
func newBox(t testing.TB, args ...string) *box {
	t.Helper()
	need(t, "crun")
	dir := t.TempDir()
	makeRootfs(t, filepath.Join(dir, "rootfs"))
	b := &box{t: t, dir: dir}
	id := strings.ReplaceAll(strings.ToLower(filepath.Base(filepath.Dir(dir))+filepath.Base(dir)), "/", "-")
	b.cfg = monitor.Config{
		ID: id, Name: "box", Image: "localhost/test", Bundle: dir, RunDir: filepath.Join(dir, "run"),
		Runtime:   []string{need(t, "crun"), "--root", filepath.Join(dir, "state"), "--cgroup-manager=disabled"},
		LogDriver: "k8s-file", LogPath: filepath.Join(dir, "ctr.log"), Start: true,
		StopSignal: int(unix.SIGTERM), StopTimeout: 10, Events: filepath.Join(dir, "events"),
	}
	b.setProcess(args, false)
	must(t, monitor.CreateRecordFile(b.path(monitor.RecordFile)))
	return b
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

func need(t testing.TB, name string) string {
	t.Helper()
	if skipReason != "" {
		t.Skip(skipReason)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func makeRootfs(t testing.TB, root string) {
	t.Helper()
	busybox, err := os.ReadFile(need(t, "busybox"))
	must(t, err)
	for _, d := range []string{"bin", "proc", "dev", "tmp", "etc"} {
		must(t, os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(root, "bin/busybox"), busybox, 0o755))
	for _, applet := range []string{"sh", "true", "cat", "sleep", "head", "yes", "seq", "tail", "stty", "printf", "dd", "kill"} {
		must(t, os.Symlink("busybox", filepath.Join(root, "bin", applet)))
	}
	must(t, os.WriteFile(filepath.Join(root, "bin/garbage"), []byte("\x00\x01nonsense"), 0o755))
}

func (b *box) setProcess(args []string, terminal bool) { b.setLimited(args, terminal, 0) }

// setLimited writes the bundle; memory is a limit in bytes, 0 for none.
func (b *box) setLimited(args []string, terminal bool, memory int) {
	b.t.Helper()
	b.cfg.Terminal = terminal
	dev := func(kind, dst string, opts ...string) map[string]any {
		return map[string]any{"type": kind, "source": kind, "destination": dst, "options": opts}
	}
	spec := map[string]any{
		"ociVersion": "1.0.0",
		"process": map[string]any{
			"terminal": terminal, "args": args, "cwd": "/", "user": map[string]int{"uid": 0, "gid": 0},
			"env": []string{"PATH=/bin"},
		},
		"root": map[string]any{"path": "rootfs"},
		"mounts": []any{
			dev("proc", "/proc"), dev("tmpfs", "/dev", "nosuid", "mode=755"), dev("devpts", "/dev/pts", "newinstance", "ptmxmode=0666", "mode=0620"),
		},
		"linux": map[string]any{"namespaces": []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}}},
	}
	linux := spec["linux"].(map[string]any)
	if b.ownNetwork {
		linux["namespaces"] = append(linux["namespaces"].([]map[string]string), map[string]string{"type": "network"})
	}
	if memory > 0 || b.ownCgroup {
		linux["cgroupsPath"] = "/carob-test-" + b.cfg.ID
	}
	if memory > 0 {
		linux["resources"] = map[string]any{"memory": map[string]int{"limit": memory, "swap": memory}}
	}
	data, err := json.Marshal(spec)
	must(b.t, err)
	must(b.t, os.WriteFile(b.path("config.json"), data, 0o644))
}

// spawn starts the monitor; it is killed with the test if it still lives.
func (b *box) spawn() *client.Conn {
	b.t.Helper()
	data, err := json.Marshal(&b.cfg)
	must(b.t, err)
	must(b.t, os.WriteFile(b.path(monitor.ConfigFile), data, 0o600))
	rec, err := os.OpenFile(b.path(monitor.RecordFile), os.O_RDWR, 0)
	must(b.t, err)
	defer rec.Close()
	for held := true; held; time.Sleep(time.Millisecond) {
		held, err = monitor.LockRecord(int(rec.Fd()))
		must(b.t, err)
	}
	b.opts.Program, b.opts.Dir, b.opts.Record = program, b.dir, rec
	c, err := client.Spawn(context.Background(), b.opts)
	must(b.t, err)
	b.pid = c.PID()
	b.t.Cleanup(func() {
		c.Close()
		b.end()
	})
	return c
}

// end takes down whatever a test left.
func (b *box) end() {
	unix.Kill(b.pid, unix.SIGTERM)
	done := make(chan struct{})
	go func() { unix.Wait4(b.pid, nil, 0, nil); close(done) }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		b.t.Errorf("the monitor %d does not end: %+v", b.pid, b.record())
		unix.Kill(b.pid, unix.SIGKILL)
	}
	exec.Command(b.cfg.Runtime[0], append(b.cfg.Runtime[1:], "delete", "--force", b.cfg.ID)...).Run()
}

func (b *box) record() *monitor.Record {
	f, err := os.Open(b.path(monitor.RecordFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	r, _ := monitor.ReadRecord(int(f.Fd()))
	return r
}

// waitRecord waits until cond holds for the record.
func (b *box) waitRecord(what string, cond func(*monitor.Record) bool) *monitor.Record {
	b.t.Helper()
	var r *monitor.Record
	for range 1000 {
		if r = b.record(); r != nil && cond(r) {
			return r
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("%s does not come: %+v", what, r)
	return nil
}

// logText is the container's output as its log has it.
func (b *box) logText(files ...string) string {
	b.t.Helper()
	var all strings.Builder
	if len(files) == 0 {
		files = []string{b.cfg.LogPath}
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		must(b.t, err)
		for line := range strings.Lines(string(data)) {
			f := strings.SplitN(line, " ", 4)
			if len(f) != 4 || (f[2] != "F" && f[2] != "P") || !strings.HasSuffix(line, "\n") {
				b.t.Fatalf("a broken record in %s: %q", name, line)
			}
			if f[2] == "P" {
				f[3] = strings.TrimSuffix(f[3], "\n")
			}
			all.WriteString(f[3])
		}
	}
	return all.String()
}

// ended waits for the final end and for the monitor to leave.
func ended(t testing.TB, c *client.Conn, stdout, stderr interface{ Write([]byte) (int, error) }) int {
	t.Helper()
	code, err := c.WaitExit(stdout, stderr)
	must(t, err)
	must(t, c.WaitCleaned())
	if _, _, err := c.Recv(); !errors.Is(err, client.ErrGone) {
		t.Fatalf("the monitor stays: %v", err)
	}
	return code
}

func dialUntil(t *testing.T, runDir string) *client.Conn {
	t.Helper()
	for range 200 {
		if c, err := client.Dial(runDir); err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(fmt.Errorf("no monitor listens in %s", runDir))
	return nil
}
