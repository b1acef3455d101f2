// Package sys is what every other package may need of the kernel and Go's own
// runtime keeps out of sight.
package sys

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread runs f on a thread that ends with it. It is for f that changes what
// belongs to a thread, a namespace above all, after which the thread must not
// run anything else.
//
// The process's first thread is never used. It cannot end, so it would keep
// the namespace alive, and what /proc/self says is what it says of that one.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// Keeping this thread busy, another goroutine gets another one.
			defer runtime.UnlockOSThread()
			done <- OnThread(f)
			return
		}
		done <- f() // still locked: the runtime ends the thread with us
	}()
	return <-done
}
