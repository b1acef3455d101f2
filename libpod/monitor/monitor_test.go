package monitor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/pkg/eventlog"
)

const outputs = monitor.Stdout | monitor.Stderr

func TestRunOutputAndExitCode(t *testing.T) {
	b := newBox(t, "sh", "-c", "echo out; echo err >&2; printf end; exit 7")
	b.opts.Attach = outputs
	c := b.spawn()
	var out, errs bytes.Buffer
	if code := ended(t, c, &out, &errs); code != 7 {
		t.Errorf("exit code %d", code)
	}
	if out.String() != "out\nend" || errs.String() != "err\n" {
		t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
	}
	r := b.record()
	if r.State != monitor.StateExited || r.ExitCode != 7 || r.PID != 0 || r.Finished < r.Started || r.Started == 0 {
		t.Errorf("record %+v", r)
	}
	text := b.logText()
	if !strings.Contains(text, "out\n") || !strings.Contains(text, "err\n") || !strings.HasSuffix(strings.Replace(text, "err\n", "", 1), "end") {
		t.Errorf("log %q", text)
	}
	if _, err := os.Stat(b.cfg.RunDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the runtime directory is still there: %v", err)
	}
}

func TestCorner06ExitCodes(t *testing.T) {
	cases := []struct {
		name string
		args []string
		code int
		text string
	}{
		{"not found", []string{"nonsuch"}, 127, "crun: executable file `nonsuch` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found"},
		{"directory", []string{"/etc"}, 126, "OCI permission denied"},
		{"255", []string{"sh", "-c", "exit 255"}, 255, ""},
		{"killed", []string{"sh", "-c", "kill -KILL $$; sleep 1; exit 3"}, 3, ""},
		{"no format", []string{"/bin/garbage"}, 126, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			b := newBox(t, tc.args...)
			c := b.spawn()
			code, err := c.WaitExit(nil, nil)
			var failed *client.Failed
			if errors.As(err, &failed) {
				code = failed.Code
				if !strings.Contains(failed.Text, tc.text) || tc.text == "" {
					t.Errorf("words %q", failed.Text)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if code != tc.code {
				t.Errorf("exit code %d, want %d; %+v", code, tc.code, b.record())
			}
			must(t, c.WaitCleaned())
		})
	}
}

func TestCreateThenStart(t *testing.T) {
	b := newBox(t, "sh", "-c", "echo first")
	b.cfg.Start = false
	b.opts.Attach = outputs
	c := b.spawn()
	if _, err := c.Until(nil, nil, monitor.MsgCreated); err != nil {
		t.Fatal(err)
	}
	if r := b.record(); r.State != monitor.StateCreated || r.PID == 0 || r.PIDStart == 0 {
		t.Errorf("record %+v", r)
	}
	must(t, c.Start())
	var out bytes.Buffer
	if code := ended(t, c, &out, nil); code != 0 || out.String() != "first\n" {
		t.Errorf("code %d, output %q", code, out.String())
	}
}

func TestKilledStartLeavesNoCreatedContainer(t *testing.T) {
	for _, early := range []bool{true, false} {
		b := newBox(t, "sleep", "1000")
		b.cfg.Start, b.cfg.RestartPolicy = false, "always"
		c := b.spawn()
		if !early {
			_, err := c.Until(nil, nil, monitor.MsgCreated)
			must(t, err)
		}
		must(t, c.Close())
		r := b.waitRecord("its end", func(r *monitor.Record) bool { return r.State == monitor.StateExited })
		if r.PID != 0 || r.Started != 0 || r.StoppedByUser {
			t.Errorf("record %+v", r)
		}
	}
	b := newBox(t, "sleep", "1000")
	b.cfg.Start, b.cfg.AwaitStart = false, true // as init has it
	c := b.spawn()
	_, err := c.Until(nil, nil, monitor.MsgCreated)
	must(t, err)
	must(t, c.Close())
	c, err = client.Dial(b.cfg.RunDir)
	must(t, err)
	defer c.Close()
	must(t, c.Start())
	_, err = c.WaitStarted()
	must(t, err)
}

func TestLauncherMayLeaveBetweenTwoRuns(t *testing.T) {
	b := newBox(t, "sh", "-c", "exit 1")
	b.cfg.Start, b.cfg.RestartPolicy = false, "always"
	c := b.spawn()
	_, err := c.Until(nil, nil, monitor.MsgCreated)
	must(t, err)
	must(t, c.Start())
	b.waitRecord("its next run", func(r *monitor.Record) bool { return r.State == monitor.StateCreating && r.Restarts > 0 })
	must(t, c.Close())
	r := b.waitRecord("another run", func(r *monitor.Record) bool { return r.Restarts > 2 })
	if r.State == monitor.StateExited {
		t.Errorf("record %+v", r)
	}
}

func TestStdinSentBeforeTheMonitorLooks(t *testing.T) {
	b := newBox(t, "cat")
	b.cfg.Stdin = true
	b.opts.Attach = outputs | monitor.Stdin
	c := b.spawn()
	must(t, c.Stdin([]byte("early\n")))
	must(t, c.CloseStdin())
	var out bytes.Buffer
	if code := ended(t, c, &out, nil); code != 0 || out.String() != "early\n" {
		t.Errorf("code %d, %q", code, out.String())
	}
}

func TestStdinClosesOnlyItsStream(t *testing.T) {
	b := newBox(t, "sh", "-c", "cat; echo more")
	b.cfg.Stdin = true
	b.opts.Attach = outputs | monitor.Stdin
	c := b.spawn()
	text := strings.Repeat("0123456789abcde\n", 64<<10)
	go func() {
		c.Stdin([]byte(text))
		c.CloseStdin()
	}()
	var out bytes.Buffer
	if code := ended(t, c, &out, nil); code != 0 || out.String() != text+"more\n" {
		t.Errorf("code %d, %d bytes came back", code, out.Len())
	}
}

func TestTerminal(t *testing.T) {
	b := newBox(t)
	b.setProcess([]string{"sh", "-c", "stty size; read x; stty size; echo got $x"}, true)
	b.cfg.Stdin, b.cfg.Rows, b.cfg.Cols = true, 33, 101
	b.opts.Attach = outputs | monitor.Stdin
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	must(t, c.Resize(44, 102))
	must(t, c.Stdin([]byte("word\n")))
	var out bytes.Buffer
	if code := ended(t, c, &out, nil); code != 0 {
		t.Errorf("code %d", code)
	}
	for _, want := range []string{"44 102", "got word"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in %q", want, out.String())
		}
	}
}

