package termio

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals catches every signal that is handed on to a container, from the
// moment it is made: those that come before the container runs wait in C.
type Signals struct {
	C    <-chan os.Signal
	stop func()
}

// CatchSignals begins to catch. tty says that a terminal is passed on, whose
// size changes travel as such and not as SIGWINCH.
func CatchSignals(tty bool) *Signals {
	c := make(chan os.Signal, 128)
	signal.Notify(c, proxied(tty)...)
	return &Signals{C: c, stop: sync.OnceFunc(func() { signal.Stop(c) })}
}

// Stop ends the catching: signals have their usual effect again.
func (s *Signals) Stop() { s.stop() }

// proxied lists the signals that mean the container. Not among them are those
// about this process's own children, pipes and terminal access, SIGURG with
// which the Go runtime interrupts itself, 32 to 34 which belong to libc, and
// SIGKILL and SIGSTOP which nobody can catch.
func proxied(tty bool) []os.Signal {
	var list []os.Signal
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGURG, syscall.SIGKILL, syscall.SIGSTOP,
			// Caught, these two would make a background read of the
			// terminal fail and be tried again without end.
			syscall.SIGTTIN, syscall.SIGTTOU,
			32, 33, 34:
			continue
		case syscall.SIGWINCH:
			if tty {
				continue
			}
		}
		list = append(list, n)
	}
	return list
}
