package libpod

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/pkg/termio"
)

// AttachOptions join a client's streams to a container. A nil stream is not
// attached.
type AttachOptions struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Terminal: Stdin is one. Its end means that it was hung up, and the
	// client leaves as with the detach keys.
	Terminal bool
	// DetachKeys end the attach and leave the container running; none: nothing does.
	DetachKeys []byte
	// Size is the terminal's size at the beginning (zero: not told), Sizes
	// are those that follow.
	Size  termio.Size
	Sizes <-chan termio.Size
	// Signals are handed on to the container; those that come before its
	// process runs wait.
	Signals <-chan os.Signal
	// Started: the process is known to run, nothing on the connection will
	// tell.
	Started bool
	// OnStart, if not nil, is called when the process begins to run.
	OnStart func()
	// Follow goes on through restarts, to the final end.
	Follow bool
}

// Attached tells how an attach ended, when it ended well.
type Attached struct {
	Code     int  // the container's exit code
	Detached bool // the user left; the container goes on
	Again    bool // the restart policy will start it again
}

// ErrOutputClosed says that nobody reads the client's output any more (a
// pipe's other end is closed). The container goes on.
var ErrOutputClosed = errors.New("cannot write the container's output: the reader is gone")

// Streams are the bits of monitor.MsgAttach that o stands for.
func (o *AttachOptions) Streams() byte {
	var bits byte
	if o.Stdin != nil {
		bits |= monitor.Stdin
	}
	if o.Stdout != nil {
		bits |= monitor.Stdout
	}
	if o.Stderr != nil {
		bits |= monitor.Stderr
	}
	return bits
}

// monitorConn is *client.Conn, or a test's.
type monitorConn interface {
	Recv() (monitor.Kind, []byte, error)
	Stdin(p []byte) error
	CloseStdin() error
	Resize(rows, cols uint16) error
	Signal(syscall.Signal) error
	Detach() error
	Close() error
}

// detachPatience is how long a monitor may take to answer MsgDetach, before
// which its last output still arrives.
const detachPatience = 2 * time.Second

// Attach carries the streams of a container over a connection that was
// attached to o.Streams() before (by Start, or by Conn.Attach), until it ends,
// the user detaches or ctx is done. The connection stays open, except after a
// detach. The reader of o.Stdin may be left blocked behind.
func Attach(ctx context.Context, conn *client.Conn, o *AttachOptions) (*Attached, error) {
	return attach(ctx, conn, o)
}

// Attach joins a container that was started before, with the output it has
// kept since the last client detached.
func (c *Container) Attach(ctx context.Context, o *AttachOptions) (*Attached, error) {
	if err := c.refuseInfra("attach to"); err != nil {
		return nil, err
	}
	st, err := c.Repair(ctx)
	if err != nil {
		return nil, err
	}
	if !st.Live() {
		return nil, WithHint(fmt.Errorf("cannot attach to container %s: it is %s, not running", c.Name, st.Status), "carob start --attach "+c.Name)
	}
	conn, err := client.Dial(c.RunDir())
	if err != nil {
		return nil, fmt.Errorf("cannot attach to container %s: %w", c.Name, err)
	}
	defer conn.Close()
	if err := conn.Attach(o.Streams()); err != nil {
		return nil, fmt.Errorf("cannot attach to container %s: %w", c.Name, err)
	}
	return attach(ctx, conn, o)
}

func attach(ctx context.Context, conn monitorConn, o *AttachOptions) (*Attached, error) {
	s := &session{conn: conn, o: o, ready: make(chan struct{}), end: make(chan struct{})}
	defer close(s.end)
	if o.Started {
		s.nowRunning()
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	go s.control()
	if o.Stdin != nil {
		go s.input()
	}
	result, err := s.output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return result, err
}

// session is one attach. Three goroutines share it: output (the caller's),
// input and control.
type session struct {
	conn  monitorConn
	o     *AttachOptions
	once  sync.Once
	ready chan struct{} // closed when the container's process runs
	end   chan struct{} // closed when the attach is over

	mu       sync.Mutex
	detached bool
}

func (s *session) nowRunning() { s.once.Do(func() { close(s.ready) }) }

func (s *session) hasDetached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.detached
}

