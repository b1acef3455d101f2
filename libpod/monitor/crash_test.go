package monitor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
)

// killMonitor ends the monitor as hard as can be.
func (b *box) killMonitor() {
	b.t.Helper()
	must(b.t, unix.Kill(b.pid, unix.SIGKILL))
	if _, err := unix.Wait4(b.pid, nil, 0, nil); err != nil {
		b.t.Fatal(err)
	}
}

// adopt starts a second monitor for the container of a killed one.
func (b *box) adopt() *client.Conn {
	b.t.Helper()
	b.opts = client.SpawnOptions{Adopt: true}
	return b.spawn()
}

// exitSeen tells whether the kernel lets a process that is not the parent
// read an exit code (6.15 and later).
func exitSeen() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	release := unix.ByteSliceToString(u.Release[:])
	major, rest, _ := strings.Cut(release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return len(major) > 1 || major > "6" || major == "6" && len(minor) > 1 && minor >= "15"
}

func TestAdoptedContainerGoesOn(t *testing.T) {
	b := newBox(t, "sh", "-c", "echo before; while [ ! -e /tmp/go ]; do sleep 0.02; done; read x; echo unseen; read x; echo got $x; exit 7")
	b.cfg.Stdin = true
	c := b.spawn()
	must(t, c.Attach(outputs|monitor.Stdin))
	m, err := c.Until(nil, nil, monitor.MsgStdout)
	if err != nil || string(m.Data) != "before\n" {
		t.Fatal(m, err)
	}
	old := b.record()
	must(t, c.Detach())
	b.killMonitor()
	for err = nil; err == nil; { // what was sent before comes first
		_, _, err = c.Recv()
	}
	if !errors.Is(err, client.ErrGone) {
		t.Errorf("the killed monitor's clients get %v", err)
	}
	c = b.adopt()
	must(t, c.Attach(outputs|monitor.Stdin))
	m, err = c.Until(nil, nil, monitor.MsgStatus)
	must(t, err)
	if m.Record.State != monitor.StateRunning || m.Record.PID != old.PID || m.Record.Started != old.Started || m.Record.MonitorPID != b.pid {
		t.Errorf("record %+v", m.Record)
	}
	must(t, os.WriteFile(b.path("rootfs/tmp/go"), nil, 0o600))
	must(t, c.Stdin([]byte("a\nb\n")))
	var out bytes.Buffer
	code := ended(t, c, &out, nil)
	want := 255
	if exitSeen() {
		want = 7
	}
	if code != want || !strings.Contains(out.String(), "unseen\ngot b") {
		t.Errorf("code %d, want %d; output %q", code, want, out.String())
	}
	if text := b.logText(); !strings.HasPrefix(text, "before\n") || !strings.Contains(text, "got") {
		t.Errorf("log %q", text)
	}
	if r := b.record(); r.State != monitor.StateExited || r.ExitCode != want {
		t.Errorf("record %+v", r)
	}
}

func TestContainerOutlivesWritingWithoutMonitor(t *testing.T) {
	b := newBox(t, "sh", "-c", "while :; do echo tick; sleep 0.05; done")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	b.killMonitor()
	time.Sleep(500 * time.Millisecond) // ten lines into a pipe that nobody reads
	c = b.adopt()
	must(t, c.Attach(outputs))
	var out bytes.Buffer
	for out.Len() < len("tick\n")*12 {
		m, err := c.Until(&out, nil, monitor.MsgStdout)
		must(t, err)
		out.Write(m.Data)
	}
	must(t, c.Stop(unix.SIGKILL, 0))
	if code := ended(t, c, nil, nil); code != 137 && exitSeen() {
		t.Errorf("code %d", code)
	}
}

