package client

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/carob-containers/carob/libpod/monitor"
)

// Attach asks for the streams in bits (monitor.Stdin, Stdout, Stderr). The
// monitor answers with MsgStatus, then with the output kept for this client.
func (c *Conn) Attach(bits byte) error { return c.Send(monitor.MsgAttach, []byte{bits}) }

// Watch asks to be told how the container goes on, without streams. The
// monitor answers with MsgStatus.
func (c *Conn) Watch() error { return c.Send(monitor.MsgWatch, nil) }

// Detach leaves on purpose: later output is kept for the next client, and
// stdin stays open. Close follows.
func (c *Conn) Detach() error { return c.Send(monitor.MsgDetach, nil) }

// Start starts a created container; MsgStarted or MsgFailed follows.
func (c *Conn) Start() error { return c.Send(monitor.MsgStart, nil) }

// Stop asks for the container's end: signal (0: the configured one), then
// SIGKILL after seconds (-1: the configured time). Restart policies do not
// start it again. MsgExited and MsgCleaned follow.
func (c *Conn) Stop(signal syscall.Signal, seconds int) error {
	p := binary.LittleEndian.AppendUint32(nil, uint32(signal))
	return c.Send(monitor.MsgStop, binary.LittleEndian.AppendUint32(p, uint32(int32(seconds))))
}

// Signal sends a signal to the container's first process. MsgDone or
// MsgRefused follows.
func (c *Conn) Signal(signal syscall.Signal) error {
	return c.Send(monitor.MsgSignal, binary.LittleEndian.AppendUint32(nil, uint32(signal)))
}

// Resize sets the terminal's size; without a terminal it does nothing.
func (c *Conn) Resize(rows, cols uint16) error {
	p := binary.LittleEndian.AppendUint16(nil, rows)
	return c.Send(monitor.MsgResize, binary.LittleEndian.AppendUint16(p, cols))
}

// ClaimRemove says that this client removes the container when it ends;
// MsgDone follows. Removed says that it has, after MsgCleaned.
func (c *Conn) ClaimRemove() error { return c.Send(monitor.MsgClaimRemove, nil) }

// Removed tells the monitor that the container is removed: it ends.
func (c *Conn) Removed() error { return c.Send(monitor.MsgRemoved, nil) }

// Reload makes the monitor read its configuration again; MsgDone or
// MsgRefused follows.
func (c *Conn) Reload() error { return c.Send(monitor.MsgReload, nil) }

// CloseStdin ends the container's stdin, once what was sent has been read.
func (c *Conn) CloseStdin() error { return c.Send(monitor.MsgStdinEOF, nil) }

