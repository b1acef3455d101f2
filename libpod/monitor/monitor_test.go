package monitor_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
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
