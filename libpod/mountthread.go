package libpod

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/sys"

	"github.com/carob-containers/carob/libpod/oci"
)

// inMountNamespace runs f on a thread of its own in a new mount namespace.
// What f mounts is seen by f and by processes that f forks, and by nobody
// else: the kernel unmounts it all when the last of them is gone, so a
// killed carob or monitor leaves no mount behind.
//
// The namespace is a slave of ours: volumes that are mounted later for other
// containers show up in it, and nothing goes back.
func inMountNamespace(f func() error) error {
	return sys.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("cannot make a mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return fmt.Errorf("cannot detach the mount namespace: %w", err)
		}
		return f()
	})
}

// hideCgroups covers a hybrid cgroup tree, in the present mount namespace
// only: crun (1.8) refuses to run where it sees one, even when it is told to
// leave cgroups alone. An empty tmpfs looks to it like a host without any.
func hideCgroups() error {
	if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", unix.MS_RDONLY, "size=0"); err != nil {
		return fmt.Errorf("cannot hide the hybrid cgroup mounts from crun: %w", err)
	}
	return nil
}

// sealProgram makes a program read-only in the present mount namespace. crun
// would otherwise do that to itself and start anew each time, so that no
// container can write to it through /proc/PID/exe (CVE-2019-5736); it sees
// that this was done and goes on. Where the kernel cannot (before Linux 5.12)
// crun still can.
func sealProgram(path string) {
	if unix.Mount(path, path, "", unix.MS_BIND, "") != nil {
		return
	}
	_ = unix.MountSetattr(unix.AT_FDCWD, path, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// besideCgroups runs f, which forks the OCI runtime r or a monitor that will,
// where r does not give up at the sight of the host's cgroups.
func besideCgroups(r *oci.Runtime, f func() error) error {
	if !r.NeedsHiddenCgroups() {
		return f()
	}
	return inMountNamespace(func() error {
		if err := hideCgroups(); err != nil {
			return err
		}
		return f()
	})
}
