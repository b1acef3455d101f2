package libpod

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/oci"
	"github.com/carob-containers/carob/pkg/sys"
)

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
	return sys.InMountNamespace(func() error {
		if err := hideCgroups(); err != nil {
			return err
		}
		return f()
	})
}