func TestAdoptDeadContainer(t *testing.T) {
	b := newBox(t, "sleep", "1")
	c := b.spawn()
	pid, err := c.WaitStarted()
	must(t, err)
	b.killMonitor()
	must(t, unix.Kill(pid, unix.SIGKILL))
	b.waitGone(pid)
	c = b.adopt()
	// 137 when its parent has not reaped it yet and the kernel tells.
	if code := ended(t, c, nil, nil); code != 255 && code != 137 {
		t.Errorf("code %d", code)
	}
	if r := b.record(); r.State != monitor.StateExited || r.Error == "" && r.ExitCode == 255 || r.PID != 0 {
		t.Errorf("record %+v", r)
	}
	if _, err := os.Stat(filepath.Join(b.path("state"), b.cfg.ID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the runtime still knows it: %v", err)
	}
}

func (b *box) waitGone(pid int) {
	for range 500 {
		data, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(data), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("process %d does not end", pid)
}

func TestAdoptTerminalSaysThatItIsLost(t *testing.T) {
	b := newBox(t)
	b.setProcess([]string{"sh", "-c", "trap '' HUP; echo shown; sleep 100"}, true)
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	b.killMonitor()
	c = b.adopt()
	must(t, c.Stop(unix.SIGKILL, 0))
	ended(t, c, nil, nil)
	if text := b.logText(); !strings.Contains(text, "terminal was lost") {
		t.Errorf("log %q", text)
	}
}

// TestKilledAtAnyTimeThenAdopted kills monitors at all times of a start and
// lets the next one bring the container to an end.
func TestKilledAtAnyTimeThenAdopted(t *testing.T) {
	taken := 0
	for delay := time.Duration(0); delay < 16*time.Millisecond; delay += time.Millisecond {
		marker := "10" + itoa(int(delay/time.Microsecond)) + itoa(os.Getpid())
		b := newBox(t, "sleep", marker)
		b.spawn()
		time.Sleep(delay)
		b.killMonitor()
		if b.record() == nil {
			continue // it never got that far: there is nothing to adopt
		}
		c := b.adopt()
		_, err := c.WaitStarted()
		var failed *client.Failed
		if err == nil {
			taken++
			must(t, c.Stop(unix.SIGKILL, 0))
		} else if !errors.As(err, &failed) {
			t.Fatalf("killed after %s: %v", delay, err)
		}
		must(t, c.WaitCleaned())
		if r := b.record(); r.State != monitor.StateExited {
			t.Errorf("killed after %s: %+v", delay, r)
		}
		if pid := processWith(marker); pid != "" {
			t.Errorf("killed after %s: process %s is left", delay, pid)
		}
	}
	t.Logf("%d of 16 containers were taken over", taken)
}

// processWith finds a process by its last argument.
func processWith(arg string) string {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if data, _ := os.ReadFile(path); strings.HasSuffix(string(data), "\x00"+arg+"\x00") {
			return filepath.Base(filepath.Dir(path))
		}
	}
	return ""
}

// TestFullDiskWhileLogging has the log on a file system of 256 kB.
func TestFullDiskWhileLogging(t *testing.T) {
	for _, driver := range []string{"k8s-file", "json-file"} {
		t.Run(driver, func(t *testing.T) {
			b := newBox(t, "sh", "-c", "seq 1 100000; read x; echo last; read x")
			small := b.path("small")
			must(t, os.Mkdir(small, 0o700))
			if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
				t.Skip("cannot mount a tmpfs: ", err)
			}
			defer unix.Unmount(small, unix.MNT_DETACH)
			filler := filepath.Join(small, "filler")
			must(t, os.WriteFile(filler, make([]byte, 100<<10), 0o600))
			b.cfg.LogDriver, b.cfg.LogPath = driver, filepath.Join(small, "log")
			b.cfg.Stdin = true
			b.opts.Attach = outputs | monitor.Stdin
			c := b.spawn()
			var out bytes.Buffer
			for out.Len() < len(seq(100000)) {
				m, err := c.Until(nil, nil, monitor.MsgStdout)
				must(t, err)
				out.Write(m.Data)
			}
			must(t, os.Remove(filler))
			must(t, c.Stdin([]byte("\n\n")))
			if code := ended(t, c, &out, nil); code != 0 || out.String() != seq(100000)+"last\n" {
				t.Errorf("code %d, %d bytes", code, out.Len())
			}
			lines := b.logLines()
			note := -1
			for i, line := range lines {
				if strings.Contains(line, " log records are missing here: no space left on device") {
					note = i
				}
			}
			if note < 1000 || strings.Join(lines[note+1:], "") != "last\n" {
				t.Fatalf("note is line %d of %d", note, len(lines))
			}
			if !strings.HasPrefix(seq(100000), strings.Join(lines[:note], "")) {
				t.Error("a damaged record before the note")
			}
		})
	}
}

// logLines returns the text of each record of a file log.
func (b *box) logLines() []string {
	b.t.Helper()
	data, err := os.ReadFile(b.cfg.LogPath)
	must(b.t, err)
	var texts []string
	for line := range strings.Lines(string(data)) {
		var entry struct{ Log string }
		f := strings.SplitN(line, " ", 4)
		switch {
		case b.cfg.LogDriver == "json-file":
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				b.t.Fatalf("%v in %q", err, line)
			}
		case len(f) == 4 && f[2] == "P":
			entry.Log = strings.TrimSuffix(f[3], "\n")
		case len(f) == 4 && f[2] == "F" && strings.HasSuffix(line, "\n"):
			entry.Log = f[3]
		default:
			b.t.Fatalf("a broken record: %q", line)
		}
		texts = append(texts, entry.Log)
	}
	return texts
}
