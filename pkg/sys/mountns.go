package sys

import (
	"fmt"

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
