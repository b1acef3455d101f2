package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Owner is who gets what is made new, in ids of carob's own user namespace.
type Owner struct{ UID, GID int }

// MkdirAll makes the directory name, and those above it, below root. Only
// what is made new gets the mode and the owner.
func MkdirAll(root, name string, mode uint32, owner Owner) error {
	dir, err := mkdirAll(root, name, mode, owner)
	if err != nil {
		return fmt.Errorf("cannot make directory %s in the container: %w", name, err)
	}
	return dir.Close()
}

// mkdirAll returns a handle (O_PATH) of the directory.
func mkdirAll(root, name string, mode uint32, owner Owner) (*os.File, error) {
	top, err := openRoot(root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	at := "/"
	dir, err := openIn(top, at, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	for _, part := range components(name) {
		at = path.Join(at, part)
		next, err := openIn(top, at, unix.O_PATH|unix.O_DIRECTORY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			next, err = makeAndOpen(dir, part, mode, owner)
		}
		dir.Close()
		if err != nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

// makeAndOpen makes one directory. Between the two calls it may be swapped
// for a link, which is then refused.
func makeAndOpen(parent *os.File, name string, mode uint32, owner Owner) (*os.File, error) {
	err := unix.Mkdirat(int(parent.Fd()), name, mode)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	made := err == nil
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	dir := os.NewFile(uintptr(fd), name)
	if made {
		err = errors.Join(dir.Chown(owner.UID, owner.GID), unix.Fchmod(fd, mode))
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// EnsureMountpoint makes sure that something can be mounted on name: a
// directory, or else an empty file. What is there already must be of that
// kind; a link counts as what it leads to inside the root.
func EnsureMountpoint(root, name string, directory bool) error {
	if directory {
		return MkdirAll(root, name, 0o755, Owner{})
	}
	if err := ensureFile(root, name); err != nil {
		return fmt.Errorf("cannot make mount point %s in the container: %w", name, err)
	}
	return nil
}

func ensureFile(root, name string) error {
	top, err := openRoot(root)
	if err != nil {
		return err
	}
	defer top.Close()
	f, err := openIn(top, name, unix.O_PATH, 0)
	if err == nil {
		defer f.Close()
		return wantFile(f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir, err := mkdirAll(root, path.Dir(path.Clean("/"+name)), 0o755, Owner{})
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), path.Base(name), unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func wantFile(f *os.File) error {
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("there is a directory")
	}
	return err
}

// ErrNoWorkDir says that the working directory asked for is not there.
var ErrNoWorkDir = errors.New("does not exist on container")

// EnsureWorkDir makes sure that the working directory exists. An image's
// WORKDIR (create) is made when it is missing; one the user named must be
// there. Below one of the mounts' destinations nothing is looked for: what
// will be there is not in the root file system.
func EnsureWorkDir(root, dir string, create bool, owner Owner, mounts []string) error {
	for _, m := range mounts {
		if under(dir, m) {
			return nil
		}
	}
	found, err := OpenDir(root, dir)
	switch {
	case err == nil:
		return found.Close()
	case errors.Is(err, fs.ErrPermission): // the kernel will judge the container's user
		return nil
	case errors.Is(err, fs.ErrNotExist) && create:
		return MkdirAll(root, dir, 0o755, owner)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("workdir %q %w", dir, ErrNoWorkDir)
	}
	return fmt.Errorf("cannot use workdir %q: %w", dir, err)
}

// under tells whether name is dir or lies below it.
func under(name, dir string) bool {
	name, dir = path.Clean("/"+name), path.Clean("/"+dir)
	return name == dir || dir == "/" || strings.HasPrefix(name, dir+"/")
}

// EnsureMtab makes /etc/mtab a link to /proc/mounts, unless something is
// there already, there is no /etc, or nothing may be written there, as in a
// directory of somebody else's that is used as root file system.
func EnsureMtab(root string) error {
	etc, err := OpenDir(root, "/etc")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make /etc/mtab in the container: %w", err)
	}
	defer etc.Close()
	err = unix.Symlinkat("/proc/mounts", int(etc.Fd()), "mtab")
	if err == nil || errors.Is(err, unix.EEXIST) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return fmt.Errorf("cannot make /etc/mtab in the container: %w", err)
}