// output receives until the end. It is the hot loop: a message is written
// from the buffer it was received into.
func (s *session) output() (*Attached, error) {
	for {
		kind, p, err := s.conn.Recv()
		if s.hasDetached() && err != nil {
			return &Attached{Detached: true}, nil
		}
		if err != nil {
			return nil, err
		}
		switch kind {
		case monitor.MsgStdout:
			err = write(s.o.Stdout, p)
		case monitor.MsgStderr:
			err = write(s.o.Stderr, p)
		default:
			var result *Attached
			if result, err = s.event(kind, p); result != nil {
				return result, nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// event deals with a message that is not output; a result ends the attach.
func (s *session) event(kind monitor.Kind, p []byte) (*Attached, error) {
	switch kind {
	case monitor.MsgStarted:
		s.nowRunning()
		if s.o.OnStart != nil {
			s.o.OnStart()
		}
	case monitor.MsgStatus: // the answer to MsgAttach
		var r monitor.Record
		if json.Unmarshal(p, &r) == nil && (r.State == monitor.StateRunning || r.State == monitor.StateStopping) {
			s.nowRunning()
		}
	case monitor.MsgFailed:
		if len(p) == 0 {
			return nil, fmt.Errorf("cannot understand the monitor's message %q", byte(kind))
		}
		return nil, &client.Failed{Code: int(p[0]), Text: string(p[1:])}
	case monitor.MsgExited:
		if len(p) < 4 {
			return nil, fmt.Errorf("cannot understand the monitor's message %q", byte(kind))
		}
		r := &Attached{Code: int(binary.LittleEndian.Uint32(p)), Again: len(p) > 4 && p[4] == 1}
		if !r.Again || !s.o.Follow {
			return r, nil
		}
	case monitor.MsgDone:
		if len(p) > 0 && monitor.Kind(p[0]) == monitor.MsgDetach {
			return &Attached{Detached: true}, nil
		}
	case monitor.MsgRefused:
		if len(p) > 0 && monitor.Kind(p[0]) == monitor.MsgAttach {
			return nil, &client.Refused{About: monitor.MsgAttach, Text: string(p[1:])}
		}
	}
	return nil, nil
}

func write(w io.Writer, p []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return ErrOutputClosed
	}
	if err != nil {
		return fmt.Errorf("cannot write the container's output: %w", err)
	}
	return nil
}

// input sends what is typed until its end or the detach keys. Failures to
// send need no report: the receiving side meets them too.
func (s *session) input() {
	in := make([]byte, monitor.MaxPayload)
	out := make([]byte, 0, monitor.MaxPayload+len(s.o.DetachKeys))
	keys := termio.NewDetacher(s.o.DetachKeys)
	for {
		n, err := s.o.Stdin.Read(in)
		handOn, detached := keys.Feed(out[:0], in[:n])
		if err != nil {
			handOn = keys.Rest(handOn)
		}
		if s.conn.Stdin(handOn) != nil {
			return
		}
		if detached || err != nil && s.o.Terminal {
			s.leave()
			return
		}
		if err != nil {
			_ = s.conn.CloseStdin()
			return
		}
	}
}

// leave detaches. The monitor sends what it has, then MsgDone; should it not,
// the connection is closed from here.
func (s *session) leave() {
	s.mu.Lock()
	s.detached = true
	s.mu.Unlock()
	_ = s.conn.Detach()
	select {
	case <-s.end:
	case <-time.After(detachPatience):
		_ = s.conn.Close()
	}
}

// control sends sizes as they come and, once the container's process runs,
// signals.
func (s *session) control() {
	if s.o.Size != (termio.Size{}) {
		_ = s.conn.Resize(s.o.Size.Rows, s.o.Size.Cols)
	}
	var signals <-chan os.Signal
	ready := s.ready
	for {
		select {
		case <-s.end:
			return
		case <-ready:
			signals, ready = s.o.Signals, nil
		case size := <-s.o.Sizes:
			_ = s.conn.Resize(size.Rows, size.Cols)
		case sig := <-signals:
			if n, ok := sig.(syscall.Signal); ok {
				_ = s.conn.Signal(n)
			}
		}
	}
}