// Stdin writes to the container's stdin. It waits while the container does
// not read, for which somebody must be receiving meanwhile.
func (c *Conn) Stdin(p []byte) error {
	for len(p) > 0 {
		n, err := c.take(min(len(p), monitor.MaxPayload))
		if err != nil {
			return err
		}
		if err := c.Send(monitor.MsgStdin, p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// take waits for room in the window and takes at most n bytes of it.
func (c *Conn) take(n int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.window == 0 && !c.closed {
		c.more.Wait()
	}
	if c.closed {
		return 0, ErrGone
	}
	n = min(n, c.window)
	c.window -= n
	return n, nil
}

// Message is one message from the monitor, parsed.
type Message struct {
	Kind monitor.Kind
	// Data are the bytes of MsgStdout and MsgStderr, good until the next call of Next.
	Data []byte
	PID  int // MsgCreated, MsgStarted
	// Code is the exit code of MsgExited, MsgFailed (125, 126, 127) and
	// MsgChecked (-1: it took too long).
	Code    int
	Again   bool            // MsgExited: a restart follows
	Startup bool            // MsgChecked: it was the startup check
	About   monitor.Kind    // MsgDone, MsgRefused: the request
	Text    string          // MsgFailed, MsgRefused
	Record  *monitor.Record // MsgStatus
}

// Failed is MsgFailed as an error: the OCI runtime could not make or start
// the container. Code is what carob exits with: 127 when the command is not
// there, 126 when it cannot be run, otherwise 125.
type Failed struct {
	Code int
	Text string
}

func (e *Failed) Error() string { return e.Text }

// Refused is MsgRefused as an error.
type Refused struct {
	About monitor.Kind
	Text  string
}

func (e *Refused) Error() string { return e.Text }

// Err returns *Failed or *Refused when m says so, otherwise nil.
func (m *Message) Err() error {
	switch m.Kind {
	case monitor.MsgFailed:
		return &Failed{m.Code, m.Text}
	case monitor.MsgRefused:
		return &Refused{m.About, m.Text}
	}
	return nil
}

// Next returns the next message, parsed.
func (c *Conn) Next() (*Message, error) {
	kind, p, err := c.Recv()
	if err != nil {
		return nil, err
	}
	return parse(kind, p)
}

var errShort = errors.New("it is too short")

func parse(kind monitor.Kind, p []byte) (*Message, error) {
	m := &Message{Kind: kind}
	var err error
	switch kind {
	case monitor.MsgStdout, monitor.MsgStderr:
		m.Data = p
	case monitor.MsgCreated, monitor.MsgStarted:
		m.PID, _, err = number(p)
	case monitor.MsgExited:
		m.Code, p, err = number(p)
		m.Again = len(p) > 0 && p[0] == 1
	case monitor.MsgChecked:
		m.Code, p, err = number(p)
		m.Code = int(int32(m.Code))
		m.Startup = len(p) > 0 && p[0] == 1
	case monitor.MsgFailed:
		if len(p) == 0 {
			err = errShort
			break
		}
		m.Code, m.Text = int(p[0]), string(p[1:])
	case monitor.MsgDone, monitor.MsgRefused:
		if len(p) == 0 {
			err = errShort
			break
		}
		m.About, m.Text = monitor.Kind(p[0]), string(p[1:])
	case monitor.MsgStatus:
		m.Record = new(monitor.Record)
		err = json.Unmarshal(p, m.Record)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot understand the monitor's message %q: %w", byte(kind), err)
	}
	return m, nil
}

func number(p []byte) (int, []byte, error) {
	if len(p) < 4 {
		return 0, nil, errShort
	}
	return int(binary.LittleEndian.Uint32(p)), p[4:], nil
}

// Until receives until a message of one of kinds comes and returns it.
// Output goes to stdout and stderr (nil: thrown away); a MsgFailed, or a
// MsgRefused, that was not asked for is returned as an error.
func (c *Conn) Until(stdout, stderr io.Writer, kinds ...monitor.Kind) (*Message, error) {
	for {
		m, err := c.Next()
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			if m.Kind == k {
				return m, nil
			}
		}
		if err := m.Err(); err != nil {
			return nil, err
		}
		if err := m.copyOutput(stdout, stderr); err != nil {
			return nil, err
		}
	}
}

func (m *Message) copyOutput(stdout, stderr io.Writer) error {
	w := stdout
	if m.Kind == monitor.MsgStderr {
		w = stderr
	} else if m.Kind != monitor.MsgStdout {
		return nil
	}
	if w == nil {
		return nil
	}
	_, err := w.Write(m.Data)
	return err
}

// WaitStarted waits until the container's process runs and returns its pid,
// or *Failed.
func (c *Conn) WaitStarted() (pid int, err error) {
	m, err := c.Until(nil, nil, monitor.MsgStarted)
	if err != nil {
		return 0, err
	}
	return m.PID, nil
}

// WaitExit copies output until the container's final end and returns its
// exit code. Restarts in between are not told.
func (c *Conn) WaitExit(stdout, stderr io.Writer) (code int, err error) {
	for {
		m, err := c.Until(stdout, stderr, monitor.MsgExited)
		if err != nil {
			return 0, err
		}
		if !m.Again {
			return m.Code, nil
		}
	}
}

// WaitCleaned waits until the monitor has taken down what the container had.
func (c *Conn) WaitCleaned() error {
	_, err := c.Until(nil, nil, monitor.MsgCleaned)
	return err
}

// Check asks the container's health check now and waits for the answer: its
// exit code, 0 for a healthy container and -1 for a check that took too long,
// and whether it was the startup check. *Refused when there is nothing to ask.
func (c *Conn) Check() (code int, startup bool, err error) {
	if err := c.Send(monitor.MsgCheck, nil); err != nil {
		return 0, false, err
	}
	m, err := c.Until(nil, nil, monitor.MsgChecked)
	if err != nil {
		return 0, false, err
	}
	return m.Code, m.Startup, nil
}
