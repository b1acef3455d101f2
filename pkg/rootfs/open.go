// Package rootfs looks into a container's root file system from outside and
// prepares it: who a user is, which directories and files must be there.
// What lies in it is hostile: every path is resolved by the kernel as if the
// root were /, so that no link leads out, and what is opened is checked to be
// what it should be.
package rootfs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// maxFile is the most that is read of a file of the container.
const maxFile = 16 << 20

// openRoot returns a handle of the root directory itself.
func openRoot(root string) (*os.File, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	return os.NewFile(uintptr(fd), root), nil
}

// openIn opens name below root without leaving it.
func openIn(root *os.File, name string, flags int, mode uint32) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(int(root.Fd()), path.Clean("/"+name), &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // a rename somewhere raced with ".."
			continue
		case errors.Is(err, unix.ENOSYS) && flags&unix.O_CREAT == 0: // before Linux 5.6, or a filter that knows no better
			return openSlowly(root, name, flags)
		}
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
}

func openSlowly(root *os.File, name string, flags int) (*os.File, error) {
	handle, err := securejoin.OpenatInRoot(root, name)
	if err != nil || flags&unix.O_PATH != 0 {
		return handle, err
	}
	defer handle.Close()
	return securejoin.Reopen(handle, flags|unix.O_CLOEXEC)
}

// OpenDir opens a directory of the root file system for reading; its path is
// /proc/self/fd/N for functions that want one. The error is fs.ErrNotExist if
// there is none.
func OpenDir(root, name string) (*os.File, error) {
	top, err := openRoot(root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	return openIn(top, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// ReadFile returns the content of a regular file of the root file system. The
// error is fs.ErrNotExist if there is none.
func ReadFile(root, name string) ([]byte, error) {
	f, err := openFile(root, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(body) > maxFile {
		err = fmt.Errorf("cannot read %s of the container: longer than %d bytes", name, maxFile)
	}
	return body, err
}

// openFile opens an existing regular file. It never waits: a pipe in place of
// the file must not hold carob up.
func openFile(root, name string, flags int) (*os.File, error) {
	top, err := openRoot(root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	f, err := openIn(top, name, flags|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, cmp.Or(irregular(top, name), err) // a socket, for one, cannot be opened at all
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("cannot use %s of the container: %w", name, errIrregular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// errIrregular is a directory, device, pipe or socket in place of a file.
var errIrregular = errors.New("not a regular file")

// irregular is the error for something that is there and no regular file.
func irregular(top *os.File, name string) error {
	f, err := openIn(top, name, unix.O_PATH, 0)
	if err != nil {
		return nil // the first error says more
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("cannot use %s of the container: %w", name, errIrregular)
	}
	return nil
}

// components are the names a clean absolute path is made of.
func components(name string) []string {
	clean := strings.Trim(path.Clean("/"+name), "/")
	if clean == "" {
		return nil
	}
	return strings.Split(clean, "/")
}
