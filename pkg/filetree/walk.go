package filetree

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Walk calls f with a handle (O_PATH) and the status of everything below the
// tree's root, directories before what is in them. Whatever is swapped for a
// link meanwhile, no link is followed; what is removed meanwhile is left out.
func (t *Tree) Walk(f func(h *os.File, st *unix.Stat_t) error) error { return walk(t.root, f) }

func walk(at *os.File, f func(*os.File, *unix.Stat_t) error) error {
	dir, err := openAt(at, ".", at.Name(), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := visit(dir, name, f); err != nil {
			return err
		}
	}
	return nil
}

func visit(dir *os.File, name string, f func(*os.File, *unix.Stat_t) error) error {
	h, err := openAt(dir, name, name, unix.O_PATH|unix.O_NOFOLLOW, unix.RESOLVE_BENEATH)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer h.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(h.Fd()), &st); err != nil {
		return err
	}
	if err := f(h, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	return walk(h, f)
}

// Chown gives the file that is open (O_PATH) to somebody; -1 leaves as it is.
func Chown(h *os.File, uid, gid int) error {
	if err := unix.Fchownat(int(h.Fd()), "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "chown", Path: h.Name(), Err: err}
	}
	return nil
}

// Chmod sets the mode of the file that is open (O_PATH), which must be no
// link: fchmod(2) takes no such handle, but the way there by /proc does.
func Chmod(h *os.File, mode uint32) error {
	if err := unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", h.Fd()), mode); err != nil {
		return &os.PathError{Op: "chmod", Path: h.Name(), Err: err}
	}
	return nil
}
