// Package termio is the user's terminal: raw mode that is always undone, its
// size as it changes, the keys that detach, and the signals that are handed
// on to a container.
package termio

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Raw is a terminal in raw mode. Its saved settings come back with Restore,
// and by themselves when this process dies of a signal it can catch. Nothing
// helps after SIGKILL (the shell's own job control usually does) and after a
// panic in a goroutine that does not defer Restore.
type Raw struct {
	file  *os.File
	saved unix.Termios
	raw   unix.Termios
	sigs  chan os.Signal
	once  sync.Once
	err   error
}

// deadly are the signals that end a Go program, without those a caller's
// context stands for (SIGINT, SIGTERM): on these the terminal is restored but
// the process not ended. The runtime ignores all others unless asked for.
var deadly = []os.Signal{
	syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS,
	syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSTKFLT, syscall.SIGSYS,
}

// IsTerminal tells whether f is a terminal.
func IsTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// MakeRaw puts the terminal f into raw mode: every key reaches the reader at
// once and unchanged, none raises a signal. proxied says that somebody else
// (Signals) takes care of deadly signals, so that they do not end this process.
func MakeRaw(f *os.File, proxied bool) (*Raw, error) {
	saved, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("cannot read the terminal's settings: %w", err)
	}
	r := &Raw{file: f, saved: *saved, raw: rawSettings(*saved), sigs: make(chan os.Signal, 8)}
	// Before the change, so that no signal falls between.
	signal.Notify(r.sigs, syscall.SIGCONT, syscall.SIGINT, syscall.SIGTERM)
	if !proxied {
		signal.Notify(r.sigs, deadly...)
	}
	if err := r.set(&r.raw); err != nil {
		signal.Stop(r.sigs)
		return nil, fmt.Errorf("cannot put the terminal into raw mode: %w", err)
	}
	go r.watch(proxied)
	return r, nil
}

// rawSettings is cfmakeraw(3).
func rawSettings(t unix.Termios) unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return t
}

// set waits until all output has gone out, and keeps what was typed ahead.
func (r *Raw) set(t *unix.Termios) error {
	for {
		err := unix.IoctlSetTermios(int(r.file.Fd()), unix.TCSETSW, t)
		if err != unix.EINTR {
			return err
		}
	}
}

// watch restores the terminal before a signal ends the process, and makes it
// raw again when the shell brings a stopped process back (it has set the
// terminal to its own liking meanwhile).
func (r *Raw) watch(proxied bool) {
	for sig := range r.sigs {
		switch {
		case sig == syscall.SIGCONT:
			_ = r.set(&r.raw)
		case sig == syscall.SIGINT || sig == syscall.SIGTERM:
			if !proxied { // the caller's context ends the process in order
				_ = unix.IoctlSetTermios(int(r.file.Fd()), unix.TCSETS, &r.saved)
			}
		default:
			_ = unix.IoctlSetTermios(int(r.file.Fd()), unix.TCSETS, &r.saved)
			signal.Reset(sig)
			_ = unix.Kill(os.Getpid(), sig.(syscall.Signal))
		}
	}
}

// Restore gives the terminal its old settings back. It may be called more
// than once, and on nil.
func (r *Raw) Restore() error {
	if r == nil {
		return nil
	}
	r.once.Do(func() {
		signal.Stop(r.sigs)
		close(r.sigs)                                              // Stop has waited for deliveries under way
		if err := r.set(&r.saved); err != nil && err != unix.EIO { // EIO: the terminal was hung up
			r.err = fmt.Errorf("cannot restore the terminal: %w", err)
		}
	})
	return r.err
}

// Size is a terminal's size in characters.
type Size struct{ Rows, Cols uint16 }

// SizeOf returns the size of the terminal f.
func SizeOf(f *os.File) (Size, error) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return Size{}, fmt.Errorf("cannot read the terminal's size: %w", err)
	}
	return Size{Rows: ws.Row, Cols: ws.Col}, nil
}

// Resizes sends the size of the terminal f whenever it has changed. stop ends
// that; the channel stays open.
func Resizes(f *os.File) (sizes <-chan Size, stop func()) {
	winch := make(chan os.Signal, 1)
	done := make(chan struct{})
	out := make(chan Size)
	signal.Notify(winch, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-winch:
			}
			size, err := SizeOf(f)
			if err != nil {
				continue
			}
			select {
			case <-done:
				return
			case out <- size:
			}
		}
	}()
	return out, sync.OnceFunc(func() { signal.Stop(winch); close(done) })
}
