package client

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
)

func pair(t *testing.T) (*Conn, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(fds[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, fds[1]
}

func TestParse(t *testing.T) {
	m, err := parse(monitor.MsgExited, []byte{137, 0, 0, 0, 1})
	if err != nil || m.Code != 137 || !m.Again {
		t.Errorf("%+v %v", m, err)
	}
	m, err = parse(monitor.MsgFailed, append([]byte{127}, "words"...))
	var failed *Failed
	if err != nil || !errors.As(m.Err(), &failed) || failed.Code != 127 || failed.Text != "words" {
		t.Errorf("%+v %v", m, err)
	}
	for _, kind := range []monitor.Kind{monitor.MsgExited, monitor.MsgFailed, monitor.MsgStarted, monitor.MsgDone, monitor.MsgStatus} {
		if _, err := parse(kind, nil); err == nil {
			t.Errorf("%q without a payload is understood", byte(kind))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(byte('X'), []byte{1, 0, 0, 0, 0})
	f.Add(byte('t'), []byte(`{"state":"running"}`))
	f.Add(byte('F'), []byte("\x7fwords"))
	f.Fuzz(func(t *testing.T, kind byte, p []byte) {
		if m, err := parse(monitor.Kind(kind), p); (m == nil) == (err == nil) {
			t.Errorf("%+v, %v", m, err)
		}
	})
}

func TestStdinWaitsForCredit(t *testing.T) {
	c, other := pair(t)
	defer unix.Close(other)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		if err := c.Stdin(make([]byte, monitor.StdinWindow+1000)); err != nil {
			t.Error(err)
		}
	}()
	go c.Recv()
	got := 0
	buf := make([]byte, monitor.MaxPayload+1)
	receive := func() {
		n, err := unix.Read(other, buf)
		if err != nil {
			t.Fatal(err)
		}
		got += n - 1
	}
	for got < monitor.StdinWindow {
		receive()
	}
	time.Sleep(20 * time.Millisecond)
	if n, _, _ := unix.Recvfrom(other, buf, unix.MSG_DONTWAIT); n > 0 {
		t.Error("more was sent than the window holds")
	}
	if _, err := unix.Write(other, binary.LittleEndian.AppendUint32([]byte{byte(monitor.MsgCredit)}, 2000)); err != nil {
		t.Fatal(err)
	}
	receive()
	wg.Wait()
	if got != monitor.StdinWindow+1000 {
		t.Errorf("%d bytes", got)
	}
}

func TestGoneMonitor(t *testing.T) {
	c, other := pair(t)
	unix.Close(other)
	if _, _, err := c.Recv(); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	if err := c.Send(monitor.MsgWatch, nil); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	if err := c.Stdin([]byte("x")); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
}

func TestDialNobody(t *testing.T) {
	if _, err := Dial(t.TempDir()); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
}

// A monitor that ends while stdin is still on its way to it resets the
// connection; its last words come all the same.
func TestLastWordsComeAfterAReset(t *testing.T) {
	c, far := pair(t)
	if err := c.Send(monitor.MsgStdin, []byte("never read")); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(far, []byte{byte(monitor.MsgCleaned)}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(far); err != nil {
		t.Fatal(err)
	}
	if kind, _, err := c.Recv(); err != nil || kind != monitor.MsgCleaned {
		t.Errorf("got %q, %v", kind, err)
	}
	if _, _, err := c.Recv(); !errors.Is(err, ErrGone) {
		t.Errorf("after the last words: %v", err)
	}
}