func TestStopTermThenKill(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	must(t, c.Stop(0, -1))
	if code := ended(t, c, nil, nil); code != 5 {
		t.Errorf("code %d", code)
	}
	if r := b.record(); !r.StoppedByUser {
		t.Errorf("record %+v", r)
	}

	deaf := newBox(t, "sleep", "100") // as pid 1 it does not hear SIGTERM
	c = deaf.spawn()
	_, err = c.WaitStarted()
	must(t, err)
	began := time.Now()
	must(t, c.Stop(unix.SIGTERM, 1))
	if code := ended(t, c, nil, nil); code != 137 || time.Since(began) < time.Second {
		t.Errorf("code %d after %s", code, time.Since(began))
	}
}

func TestSeveralClientsGetEverything(t *testing.T) {
	b := newBox(t, "sh", "-c", "read x; seq 1 100000")
	b.cfg.Stdin = true
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	results := make(chan string, 3)
	for range 3 {
		other := dialUntil(t, b.cfg.RunDir)
		must(t, other.Attach(outputs))
		if m, err := other.Next(); err != nil || m.Kind != monitor.MsgStatus || m.Record.State != monitor.StateRunning {
			t.Fatalf("%+v, %v", m, err)
		}
		go func() {
			var out bytes.Buffer
			if _, err := other.WaitExit(&out, nil); err != nil {
				out.WriteString(err.Error())
			}
			results <- out.String()
		}()
	}
	dead := dialUntil(t, b.cfg.RunDir)
	must(t, dead.Attach(outputs))
	dead.Close() // must not hold up the others
	must(t, c.Attach(monitor.Stdin))
	must(t, c.Stdin([]byte("\n")))
	ended(t, c, nil, nil)
	want := seq(100000)
	for range 3 {
		if got := <-results; got != want {
			t.Errorf("a client got %d bytes instead of %d", len(got), len(want))
		}
	}
	if b.logText() != want {
		t.Error("the log is not what was printed")
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func seq(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(itoa(i + 1))
		b.WriteByte('\n')
	}
	return b.String()
}

// countingWriter checks that what comes is the endless "y\n".
type countingWriter struct {
	n    int64
	bad  bool
	slow time.Duration
}

func (w *countingWriter) Write(p []byte) (int, error) {
	for i, c := range p {
		if c != "y\n"[(w.n+int64(i))%2] {
			w.bad = true
		}
	}
	if w.n += int64(len(p)); w.slow > 0 && w.n%(8<<20) < int64(len(p)) {
		time.Sleep(w.slow)
	}
	return len(p), nil
}

func TestGigabyteThroughUnharmed(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	b := newBox(t, "sh", "-c", "yes | head -c "+strconv.FormatInt(size, 10))
	b.cfg.LogDriver = "none"
	b.opts.Attach = outputs
	c := b.spawn()
	w := &countingWriter{slow: 20 * time.Millisecond}
	began := time.Now()
	if code := ended(t, c, w, nil); code != 0 || w.n != size || w.bad {
		t.Errorf("code %d, %d of %d bytes, damaged: %t", code, w.n, size, w.bad)
	}
	t.Logf("%d MB/s", int64(float64(w.n)/time.Since(began).Seconds())>>20)
}

func TestClientThatDoesNotReadHoldsOutputNotControl(t *testing.T) {
	b := newBox(t, "sh", "-c", "yes")
	b.cfg.LogDriver = "none"
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	lazy := dialUntil(t, b.cfg.RunDir)
	must(t, lazy.Attach(outputs))
	time.Sleep(300 * time.Millisecond)
	must(t, c.Stop(unix.SIGKILL, 0))
	go func() { // the rest of the pipe is waited for, until the client reads or goes
		time.Sleep(300 * time.Millisecond)
		lazy.Close()
	}()
	if code := ended(t, c, nil, nil); code != 137 {
		t.Errorf("code %d", code)
	}
}

func TestStdinNotReadDoesNotHoldSignals(t *testing.T) {
	b := newBox(t, "sleep", "100")
	b.cfg.Stdin = true
	b.opts.Attach = outputs | monitor.Stdin
	c := b.spawn()
	go func() { c.Stdin(make([]byte, 1<<20)) }() // more than the pipe and the window take
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	must(t, c.Signal(unix.SIGKILL))
	if code := ended(t, c, nil, nil); code != 137 {
		t.Errorf("code %d", code)
	}
}

func TestCorner05SignalBeforeStartIsQueued(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.05; done")
	c := b.spawn()
	must(t, c.Signal(unix.SIGKILL)) // the runtime is still at work
	if code := ended(t, c, nil, nil); code != 137 {
		t.Errorf("code %d", code)
	}
}

func TestDetachAndAttachAgainWithOutputSinceThen(t *testing.T) {
	b := newBox(t, "sh", "-c", "echo one; read x; echo two; read x; echo three")
	b.cfg.Stdin = true
	b.opts.Attach = outputs | monitor.Stdin
	c := b.spawn()
	m, err := c.Until(nil, nil, monitor.MsgStdout)
	must(t, err)
	if string(m.Data) != "one\n" {
		t.Fatalf("%q", m.Data)
	}
	must(t, c.Stdin([]byte("\n")))
	must(t, c.Detach())
	c.Close()
	time.Sleep(300 * time.Millisecond)
	c = dialUntil(t, b.cfg.RunDir)
	must(t, c.Attach(outputs|monitor.Stdin))
	must(t, c.Stdin([]byte("\n")))
	var out bytes.Buffer
	if code := ended(t, c, &out, nil); code != 0 || out.String() != "two\nthree\n" && out.String() != "three\n" {
		t.Errorf("code %d, %q", code, out.String())
	}
	if out.String() != "two\nthree\n" {
		t.Log("what came between attaching and detaching went to the first client")
	}
}

func TestDeadClientClosesStdin(t *testing.T) {
	b := newBox(t, "cat")
	b.cfg.Stdin = true
	b.opts.Attach = outputs | monitor.Stdin
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	watcher := dialUntil(t, b.cfg.RunDir)
	must(t, watcher.Watch())
	c.Close()
	if code := ended(t, watcher, nil, nil); code != 0 {
		t.Errorf("code %d", code)
	}
}

func TestRestartOnFailureCountsAndBacksOff(t *testing.T) {
	b := newBox(t, "sh", "-c", "echo again; exit 3")
	b.cfg.RestartPolicy, b.cfg.RestartMax = "on-failure", 3
	b.opts.Attach = outputs
	c := b.spawn()
	began := time.Now()
	var out bytes.Buffer
	again := 0
	for {
		m, err := c.Until(&out, nil, monitor.MsgExited)
		must(t, err)
		if m.Code != 3 {
			t.Errorf("code %d", m.Code)
		}
		if !m.Again {
			break
		}
		again++
	}
	must(t, c.WaitCleaned())
	r := b.record()
	if again != 3 || r.Restarts != 3 || out.String() != strings.Repeat("again\n", 4) || r.State != monitor.StateExited {
		t.Errorf("%d restarts, output %q, record %+v", again, out.String(), r)
	}
	if d := time.Since(began); d < 700*time.Millisecond {
		t.Errorf("no back-off: all of it took %s", d)
	}
}

func TestCorner11StoppedContainerIsNotRestarted(t *testing.T) {
	for _, when := range []string{"running", "backing off"} {
		t.Run(when, func(t *testing.T) {
			b := newBox(t, "sh", "-c", "exit 1")
			if when == "running" {
				b.setProcess([]string{"sleep", "100"}, false)
			}
			b.cfg.RestartPolicy = "always"
			c := b.spawn()
			if when == "running" {
				_, err := c.WaitStarted()
				must(t, err)
				time.Sleep(50 * time.Millisecond)
			} else {
				for range 3 {
					if _, err := c.Until(nil, nil, monitor.MsgExited); err != nil {
						t.Fatal(err)
					}
				}
				b.waitRecord("the back-off", func(r *monitor.Record) bool { return r.State == monitor.StateRestarting })
			}
			must(t, c.Stop(0, 0))
			ended(t, c, nil, nil)
			if r := b.record(); !r.StoppedByUser || r.State != monitor.StateExited {
				t.Errorf("record %+v", r)
			}
		})
	}
}

func TestTimeoutKills(t *testing.T) {
	b := newBox(t, "sleep", "100")
	b.cfg.Timeout = 1
	c := b.spawn()
	if code := ended(t, c, nil, nil); code != 255 || b.record().Error == "" {
		t.Errorf("code %d, %+v", code, b.record())
	}
}

func TestRemoveIsLeftToTheClaimantOrToCleanup(t *testing.T) {
	for _, claimed := range []bool{true, false} {
		b := newBox(t, "true")
		marker := b.path("cleaned")
		b.cfg.Remove, b.cfg.Cleanup = true, []string{"/bin/sh", "-c", "echo $EXTRA > " + marker}
		b.cfg.RuntimeEnv = []string{"EXTRA=word"}
		b.opts.ClaimRemove = true
		c := b.spawn()
		if m, err := c.Next(); err != nil || m.Kind != monitor.MsgDone {
			t.Fatalf("%+v %v", m, err)
		}
		if _, err := c.WaitExit(nil, nil); err != nil {
			t.Fatal(err)
		}
		must(t, c.WaitCleaned())
		if claimed {
			must(t, c.Removed())
			if _, _, err := c.Recv(); !errors.Is(err, client.ErrGone) {
				t.Errorf("the monitor stays: %v", err)
			}
		} else {
			c.Close()
		}
		time.Sleep(300 * time.Millisecond)
		text, err := os.ReadFile(marker)
		if claimed != (err != nil) || !claimed && string(text) != "word\n" {
			t.Errorf("claimed %t: cleanup %q, %v", claimed, text, err)
		}
	}
}

// TestAtEndFollowsTheRemoval has AtEnd write down whether the one who removes
// was through, and whether the record was still locked.
func TestAtEndFollowsTheRemoval(t *testing.T) {
	for _, how := range []string{"kept", "claimed", "cleanup", "hung up"} {
		b := newBox(t, "true")
		removed, said := b.path("removed"), b.path("said")
		b.cfg.Remove = how != "kept"
		b.cfg.Cleanup = []string{"/bin/sh", "-c", "sleep 0.3; echo cleanup > " + removed}
		b.cfg.AtEnd = []string{"/bin/sh", "-c", "cat " + removed + " >> " + said + "; echo $EXTRA >> " + said}
		b.cfg.RuntimeEnv = []string{"EXTRA=word"}
		b.opts.ClaimRemove = how == "claimed" || how == "hung up"
		c := b.spawn()
		must(t, c.WaitCleaned())
		want := "cleanup\nword\n"
		switch how {
		case "kept":
			want = "word\n"
		case "claimed":
			time.Sleep(200 * time.Millisecond)
			must(t, os.WriteFile(removed, []byte("client\n"), 0o600))
			must(t, c.Removed())
			want = "client\nword\n"
		case "hung up":
			c.Close()
		}
		if _, err := unix.Wait4(b.pid, nil, 0, nil); err != nil { // the monitor has left: it says nothing more
			t.Fatal(err)
		}
		if got := waitText(t, said, "word\n"); got != want {
			t.Errorf("%s: %q, want %q", how, got, want)
		}
	}
}

// waitText waits until a file ends with end, and a moment for what must not
// come behind it.
func waitText(t *testing.T, path, end string) string {
	t.Helper()
	for range 500 {
		if data, _ := os.ReadFile(path); strings.HasSuffix(string(data), end) {
			time.Sleep(50 * time.Millisecond)
			data, _ = os.ReadFile(path)
			return string(data)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not come to hold %q", path, end)
	return ""
}

func TestAtEndWaitsForTheFinalEnd(t *testing.T) {
	b := newBox(t, "sh", "-c", "exit 3")
	said := b.path("said")
	b.cfg.RestartPolicy, b.cfg.RestartMax = "on-failure", 2
	b.cfg.AtEnd = []string{"/bin/sh", "-c", "grep -c died " + b.cfg.Events + " >> " + said}
	must(t, b.spawn().WaitCleaned())
	if got := waitText(t, said, "\n"); got != "3\n" {
		t.Errorf("%q", got)
	}
}

func TestAtEndIsRunByAnAdoptingMonitor(t *testing.T) {
	b := newBox(t, "sleep", "100")
	said := b.path("said")
	b.cfg.AtEnd = []string{"/bin/sh", "-c", "echo word >> " + said}
	_, err := b.spawn().WaitStarted()
	must(t, err)
	b.killMonitor()
	c := b.adopt()
	must(t, c.Stop(unix.SIGKILL, 0))
	must(t, c.WaitCleaned())
	if got := waitText(t, said, "word\n"); got != "word\n" {
		t.Errorf("%q", got)
	}
}

func TestRunDirWipedIsMadeAgain(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.05; done")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	must(t, os.RemoveAll(b.cfg.RunDir))
	must(t, os.RemoveAll(b.path("state")))
	if _, err := client.Dial(b.cfg.RunDir); !errors.Is(err, client.ErrNotRunning) {
		t.Fatal(err)
	}
	must(t, unix.Kill(b.pid, unix.SIGHUP))
	c = dialUntil(t, b.cfg.RunDir)
	must(t, c.Stop(0, -1))
	if code := ended(t, c, nil, nil); code != 4 {
		t.Errorf("code %d", code)
	}
}

func TestTerminatedMonitorStopsItsContainer(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'exit 6' TERM; while :; do sleep 0.05; done")
	b.cfg.RestartPolicy = "always"
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	must(t, unix.Kill(b.pid, unix.SIGTERM))
	if code := ended(t, c, nil, nil); code != 6 || b.record().StoppedByUser {
		t.Errorf("code %d, %+v", code, b.record())
	}
}

func TestLongRunDir(t *testing.T) {
	b := newBox(t)
	b.setProcess([]string{"sh", "-c", "echo $(tty)"}, true)
	b.cfg.RunDir = b.path(strings.Repeat("x", 120) + "/run")
	b.cfg.Stdin = true
	b.opts.Attach = outputs
	c := b.spawn()
	if _, err := c.WaitStarted(); err != nil {
		t.Fatal(err)
	}
	other, err := client.Dial(b.cfg.RunDir)
	if err == nil {
		other.Close()
	} else if !errors.Is(err, client.ErrNotRunning) {
		t.Error(err)
	}
	ended(t, c, nil, nil)
}

func TestRefusals(t *testing.T) {
	b := newBox(t, "sleep", "100")
	b.cfg.Start = false
	c := b.spawn()
	if _, err := c.Until(nil, nil, monitor.MsgCreated); err != nil {
		t.Fatal(err)
	}
	for _, msg := range []struct {
		kind monitor.Kind
		p    []byte
	}{{monitor.MsgSignal, []byte{15, 0, 0, 0}}, {monitor.MsgResize, []byte{1}}, {'?', nil}, {monitor.MsgStop, []byte{200, 0, 0, 0, 0, 0, 0, 0}}} {
		must(t, c.Send(msg.kind, msg.p))
		if m, err := c.Next(); err != nil || m.Kind != monitor.MsgRefused || m.About != msg.kind || m.Text == "" {
			t.Errorf("%q: %+v, %v", byte(msg.kind), m, err)
		}
	}
	must(t, c.Stop(0, -1))
	if code := ended(t, c, nil, nil); code != 137 {
		t.Errorf("code %d", code)
	}
}

func TestReload(t *testing.T) {
	b := newBox(t, "sh", "-c", "sleep 0.5; exit 1")
	b.cfg.RestartPolicy = "always"
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	b.cfg.RestartPolicy = "no"
	data, err := json.Marshal(&b.cfg)
	must(t, err)
	must(t, os.WriteFile(b.path(monitor.ConfigFile), data, 0o600))
	must(t, c.Reload())
	if m, err := c.Until(nil, nil, monitor.MsgDone); err != nil || m.About != monitor.MsgReload {
		t.Fatalf("%+v %v", m, err)
	}
	m, err := c.Until(nil, nil, monitor.MsgExited)
	must(t, err)
	if m.Again {
		t.Error("the old policy is in force")
	}
}

func TestEvents(t *testing.T) {
	b := newBox(t, "sh", "-c", "exit 3")
	b.cfg.RestartPolicy, b.cfg.RestartMax = "on-failure", 1
	b.cfg.EventBase = map[string]string{"label": "value"}
	ended(t, b.spawn(), nil, nil)
	data, err := os.ReadFile(b.cfg.Events)
	must(t, err)
	var got []string
	for line := range strings.Lines(string(data)) {
		var e eventlog.Event
		must(t, json.Unmarshal([]byte(line), &e))
		if e.ID != b.cfg.ID || e.Name != "box" || e.Type != "container" || e.Image != "localhost/test" || e.Time.IsZero() || e.Attributes["label"] != "value" {
			t.Errorf("%+v", e)
		}
		if e.Status == "died" && e.Attributes["containerExitCode"] != "3" {
			t.Errorf("%+v", e)
		}
		got = append(got, e.Status)
	}
	if want := "init start died restart init start died cleanup"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNotRemovedWithoutRemove(t *testing.T) {
	b := newBox(t, "true")
	marker := b.path("cleaned")
	b.cfg.Cleanup = []string{"/bin/sh", "-c", "echo > " + marker}
	ended(t, b.spawn(), nil, nil)
	time.Sleep(100 * time.Millisecond)
	if _, err := os.Stat(marker); !errors.Is(err, os.ErrNotExist) {
		t.Error("the clean-up ran")
	}
}
