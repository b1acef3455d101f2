// Package client is the other end of a monitor's socket: it starts monitors
// and talks to them. docs/PROTOCOL.md draws the conversation.
package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
)

// ErrGone says that the monitor ended the conversation. After MsgCleaned
// this is the usual end; before it, the monitor has died and the record
// file holds what is known.
var ErrGone = errors.New("the container's monitor is gone")

// ErrNotRunning says that no monitor listens: the container has none.
var ErrNotRunning = errors.New("the container has no monitor")

// Conn is one connection to a monitor. One goroutine may receive while
// others send.
type Conn struct {
	f   *os.File
	pid int
	buf []byte // one packet, reused by Recv

	mu     sync.Mutex
	window int // bytes of stdin that may be sent now
	more   sync.Cond
	closed bool
}

func newConn(fd, pid int) (*Conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	c := &Conn{
		f: os.NewFile(uintptr(fd), "monitor"), pid: pid,
		buf: make([]byte, monitor.MaxPayload+1), window: monitor.StdinWindow,
	}
	c.more.L = &c.mu
	return c, nil
}

// Dial connects to the monitor that listens in runDir. ErrNotRunning when
// there is none.
func Dial(runDir string) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	path, done := shortPath(runDir, monitor.SocketFile)
	defer done()
	if len(path) > maxSunPath { // it was not shortened: there is no such directory
		unix.Close(fd)
		return nil, ErrNotRunning
	}
	err = retry(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) })
	if err == nil {
		return newConn(fd, 0)
	}
	unix.Close(fd)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, ErrNotRunning
	}
	return nil, fmt.Errorf("cannot connect to the monitor at %s: %w", filepath.Join(runDir, monitor.SocketFile), err)
}

// maxSunPath is the longest path of a Unix socket: sun_path of unix(7), less
// its final NUL.
const maxSunPath = 107

// shortPath names dir/name in a way that fits into a socket address. done
// must be called once the name is no longer needed.
func shortPath(dir, name string) (path string, done func()) {
	path = filepath.Join(dir, name)
	if len(path) <= maxSunPath {
		return path, func() {}
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return path, func() {}
	}
	return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name, func() { unix.Close(fd) }
}

func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// PID is the monitor's process id, 0 when Dial made the connection.
func (c *Conn) PID() int { return c.pid }

// Wait reaps a monitor that Spawn started, waiting for its end. Only a
// program that outlives the containers it starts has a use for it.
func (c *Conn) Wait() error {
	return retry(func() error { _, err := unix.Wait4(c.pid, nil, 0, nil); return err })
}

// Send sends one message. ErrGone when the monitor has left.
func (c *Conn) Send(kind monitor.Kind, payload []byte) error {
	if len(payload) > monitor.MaxPayload {
		return fmt.Errorf("cannot send a message of %d bytes: at most %d fit", len(payload), monitor.MaxPayload)
	}
	msg := make([]byte, 1+len(payload))
	msg[0] = byte(kind)
	copy(msg[1:], payload)
	_, err := c.f.Write(msg)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return ErrGone
	}
	return err
}

// Recv returns the next message; payload is good until the next call.
// ErrGone when the monitor has left. Window messages are dealt with inside.
func (c *Conn) Recv() (monitor.Kind, []byte, error) {
	for {
		n, err := c.f.Read(c.buf)
		// A monitor that left without reading all it was sent: the kernel says so
		// once, before it hands out what the monitor said last.
		if errors.Is(err, syscall.ECONNRESET) {
			continue
		}
		if errors.Is(err, io.EOF) {
			c.stopSending()
			return 0, nil, ErrGone
		}
		if err != nil {
			return 0, nil, err
		}
		kind, payload := monitor.Kind(c.buf[0]), c.buf[1:n]
		if kind != monitor.MsgCredit {
			return kind, payload, nil
		}
		if len(payload) == 4 {
			c.widen(int(binary.LittleEndian.Uint32(payload)))
		}
	}
}

func (c *Conn) widen(n int) {
	c.mu.Lock()
	c.window += n
	c.mu.Unlock()
	c.more.Broadcast()
}

func (c *Conn) stopSending() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.more.Broadcast()
}

// Close ends the conversation. A client that is attached to stdin and has
// not sent MsgDetach closes the container's stdin with it. Closing nil, the
// connection of a container without a monitor, does nothing.
func (c *Conn) Close() error {
	if c == nil {
		return nil
	}
	c.stopSending()
	return c.f.Close()
}
