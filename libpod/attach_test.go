package libpod

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/pkg/termio"
)

// testConn plays the monitor's part: it hands out messages and notes what
// the client says.
type testConn struct {
	messages chan string // kind and payload
	said     chan string

	close sync.Once
	buf   []byte
}

func newTestConn(messages ...string) *testConn {
	c := &testConn{messages: make(chan string, 100), said: make(chan string, 100)}
	for _, m := range messages {
		c.messages <- m
	}
	return c
}

func (c *testConn) Recv() (monitor.Kind, []byte, error) {
	m, ok := <-c.messages
	if !ok {
		return 0, nil, client.ErrGone
	}
	c.buf = append(c.buf[:0], m...) // reused, as the real one does
	return monitor.Kind(c.buf[0]), c.buf[1:], nil
}

func (c *testConn) say(s string) error             { c.said <- s; return nil }
func (c *testConn) Stdin(p []byte) error           { return c.say("stdin " + string(p)) }
func (c *testConn) CloseStdin() error              { return c.say("eof") }
func (c *testConn) Resize(rows, cols uint16) error { return c.say("size") }
func (c *testConn) Signal(n syscall.Signal) error  { return c.say("signal " + n.String()) }
func (c *testConn) Detach() error                  { return c.say("detach") }
func (c *testConn) Close() error                   { c.hangUp(); return nil }
func (c *testConn) hangUp()                        { c.close.Do(func() { close(c.messages) }) }
func (c *testConn) next(t *testing.T) (said string) {
	t.Helper()
	select {
	case said = <-c.said:
	case <-time.After(5 * time.Second):
		t.Fatal("the client says nothing")
	}
	return said
}

func exited(code uint32, again byte) string {
	return string(append(binary.LittleEndian.AppendUint32([]byte{'X'}, code), again))
}

func TestAttachCopiesBothStreamsUntilTheExitCode(t *testing.T) {
	conn := newTestConn("t{}", "ohello ", "eoops", "oworld", exited(42, 0), "olate")
	var out, errs bytes.Buffer
	got, err := attach(context.Background(), conn, &AttachOptions{Stdout: &out, Stderr: &errs})
	if err != nil || *got != (Attached{Code: 42}) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if out.String() != "hello world" || errs.String() != "oops" {
		t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
	}
}

func TestAttachFollowsRestartsOnlyWhenAsked(t *testing.T) {
	for follow, want := range map[bool]Attached{false: {Code: 1, Again: true}, true: {Code: 2}} {
		got, err := attach(context.Background(), newTestConn(exited(1, 1), exited(2, 0)), &AttachOptions{Follow: follow})
		if err != nil || *got != want {
			t.Errorf("follow %v: got %+v, %v", follow, got, err)
		}
	}
}

func TestAttachFailures(t *testing.T) {
	var failed *client.Failed
	_, err := attach(context.Background(), newTestConn("F\x7fno such file"), &AttachOptions{})
	if !errors.As(err, &failed) || failed.Code != 127 || failed.Text != "no such file" {
		t.Errorf("got %v", err)
	}
	var refused *client.Refused
	if _, err = attach(context.Background(), newTestConn("nano"), &AttachOptions{}); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	conn := newTestConn("nkno", exited(0, 0)) // a refused signal is no reason to leave
	if _, err = attach(context.Background(), conn, &AttachOptions{}); err != nil {
		t.Errorf("got %v", err)
	}
	conn = newTestConn()
	conn.hangUp()
	if _, err = attach(context.Background(), conn, &AttachOptions{}); !errors.Is(err, client.ErrGone) {
		t.Errorf("got %v", err)
	}
}

func TestAttachEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(10*time.Millisecond, func() { cancel(io.ErrNoProgress) })
	_, err := attach(ctx, newTestConn(), &AttachOptions{})
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

func TestAttachToAClosedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	_, err = attach(context.Background(), newTestConn("oxxx", exited(0, 0)), &AttachOptions{Stdout: w})
	if !errors.Is(err, ErrOutputClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAttachSendsStdinAndItsEnd(t *testing.T) {
	conn := newTestConn()
	go func() { time.Sleep(10 * time.Millisecond); conn.messages <- exited(0, 0) }()
	if _, err := attach(context.Background(), conn, &AttachOptions{Stdin: strings.NewReader("abc")}); err != nil {
		t.Fatal(err)
	}
	if got := conn.next(t) + conn.next(t) + conn.next(t); got != "stdin abcstdin eof" {
		t.Errorf("said %q", got)
	}
}

func TestCorner3DetachLeavesTheRestOfTheOutput(t *testing.T) {
	conn := newTestConn()
	in, typed := io.Pipe()
	var out bytes.Buffer
	done := make(chan *Attached, 1)
	go func() {
		got, err := attach(context.Background(), conn, &AttachOptions{Stdin: in, Stdout: &out, DetachKeys: []byte{16, 17}})
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	_, _ = typed.Write([]byte("ls\n\x10"))
	_, _ = typed.Write([]byte("\x11never"))
	if said := conn.next(t); said != "stdin ls\n" {
		t.Errorf("said %q", said)
	}
	for said := conn.next(t); said != "detach"; said = conn.next(t) {
		if said != "stdin " {
			t.Errorf("said %q", said)
		}
	}
	conn.messages <- "olast words"
	conn.messages <- "yd"
	conn.messages <- "onot ours any more"
	if got := <-done; got == nil || !got.Detached || out.String() != "last words" {
		t.Errorf("got %+v, output %q", got, out.String())
	}
}

func TestCorner4AHungUpTerminalIsLeft(t *testing.T) {
	conn := newTestConn()
	go func() {
		for range 2 {
			if conn.next(t) == "detach" {
				conn.hangUp()
			}
		}
	}()
	got, err := attach(context.Background(), conn, &AttachOptions{Stdin: strings.NewReader(""), Terminal: true})
	if err != nil || !got.Detached {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCorner5SignalsWaitForTheStart(t *testing.T) {
	conn := newTestConn()
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	go func() {
		_, _ = attach(context.Background(), conn, &AttachOptions{Signals: signals, Size: termio.Size{Rows: 1, Cols: 1}})
	}()
	if said := conn.next(t); said != "size" {
		t.Errorf("said %q", said)
	}
	time.Sleep(20 * time.Millisecond)
	select {
	case said := <-conn.said:
		t.Errorf("said %q before the start", said)
	default:
	}
	conn.messages <- "t{\"state\":\"created\"}"
	conn.messages <- "S\x01\x00\x00\x00"
	if said := conn.next(t); said != "signal terminated" {
		t.Errorf("said %q", said)
	}
	conn.messages <- exited(0, 0)
}

func TestCorner5SignalsGoToWhatRunsAlready(t *testing.T) {
	conn := newTestConn("t{\"state\":\"running\"}")
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGINT
	go func() { _, _ = attach(context.Background(), conn, &AttachOptions{Signals: signals}) }()
	if said := conn.next(t); said != "signal interrupt" {
		t.Errorf("said %q", said)
	}
	conn.messages <- exited(0, 0)
}

// BenchmarkAttachOutput carries 32 KiB packets; it must not allocate.
func BenchmarkAttachOutput(b *testing.B) {
	conn := &floodConn{testConn: newTestConn(), left: b.N, buf: append([]byte{'o'}, make([]byte, monitor.MaxPayload)...)}
	b.SetBytes(monitor.MaxPayload)
	b.ReportAllocs()
	if _, err := attach(context.Background(), conn, &AttachOptions{Stdout: io.Discard}); err != nil {
		b.Fatal(err)
	}
}

type floodConn struct {
	*testConn
	left int
	buf  []byte
}

func (c *floodConn) Recv() (monitor.Kind, []byte, error) {
	if c.left--; c.left < 0 {
		return monitor.MsgExited, make([]byte, 5), nil
	}
	return monitor.MsgStdout, c.buf[1:], nil
}
