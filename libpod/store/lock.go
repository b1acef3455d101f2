package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is an flock on a file: the kernel frees it with its holder, whatever
// kills that.
type Lock struct{ f *os.File }

// Acquire takes the lock of path, making the file when makeFile is set, and
// waits for its present holder until ctx ends. A file that was removed while
// waiting is an error that satisfies os.ErrNotExist.
func Acquire(ctx context.Context, path string, makeFile bool) (*Lock, error) {
	return acquire(ctx, path, makeFile, unix.LOCK_EX)
}

// AcquireShared is Acquire for many holders at once, none of whom changes
// what the lock is for.
func AcquireShared(ctx context.Context, path string, makeFile bool) (*Lock, error) {
	return acquire(ctx, path, makeFile, unix.LOCK_SH)
}

func acquire(ctx context.Context, path string, makeFile bool, how int) (*Lock, error) {
	flags := os.O_RDWR
	if makeFile {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return acquired(ctx, f, path, how)
}

func acquired(ctx context.Context, f *os.File, path string, how int) (*Lock, error) {
	if err := wait(ctx, f, how); err != nil {
		f.Close()
		return nil, err
	}
	if gone(f, path) {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: os.ErrNotExist}
	}
	return &Lock{f}, nil
}

// File is the locked file, for what stands in it. It is closed by Release.
func (l *Lock) File() *os.File { return l.f }

// TryAcquire is Acquire without waiting; nil, nil means somebody else has it.
func TryAcquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, nil
	}
	if err == nil && gone(f, path) {
		f.Close()
		return nil, nil
	}
	return &Lock{f}, err
}

// Release frees the lock. Releasing nil or twice does nothing.
func (l *Lock) Release() {
	if l != nil && l.f != nil {
		l.f.Close()
		l.f = nil
	}
}

// wait polls with growing pauses: a blocking flock could not be interrupted.
func wait(ctx context.Context, f *os.File, how int) error {
	pause := 500 * time.Microsecond
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("cannot lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if pause < 20*time.Millisecond {
			pause *= 2
		}
	}
}

func gone(f *os.File, path string) bool {
	mine, err1 := f.Stat()
	now, err2 := os.Stat(path)
	return err1 != nil || err2 != nil || !os.SameFile(mine, now)
}
