package group

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Root is where the hierarchy is mounted.
const Root = "/sys/fs/cgroup"

// BusyError says that limits cannot be handed on, as the control group above
// holds processes itself: "no internal processes", cgroups(7).
type BusyError struct{ Parent string }

func (e *BusyError) Error() string {
	return fmt.Sprintf("the control group %s has processes of its own, so its groups cannot be limited", e.Parent)
}

// Hint says what to do instead.
func (e *BusyError) Hint() string {
	return "use the cgroup manager systemd, or name a delegated group without processes with --cgroup-parent"
}

// Exists tells whether there is a control group at path, from the root of the
// hierarchy.
func Exists(path string) bool {
	_, err := os.Stat(filepath.Join(Root, path))
	return err == nil
}

// Make makes the control group at path unless it is there, and sets its limits.
func Make(path string, limits *rspec.LinuxResources) error {
	list := settings(limits)
	if err := os.MkdirAll(filepath.Join(Root, filepath.Dir(path)), 0o755); err != nil {
		return fmt.Errorf("cannot make a control group: %w", err)
	}
	if err := enable(filepath.Dir(path), list); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(Root, path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make a control group: %w", err)
	}
	for _, s := range list {
		if err := write(filepath.Join(Root, path, s.file), s.value); err != nil {
			return fmt.Errorf("cannot set %s of control group %s to %s: %w", s.file, path, s.value, err)
		}
	}
	return nil
}

// enable hands the controllers on from the root down to the groups in parent.
func enable(parent string, list []setting) error {
	for at := range ancestors(parent) {
		file := filepath.Join(Root, at, "cgroup.subtree_control")
		b, err := os.ReadFile(file)
		if err != nil && len(list) > 0 {
			return fmt.Errorf("cannot use control group %s: %w", at, err)
		}
		for _, s := range list {
			if slices.Contains(strings.Fields(string(b)), s.controller) {
				continue
			}
			err := write(file, "+"+s.controller)
			if errors.Is(err, unix.EBUSY) {
				return &BusyError{at}
			}
			if err != nil {
				return fmt.Errorf("cannot hand the controller %s on in control group %s: %w", s.controller, at, err)
			}
		}
	}
	return nil
}

// ancestors are "/", "/a", "/a/b" of "/a/b".
func ancestors(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		at := "/"
		if !yield(at) {
			return
		}
		for word := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			if word == "" {
				continue
			}
			if at = filepath.Join(at, word); !yield(at) {
				return
			}
		}
	}
}

// Enter moves a process into the control group at path, which is made.
func Enter(path string, pid int) error {
	if err := os.MkdirAll(filepath.Join(Root, path), 0o755); err != nil {
		return fmt.Errorf("cannot make a control group: %w", err)
	}
	if err := write(filepath.Join(Root, path, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("cannot enter control group %s: %w", path, err)
	}
	return nil
}

// removeTries times a pause of 2 ms: processes that have ended leave their
// group a moment later.
const removeTries = 100

// Remove removes the control group at path and the groups in it, none of
// which has a process any more. One that is gone is no error.
func Remove(path string) error {
	for try := 0; ; try++ {
		err := remove(filepath.Join(Root, path))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || try == removeTries {
			return fmt.Errorf("cannot remove control group %s: %w", path, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func remove(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

func write(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
