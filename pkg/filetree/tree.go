// Package filetree copies files out of and into a tree whose links must not
// lead out of it, such as a container's root file system. Every path is
// resolved by the kernel as if the tree's root were / (openat2(2),
// RESOLVE_IN_ROOT), whatever a process inside changes meanwhile.
package filetree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Tree is a directory that counts as the root of all paths in it.
type Tree struct{ root *os.File }

// Open opens the tree at path. It stays usable when path is another's, or a
// mount of another mount namespace.
func Open(root string) (*Tree, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	return &Tree{os.NewFile(uintptr(fd), root)}, nil
}

// Close closes the tree.
func (t *Tree) Close() error { return t.root.Close() }

// Root is the open root directory (O_PATH).
func (t *Tree) Root() *os.File { return t.root }

// open opens name, a path in the tree. A last component that is a link is
// followed unless flags say otherwise.
func (t *Tree) open(name string, flags int) (*os.File, error) {
	return openAt(t.root, path.Clean("/"+name), name, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

func openAt(dir *os.File, name, shown string, flags int, resolve uint64) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	for {
		fd, err := unix.Openat2(int(dir.Fd()), name, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) { // a rename raced with ".."
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: shown, Err: err}
		}
		return os.NewFile(uintptr(fd), shown), nil
	}
}

// Stat tells what name is, following links inside the tree.
func (t *Tree) Stat(name string) (fs.FileMode, error) {
	f, err := t.open(name, unix.O_PATH)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Mode(), nil
}

// Resolve follows name while it is a link, and returns the path of what it
// leads to, which need not exist.
func (t *Tree) Resolve(name string) (string, error) {
	name = path.Clean("/" + name)
	for range 40 { // as many as the kernel follows
		parent, err := t.open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return "", err
		}
		target, err := readlinkAt(parent, path.Base(name))
		parent.Close()
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			return name, nil // no link
		}
		if err != nil {
			return "", err
		}
		if !strings.HasPrefix(target, "/") {
			target = path.Join(path.Dir(name), target)
		}
		name = path.Clean(target)
	}
	return "", &os.PathError{Op: "resolve", Path: name, Err: unix.ELOOP}
}

func readlinkAt(dir *os.File, base string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), base, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// Inside tells whether what name is to become is source, a path of tree from,
// or lies in it. The kernel tells by inode: links, and directories that are
// mounted at several places, lead to the same one. name need not exist, the
// directory it is in must.
func (t *Tree) Inside(name string, from *Tree, source string) (bool, error) {
	src, err := from.open(source, unix.O_PATH)
	if err != nil {
		return false, err
	}
	defer src.Close()
	at, err := t.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		at, err = t.open(path.Dir(path.Clean("/"+name)), unix.O_PATH)
	}
	if err != nil {
		return false, err
	}
	defer func() { at.Close() }()
	for {
		if same, err := sameFile(at, src); same || err != nil {
			return same, err
		}
		above, err := openAt(at, "..", name, unix.O_PATH, 0)
		if errors.Is(err, unix.ENOTDIR) {
			above, err = t.open(path.Dir(path.Clean("/"+name)), unix.O_PATH)
		}
		if err != nil {
			return false, err
		}
		top, err := sameFile(at, above) // the host's root; that of a container's tree has the host's above it
		at.Close()
		at = above
		if top || err != nil {
			return false, err
		}
	}
}

func sameFile(a, b *os.File) (bool, error) {
	one, err := a.Stat()
	if err != nil {
		return false, err
	}
	other, err := b.Stat()
	return err == nil && os.SameFile(one, other), err
}

// Handle opens name (O_PATH), following links inside the tree.
func (t *Tree) Handle(name string) (*os.File, error) { return t.open(name, unix.O_PATH) }
