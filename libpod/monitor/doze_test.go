package monitor_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
)

var buildSleeper = sync.OnceValues(func() (string, error) {
	path := program + "-sleeper"
	out, err := exec.Command("go", "build", "-trimpath", "-o", path, "./testdata/sleeper").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("cannot build the sleeper: %w: %s", err, out)
	}
	return path, err
})

// newDozer is a box whose monitor dozes when it is quiet.
func newDozer(t *testing.T, args ...string) *box {
	t.Helper()
	b := newBox(t, args...)
	path, err := buildSleeper()
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	b.cfg.Sleeper = &monitor.Sleeper{Program: path, Device: st.Dev, Inode: st.Ino, Changed: st.Ctim.Nano()}
	return b
}

func (b *box) dozing() bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", b.pid))
	comm, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/comm", b.pid))
	return err == nil && exe == b.cfg.Sleeper.Program && err2 == nil && string(comm) == "carob-monitor\n"
}

func (b *box) waitDozing() {
	b.t.Helper()
	for range 2000 {
		if b.dozing() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatal("the monitor does not doze")
}

func TestDozeIsSmallAndLosesNoOutput(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "echo before; while [ ! -e /tmp/go ]; do sleep 0.1; done; seq 1 5000; printf tail >&2; exit 9")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitDozing()
	if pss := rollup(t, b.pid, "Pss"); pss > 600 {
		t.Errorf("a dozing monitor takes %d kB", pss)
	}
	f, err := os.Open(b.path(monitor.RecordFile))
	must(t, err)
	defer f.Close()
	if held, err := monitor.RecordLocked(int(f.Fd())); !held || err != nil {
		t.Errorf("the record is not locked: %v", err)
	}
	must(t, os.WriteFile(b.path("rootfs/tmp/go"), nil, 0o600))
	r := b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
	if r.ExitCode != 9 || r.MonitorPID != b.pid {
		t.Errorf("record %+v", r)
	}
	var want strings.Builder
	want.WriteString("before\n")
	for i := 1; i <= 5000; i++ {
		fmt.Fprintln(&want, i)
	}
	got := strings.Replace(b.logText(), "tail", "", 1) // the streams are not in step
	if got != want.String() {
		t.Errorf("the log has %d bytes instead of %d", len(got), want.Len())
	}
}

func TestDozingMonitorAnswers(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "while read x; do echo got $x; done; exit 4")
	b.cfg.Stdin = true
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	for _, word := range []string{"one", "two"} {
		b.waitDozing()
		c := dialUntil(t, b.cfg.RunDir)
		must(t, c.Attach(monitor.Stdin|outputs))
		must(t, c.Stdin([]byte(word+"\n")))
		m, err := c.Until(nil, nil, monitor.MsgStdout)
		if err != nil || string(m.Data) != "got "+word+"\n" {
			t.Fatal(m, err)
		}
		must(t, c.Detach())
		c.Close()
	}
	b.waitDozing()
	c = dialUntil(t, b.cfg.RunDir)
	must(t, c.Attach(monitor.Stdin|outputs))
	must(t, c.CloseStdin())
	if code := ended(t, c, nil, nil); code != 4 {
		t.Errorf("exit code %d", code)
	}
}

func TestDozingMonitorStopsOnSIGTERM(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitDozing()
	must(t, unix.Kill(b.pid, unix.SIGTERM))
	r := b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
	if r.ExitCode != 3 {
		t.Errorf("record %+v", r)
	}
}

func TestDozingMonitorMakesARunDirAgain(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sleep", "100")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitDozing()
	must(t, os.RemoveAll(b.cfg.RunDir))
	must(t, unix.Kill(b.pid, unix.SIGHUP))
	must(t, dialUntil(t, b.cfg.RunDir).Stop(0, 0))
	b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
}

func TestDozingMonitorObeysItsRestartPolicy(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "echo run; sleep 4; exit 5")
	b.cfg.RestartPolicy, b.cfg.RestartMax = "on-failure", 1
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitDozing()
	r := b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
	if r.ExitCode != 5 || r.Restarts != 1 {
		t.Errorf("record %+v", r)
	}
	if got := b.logText(); got != "run\nrun\n" {
		t.Errorf("log %q", got)
	}
}

