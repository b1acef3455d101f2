package store

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The reserve is a file that takes room for nothing, so that a full disk has
// some for the commands that make more: they write, too, before they remove.
const (
	reserveSize = 1 << 20
	// scarce and ample are how many bytes have to be free for the reserve to be
	// given up and made (again).
	scarce = 1 << 20
	ample  = 32 << 20
)

func (d Dirs) reserve() string { return filepath.Join(d.State, "reserve") }

// KeepReserve makes the reserve where there is none, or the beginning of one,
// and room for it. That it cannot be made is no error: not all file systems let
// room be taken.
func (d Dirs) KeepReserve() {
	if fi, err := os.Lstat(d.reserve()); err == nil && fi.Size() == reserveSize || d.free() < ample {
		return
	}
	f, err := os.OpenFile(d.reserve(), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Fallocate(int(f.Fd()), 0, 0, reserveSize) != nil {
		_ = os.Remove(d.reserve())
	}
}

// UseReserve gives the reserve up if the disk is full.
func (d Dirs) UseReserve() {
	if d.free() < scarce {
		_ = os.Remove(d.reserve()) // there may be none
	}
}

// free is how many bytes of the disk an unprivileged user may still fill.
func (d Dirs) free() int64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(d.State, &fs); err != nil {
		return ample // nothing is done about a disk that nobody knows
	}
	return int64(fs.Bavail) * fs.Bsize
}
