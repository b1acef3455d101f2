package monitor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Part is what lies at Name below the directory Dir, which containers can
// change, and is mounted on Place in the monitor's mount namespace. The OCI
// runtime is told only Place, from where no link leads anywhere.
type Part struct {
	Dir   string `json:"dir"`
	Name  string `json:"name"` // absolute, Dir being the root
	Place string `json:"place"`
}

// renew mounts what has the name now: a file that was replaced cannot be
// mounted once more. What is there stays when there is nothing better.
func (p Part) renew() {
	dir, err := unix.Open(p.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	part, err := unix.Openat2(dir, p.Name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return
	}
	defer unix.Close(part)
	var is, was unix.Stat_t
	if unix.Fstat(part, &is) != nil || unix.Stat(p.Place, &was) != nil || is.Dev == was.Dev && is.Ino == was.Ino ||
		(is.Mode&unix.S_IFMT == unix.S_IFDIR) != (was.Mode&unix.S_IFMT == unix.S_IFDIR) {
		return
	}
	if unix.Unmount(p.Place, unix.MNT_DETACH) != nil {
		return
	}
	if unix.Mount(fmt.Sprintf("/proc/self/fd/%d", part), p.Place, "", unix.MS_BIND|unix.MS_REC, "") != nil {
		_ = unix.Unlink(p.Place) // removed meanwhile: the run must fail, not begin with an empty place
		_ = unix.Rmdir(p.Place)
	}
}