func TestTerminalOfADozingMonitor(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "stty -echo; while read x; do stty size; done")
	b.setProcess([]string{"sh", "-c", "stty -echo; while read x; do stty size; done"}, true)
	b.cfg.Stdin, b.cfg.Rows, b.cfg.Cols = true, 30, 90
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitDozing()
	c = dialUntil(t, b.cfg.RunDir)
	must(t, c.Attach(monitor.Stdin|outputs))
	must(t, c.Resize(44, 102))
	must(t, c.Stdin([]byte("\n")))
	var out bytes.Buffer
	for !strings.Contains(out.String(), "44 102") {
		m, err := c.Until(nil, nil, monitor.MsgStdout)
		must(t, err)
		out.Write(m.Data)
	}
	must(t, c.Stop(0, 0))
	ended(t, c, nil, nil)
}

func TestDozingMonitorThatIsKilledIsReplaced(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; echo after; exit 6")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitDozing()
	b.killMonitor()
	c = b.adopt()
	_, err = c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitDozing() // the new one, too: it is not the parent of the process
	must(t, os.WriteFile(b.path("rootfs/tmp/go"), nil, 0o600))
	r := b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
	want := 255
	if exitSeen() {
		want = 6
	}
	if r.ExitCode != want || b.logText() != "after\n" {
		t.Errorf("record %+v, log %q", r, b.logText())
	}
}

// TestSleeperOfAnotherVersion has the program replaced, as an upgrade does.
func TestSleeperOfAnotherVersion(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 2")
	b.cfg.Sleeper.Changed++
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	time.Sleep(3 * time.Second)
	if b.dozing() {
		t.Error("another program than the one that was named was executed")
	}
	must(t, os.WriteFile(b.path("rootfs/tmp/go"), nil, 0o600))
	r := b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
	if r.ExitCode != 2 {
		t.Errorf("record %+v", r)
	}
}

// TestSignalWhileFallingAsleep has SIGTERMs come around the time when the
// monitor falls asleep: each ends the container, or is heard when it is sent
// once more.
func TestSignalWhileFallingAsleep(t *testing.T) {
	for i := range 8 {
		b := newDozer(t, "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done")
		c := b.spawn()
		_, err := c.WaitStarted()
		must(t, err)
		c.Close()
		time.Sleep(1595*time.Millisecond + time.Duration(i)*2*time.Millisecond)
		must(t, unix.Kill(b.pid, unix.SIGTERM))
		time.Sleep(500 * time.Millisecond)
		_ = unix.Kill(b.pid, unix.SIGTERM) // it may be gone
		r := b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
		if r.ExitCode != 3 {
			t.Errorf("record %+v", r)
		}
	}
}

func TestDozeBetweenChecks(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", untilStopped)
	b.cfg.Health.Checks = []monitor.Check{{
		Role: monitor.RoleHealth, Action: monitor.Action{Exec: []string{"/bin/sh", "-c", "[ ! -e /tmp/bad ]"}},
		Period: 6 * time.Second, Timeout: 10 * time.Second, Failures: 2,
	}}
	b.cfg.Health.LogCount = 5
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitHealth(monitor.HealthHealthy)
	b.waitDozing()
	b.touch("bad")
	for until := time.Now().Add(time.Minute); b.record().Health != monitor.HealthUnhealthy; { // two failures, with a doze between
		if time.Sleep(100 * time.Millisecond); time.Now().After(until) {
			t.Fatalf("the failures are not counted: %+v", b.record())
		}
	}
	r := b.report()
	if r.Status != monitor.HealthUnhealthy || r.FailingStreak != 2 || len(r.Log) != 3 {
		t.Errorf("report %+v", r)
	}
	b.waitDozing()
	must(t, dialUntil(t, b.cfg.RunDir).Stop(0, 0))
	b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
}

// TestPreservedDescriptorsOutliveTheQuiet has a container run again after a
// time in which its monitor might have dozed.
func TestPreservedDescriptorsOutliveTheQuiet(t *testing.T) {
	t.Parallel()
	b := newDozer(t, "sh", "-c", "echo given >&3; sleep 3; exit 5")
	out, err := os.Create(b.path("given"))
	must(t, err)
	b.cfg.PreserveFDs, b.cfg.RestartPolicy, b.cfg.RestartMax = 1, "on-failure", 1
	b.opts.Extra = []*os.File{out}
	c := b.spawn()
	_, err = c.WaitStarted()
	must(t, err)
	c.Close()
	b.waitRecord("the end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
	if data, _ := os.ReadFile(b.path("given")); string(data) != "given\ngiven\n" {
		t.Errorf("the descriptor got %q", data)
	}
}
