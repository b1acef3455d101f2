package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Migrate ends the keeper, so that the next command makes a namespace anew,
// with the ranges that /etc/subuid and /etc/subgid have by then. stop has to
// end all running containers first: they live in the old namespace, and as
// long as one does, so does the namespace. No keeper can be made meanwhile.
// For root it only calls stop.
func Migrate(opts Options, stop func() error) error {
	if !Rootless() {
		return stop()
	}
	run, err := RuntimeDir()
	if err != nil {
		return err
	}
	unlock, err := lock(run, opts.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := stop(); err != nil {
		return err
	}
	if opts.Candidates != nil {
		if left := opts.Candidates(); len(left) > 0 {
			return fmt.Errorf("cannot leave the user namespace: containers still run in it (processes %v)", left)
		}
	}
	return errors.Join(endKeeper(run), endKeeper(opts.StateDir))
}

// endKeeper kills the keeper of a record and removes the record.
func endKeeper(dir string) error {
	if dir == "" {
		return nil
	}
	if r, alive := readRecord(dir); alive {
		if err := killKeeper(r); err != nil {
			return fmt.Errorf("cannot end the keeper (process %d): %w", r.pid, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, recordName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot forget the keeper: %w", err)
	}
	return nil
}

// killKeeper looks again after taking the pidfd: what is looked at is what is
// killed. It returns when the process is gone.
func killKeeper(r record) error {
	fd, err := unix.PidfdOpen(r.pid, 0)
	if err != nil {
		return ignoreGone(err)
	}
	defer unix.Close(fd)
	if now, err := newRecord(r.pid); err != nil || now != r {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return ignoreGone(err)
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
