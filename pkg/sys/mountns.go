package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// InMountNamespace runs f on a thread of its own in a new mount namespace.
// What f mounts is seen by f and by processes that f forks, and by nobody
// else: the kernel unmounts it all when the last of them is gone, so whoever
// is killed leaves no mount behind.
//
// The namespace is a slave of ours: what is mounted here later shows up in
// it, and nothing that happens in it comes back.
func InMountNamespace(f func() error) error {
	return OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("cannot make a mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return fmt.Errorf("cannot detach the mount namespace: %w", err)
		}
		return f()
	})
}

// AtMounts runs f on a thread of its own in the mount namespace of a process.
// Its working directory is the root directory there.
func AtMounts(pid int, f func() error) error {
	return OnThread(func() error {
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		if err != nil {
			return fmt.Errorf("cannot enter the mount namespace of process %d: %w", pid, err)
		}
		defer ns.Close()
		// setns refuses whoever shares its working directory, as threads do.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("cannot leave the other threads' working directory: %w", err)
		}
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("cannot enter the mount namespace of process %d: %w", pid, err)
		}
		return f()
	})
}
