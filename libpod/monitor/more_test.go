package monitor_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
)

func TestCorner10StopThawsAPausedContainer(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'exit 8' TERM; while :; do sleep 0.05; done")
	if !ownCgroups {
		t.Skip("no cgroup can be made here")
	}
	b.cfg.Runtime = []string{need(t, "crun"), "--root", b.path("state"), "--cgroup-manager=cgroupfs"}
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	if out, err := exec.Command(b.cfg.Runtime[0], append(b.cfg.Runtime[1:], "pause", b.cfg.ID)...).CombinedOutput(); err != nil {
		t.Fatalf("cannot pause: %s", out)
	}
	must(t, c.Stop(0, 10))
	began := time.Now()
	if code := ended(t, c, nil, nil); code != 8 || time.Since(began) > 5*time.Second {
		t.Errorf("code %d after %s", code, time.Since(began))
	}
}

func TestRunc(t *testing.T) {
	runc := need(t, "runc")
	for _, tc := range []struct {
		args []string
		code int
	}{{[]string{"sh", "-c", "echo out; exit 5"}, 5}, {[]string{"nonsuch"}, 127}, {[]string{"/etc"}, 126}} {
		b := newBox(t, tc.args...)
		b.cfg.Runtime = []string{runc, "--root", b.path("state"), "--rootless", "true"}
		b.opts.Attach = outputs
		c := b.spawn()
		var out bytes.Buffer
		code, err := c.WaitExit(&out, nil)
		var failed *client.Failed
		if errors.As(err, &failed) {
			code = failed.Code
			if !strings.HasPrefix(failed.Text, "runc: ") {
				t.Errorf("%q", failed.Text)
			}
			if code == 125 {
				t.Skip(failed.Text)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		if code != tc.code || code == 5 && out.String() != "out\n" {
			t.Errorf("%q: code %d, output %q", tc.args, code, out.String())
		}
		must(t, c.WaitCleaned())
	}
}

func TestPassthrough(t *testing.T) {
	b := newBox(t, "sh", "-c", "cat; echo err >&2")
	in, out, errs := b.path("in"), b.path("out"), b.path("err")
	must(t, os.WriteFile(in, []byte("text\n"), 0o600))
	stdin, err := os.Open(in)
	must(t, err)
	stdout, err := os.Create(out)
	must(t, err)
	stderr, err := os.Create(errs)
	must(t, err)
	b.cfg.LogDriver = "passthrough"
	b.opts.Stdio = &[3]*os.File{stdin, stdout, stderr}
	ended(t, b.spawn(), nil, nil)
	got, _ := os.ReadFile(out)
	gotErr, _ := os.ReadFile(errs)
	if string(got) != "text\n" || string(gotErr) != "err\n" {
		t.Errorf("%q %q", got, gotErr)
	}
}

func TestCorner43PreservedDescriptorsGoInside(t *testing.T) {
	b := newBox(t, "sh", "-c", "cat <&3; echo written >&4; [ ! -e /proc/self/fd/5 ] || echo more")
	r, w, err := os.Pipe()
	must(t, err)
	_, err = w.WriteString("given\n")
	must(t, err)
	w.Close()
	out, err := os.Create(b.path("given"))
	must(t, err)
	b.cfg.PreserveFDs = 2
	b.opts.Extra = []*os.File{r, out}
	b.opts.Attach = outputs
	c := b.spawn()
	var text bytes.Buffer
	if code := ended(t, c, &text, nil); code != 0 || text.String() != "given\n" {
		t.Errorf("code %d, %q", code, text.String())
	}
	if data, _ := os.ReadFile(b.path("given")); string(data) != "written\n" {
		t.Errorf("%q", data)
	}
}

func TestPIDFile(t *testing.T) {
	b := newBox(t, "sleep", "100")
	b.cfg.PIDFile = b.path("user.pid")
	c := b.spawn()
	pid, err := c.WaitStarted()
	must(t, err)
	if data, _ := os.ReadFile(b.cfg.PIDFile); string(data) != itoa(pid) {
		t.Errorf("%q, want %d", data, pid)
	}
	must(t, c.Signal(unix.SIGKILL))
	ended(t, c, nil, nil)
}

func TestMonitorThatCannotBeginSaysWhy(t *testing.T) {
	b := newBox(t, "true")
	b.cfg.LogDriver = "nonsense"
	c := b.spawn()
	_, err := c.WaitStarted()
	var failed *client.Failed
	if !errors.As(err, &failed) || failed.Code != 125 || !strings.Contains(failed.Text, "nonsense") {
		t.Errorf("%v", err)
	}
	if r := b.record(); r == nil || r.State != monitor.StateExited || r.Error == "" {
		t.Errorf("%+v", r)
	}
}

func TestRuntimeThatIsMissing(t *testing.T) {
	b := newBox(t, "true")
	b.cfg.Runtime[0] = "/nonexistent/crun"
	c := b.spawn()
	_, err := c.WaitStarted()
	var failed *client.Failed
	if !errors.As(err, &failed) || failed.Code != 125 || !strings.Contains(failed.Text, "/nonexistent/crun") {
		t.Errorf("%v", err)
	}
	must(t, c.WaitCleaned())
}

func TestMountsAreGoneBeforeCleaned(t *testing.T) {
	b := newBox(t, "true")
	rootfs := b.path("mounted")
	must(t, os.Mkdir(rootfs, 0o700))
	must(t, unix.Mount(b.path("rootfs"), rootfs, "", unix.MS_BIND, ""))
	defer unix.Unmount(rootfs, unix.MNT_DETACH)
	b.cfg.Rootfs = rootfs
	must(t, os.MkdirAll(filepath.Join(b.cfg.RunDir, "shm"), 0o700))
	must(t, unix.Mount("tmpfs", filepath.Join(b.cfg.RunDir, "shm"), "tmpfs", 0, ""))
	ended(t, b.spawn(), nil, nil)
	data, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if strings.Contains(string(data), rootfs) || strings.Contains(string(data), b.cfg.RunDir) {
		t.Error("something is still mounted")
	}
	if _, err := os.Stat(filepath.Join(b.path("rootfs"), "bin/sh")); err != nil {
		t.Errorf("the clean-up went too far: %v", err)
	}
}

func TestAdoptedContainerIsStartedAgainByAnother(t *testing.T) {
	b := newBox(t, "sleep", "100")
	marker := b.path("again")
	b.cfg.RestartPolicy = "always"
	b.cfg.Rootfs = b.path("not-mounted")
	b.cfg.Again = []string{"/bin/sh", "-c", "echo > " + marker}
	c := b.spawn()
	pid, err := c.WaitStarted()
	must(t, err)
	b.killMonitor()
	c = b.adopt()
	_, err = c.WaitStarted()
	must(t, err)
	must(t, unix.Kill(pid, unix.SIGKILL))
	m, err := c.Until(nil, nil, monitor.MsgExited)
	must(t, err)
	if m.Again {
		t.Error("a restart is promised that cannot be")
	}
	must(t, c.WaitCleaned())
	awaitMarker(t, marker)
	// Whoever was told to start it is killed: the record has kept the promise.
	if r := b.record(); r.State != monitor.StateRestarting {
		t.Errorf("the record says %s", r.State)
	}
	must(t, b.adopt().WaitCleaned())
	awaitMarker(t, marker)
	b.cfg.RestartPolicy = "no" // by update, meanwhile
	must(t, b.adopt().WaitCleaned())
	if r := b.record(); r.State != monitor.StateExited {
		t.Errorf("the record says %s of what is not to run again", r.State)
	}
}

// awaitMarker waits for a file and removes it.
func awaitMarker(t *testing.T, path string) {
	t.Helper()
	for range 300 {
		if os.Remove(path) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody starts it again")
}

func TestAdoptCreatedContainer(t *testing.T) {
	b := newBox(t, "sh", "-c", "exit 0")
	b.cfg.Start = false
	c := b.spawn()
	_, err := c.Until(nil, nil, monitor.MsgCreated)
	must(t, err)
	b.killMonitor()
	c = b.adopt()
	_, err = c.Until(nil, nil, monitor.MsgCreated)
	must(t, err)
	must(t, c.Start())
	_, err = c.WaitStarted()
	must(t, err)
	if code := ended(t, c, nil, nil); code != 0 && exitSeen() {
		t.Errorf("code %d", code)
	}
}

func TestManyAtOnce(t *testing.T) {
	const n = 16
	conns := make([]*client.Conn, n)
	outs := make([]bytes.Buffer, n)
	for i := range n {
		b := newBox(t, "sh", "-c", "echo "+itoa(i)+"; exit "+itoa(i))
		b.opts.Attach = outputs
		conns[i] = b.spawn()
	}
	for i, c := range conns {
		if code := ended(t, c, &outs[i], nil); code != i || outs[i].String() != itoa(i)+"\n" {
			t.Errorf("container %d: code %d, %q", i, code, outs[i].String())
		}
	}
}

// TestOOMKillIsSeen needs a memory controller: version 2 with it delegated
// to us, or version 1, real root and a mount namespace: run the test program
// in "unshare -m" with CAROB_MONITOR_TEST_INSIDE=root.
func TestOOMKillIsSeen(t *testing.T) {
	b := newBox(t)
	controllers, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	if !strings.Contains(string(controllers), "memory") {
		must(t, unix.Unmount("/sys/fs/cgroup", 0)) // what the host has is below
		defer mountCgroup()
		own, _ := os.ReadFile("/proc/1/cgroup") // seen from our cgroup namespace
		if unix.Access("/sys/fs/cgroup/memory", unix.W_OK) != nil || strings.Contains(string(own), "/..") || os.Getenv(insideEnv) == "1" {
			t.Skip("no memory controller can be used here")
		}
	}
	b.cfg.Runtime = []string{need(t, "runc"), "--root", b.path("state")}
	b.setLimited([]string{"sh", "-c", "head -c 100000000 /dev/zero | tail -c 90000000 >/dev/null"}, false, 8<<20)
	c := b.spawn()
	code, err := c.WaitExit(nil, nil)
	var failed *client.Failed
	if errors.As(err, &failed) {
		t.Skip(failed.Text)
	}
	must(t, err)
	if r := b.record(); !r.OOMKilled {
		t.Errorf("code %d, record %+v", code, r)
	}
	must(t, c.WaitCleaned())
}

func TestTerminalThatIsClosedAndOpenedAgain(t *testing.T) {
	b := newBox(t)
	b.setProcess([]string{"sh", "-c", "echo first; exec </dev/null >/dev/null 2>&1; sleep 0.5; echo second >/dev/console; exit 3"}, true)
	b.opts.Attach = outputs
	var out bytes.Buffer
	if code := ended(t, b.spawn(), &out, nil); code != 3 || out.String() != "first\r\nsecond\r\n" {
		t.Errorf("code %d, %q", code, out.String())
	}
}

func TestStrayDescriptorsAreClosed(t *testing.T) {
	b := newBox(t, "sleep", "100")
	r, w, err := os.Pipe()
	must(t, err)
	b.opts.Extra = []*os.File{w} // not announced in PreserveFDs: as if leaked
	c := b.spawn()
	_, err = c.WaitStarted()
	must(t, err)
	w.Close()
	must(t, r.SetReadDeadline(time.Now().Add(5*time.Second)))
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("the pipe is still open: %v", err)
	}
	must(t, c.Stop(0, 0))
	ended(t, c, nil, nil)
}

func TestDetachWithOutputOnTheWayLosesNothing(t *testing.T) {
	b := newBox(t, "sh", "-c", "read x; seq 1 200000")
	b.cfg.Stdin = true
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	lazy := dialUntil(t, b.cfg.RunDir)
	must(t, lazy.Attach(outputs|monitor.Stdin))
	must(t, lazy.Stdin([]byte("\n")))
	time.Sleep(200 * time.Millisecond) // its queue is full by now
	must(t, lazy.Detach())
	var out bytes.Buffer
	if m, err := lazy.Until(&out, nil, monitor.MsgDone); err != nil || m.About != monitor.MsgDetach {
		t.Fatal(m, err)
	}
	if out.Len() < 100000 || !strings.HasPrefix(seq(200000), out.String()) {
		t.Errorf("%d bytes before the detach, damaged", out.Len())
	}
	if code := ended(t, c, nil, nil); code != 0 || b.logText() != seq(200000) {
		t.Errorf("code %d, or a damaged log", code)
	}
}
