package filetree

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// UnpackOptions say how a tar becomes files.
type UnpackOptions struct {
	// IDs turns the owner in the archive into the one given to a file, in ids
	// of carob's own user namespace; nil: as it is.
	IDs func(uid, gid int) (int, int)
	// Overwrite lets a directory take the place of another file, and the reverse.
	Overwrite bool
	// NoLinks follows no link below the directory that is unpacked into: one
	// that an earlier archive brought would lead anywhere on the host.
	NoLinks bool
	// SkipDevices leaves out device nodes, which an unprivileged user cannot make.
	SkipDevices bool
}

// Unpack unpacks a tar below the directory dir. Names and links in the
// archive, and links in the tree, are held against the tree's root.
func (t *Tree) Unpack(r io.Reader, dir string, o UnpackOptions) error {
	u := &unpacker{tree: t, dir: path.Clean("/" + dir), o: o}
	defer u.forget()
	if o.NoLinks {
		top, err := t.open(dir, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer top.Close()
		u.top = top
	}
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if err == io.EOF {
			u.forget()
			return u.setTimes()
		}
		if err != nil {
			return fmt.Errorf("cannot read the archive: %w", err)
		}
		if err := u.entry(h, in); err != nil {
			return fmt.Errorf("cannot write %s: %w", h.Name, err)
		}
	}
}

type unpacker struct {
	tree *Tree
	dir  string
	top  *os.File // dir, with NoLinks
	o    UnpackOptions

	// The directory the last entry went to.
	parent     *os.File
	parentName string

	dirs []dirTime // directories get their times last
}

type dirTime struct {
	name string
	time time.Time
}

// place is where an archive's name is in the tree.
func (u *unpacker) place(name string) string { return path.Join(u.dir, path.Clean("/"+name)) }

// open opens a place in the tree; its last component may be a link only where
// links are followed.
func (u *unpacker) open(place string, flags int) (*os.File, error) {
	if u.top == nil {
		return u.tree.open(place, flags)
	}
	below := strings.TrimPrefix(strings.TrimPrefix(place, u.dir), "/")
	return openAt(u.top, cmp.Or(below, "."), place, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
}

func (u *unpacker) forget() {
	if u.parent != nil {
		u.parent.Close()
	}
	u.parent, u.parentName = nil, ""
}

// enter opens the directory an entry goes to, making what the archive left out.
func (u *unpacker) enter(name string) (*os.File, error) {
	if u.parent != nil && u.parentName == name {
		return u.parent, nil
	}
	dir, err := u.open(name, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) && name != "/" {
		above, err := u.enter(path.Dir(name))
		if err != nil {
			return nil, err
		}
		if err := unix.Mkdirat(int(above.Fd()), path.Base(name), 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, err
		}
		if u.o.IDs != nil {
			uid, gid := u.o.IDs(0, 0)
			_ = unix.Fchownat(int(above.Fd()), path.Base(name), uid, gid, unix.AT_SYMLINK_NOFOLLOW)
		}
		dir, err = u.open(name, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	u.forget()
	u.parent, u.parentName = dir, name
	return dir, nil
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	place := u.place(h.Name)
	if place == u.dir {
		return nil // the directory that is unpacked into
	}
	parent, err := u.enter(path.Dir(place))
	if err != nil {
		return err
	}
	base := path.Base(place)
	switch h.Typeflag {
	case tar.TypeDir:
		return u.directory(parent, base, place, h)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.regular(parent, base, h, content)
	case tar.TypeLink:
		return u.hardLink(parent, base, u.place(h.Linkname))
	case tar.TypeChar, tar.TypeBlock:
		if u.o.SkipDevices {
			return nil
		}
	case tar.TypeSymlink, tar.TypeFifo:
	default:
		return fmt.Errorf("entries of type %q are not known", h.Typeflag)
	}
	return u.special(parent, base, h)
}

func (u *unpacker) owner(h *tar.Header) (int, int) {
	if u.o.IDs == nil {
		return h.Uid, h.Gid
	}
	return u.o.IDs(h.Uid, h.Gid)
}

// directory makes a directory, or takes the one that is there, where links are
// followed also by way of one.
func (u *unpacker) directory(parent *os.File, base, place string, h *tar.Header) error {
	err := unix.Mkdirat(int(parent.Fd()), base, 0o700)
	if errors.Is(err, unix.EEXIST) {
		if there, err := u.open(place, unix.O_PATH|unix.O_DIRECTORY); err == nil {
			return there.Close()
		}
		if !u.o.Overwrite {
			return errors.New("a file that is no directory has that name (--overwrite replaces it)")
		}
		if err := unix.Unlinkat(int(parent.Fd()), base, 0); err != nil {
			return err
		}
		err = unix.Mkdirat(int(parent.Fd()), base, 0o700)
	}
	if err != nil {
		return err
	}
	dir, err := openAt(parent, base, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, unix.RESOLVE_BENEATH)
	if err != nil {
		return err
	}
	u.dirs = append(u.dirs, dirTime{place, h.ModTime})
	return errors.Join(u.dress(dir, h), dir.Close())
}

// regular writes a file anew. One that cannot be replaced, because something
// is mounted on it, is written in place.
func (u *unpacker) regular(parent *os.File, base string, h *tar.Header, content io.Reader) error {
	err := u.clear(parent, base)
	flags := unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	switch {
	case errors.Is(err, unix.EBUSY):
		flags |= unix.O_TRUNC
	case err != nil:
		return err
	default:
		flags |= unix.O_CREAT | unix.O_EXCL
	}
	fd, err := unix.Openat(int(parent.Fd()), base, flags, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	_, err = io.Copy(f, content)
	if err == nil && flags&unix.O_CREAT != 0 {
		err = u.dress(f, h)
	}
	if err == nil {
		err = setTime(int(f.Fd()), "", h.ModTime)
	}
	return errors.Join(err, f.Close())
}

// clear makes room for a file that is no directory.
func (u *unpacker) clear(parent *os.File, base string) error {
	err := unix.Unlinkat(int(parent.Fd()), base, 0)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EISDIR) && u.o.Overwrite:
		return removeTree(parent, base)
	case errors.Is(err, unix.EISDIR):
		return errors.New("a directory has that name (--overwrite replaces it)")
	}
	return err
}

func removeTree(parent *os.File, base string) error {
	dir, err := openAt(parent, base, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_XDEV)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if e := unix.Unlinkat(int(dir.Fd()), name, 0); errors.Is(e, unix.EISDIR) {
			err = errors.Join(err, removeTree(dir, name))
		} else {
			err = errors.Join(err, e)
		}
	}
	dir.Close()
	if err != nil {
		return err
	}
	return unix.Unlinkat(int(parent.Fd()), base, unix.AT_REMOVEDIR)
}

func (u *unpacker) hardLink(parent *os.File, base, target string) error {
	from, err := u.open(path.Dir(target), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := u.clear(parent, base); err != nil {
		return err
	}
	return unix.Linkat(int(from.Fd()), path.Base(target), int(parent.Fd()), base, 0)
}

func (u *unpacker) special(parent *os.File, base string, h *tar.Header) error {
	if err := u.clear(parent, base); err != nil {
		return err
	}
	fd := int(parent.Fd())
	mode := uint32(h.Mode & 0o7777)
	var err error
	switch h.Typeflag {
	case tar.TypeSymlink:
		err = unix.Symlinkat(h.Linkname, fd, base)
	case tar.TypeFifo:
		err = unix.Mknodat(fd, base, unix.S_IFIFO|mode, 0)
	case tar.TypeChar:
		err = unix.Mknodat(fd, base, unix.S_IFCHR|mode, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	case tar.TypeBlock:
		err = unix.Mknodat(fd, base, unix.S_IFBLK|mode, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	}
	if err != nil {
		return err
	}
	uid, gid := u.owner(h)
	if err := unix.Fchownat(fd, base, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return setTime(fd, base, h.ModTime)
}

// dress gives a new file its owner, then its mode, which a change of owner
// may have narrowed, and its attributes.
func (u *unpacker) dress(f *os.File, h *tar.Header) error {
	uid, gid := u.owner(h)
	if err := unix.Fchown(int(f.Fd()), uid, gid); err != nil {
		return fmt.Errorf("cannot give it to %d:%d: %w", uid, gid, err)
	}
	if err := unix.Fchmod(int(f.Fd()), uint32(h.Mode&0o7777)); err != nil {
		return err
	}
	for record, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(record, xattrRecord)
		if !ok || name != "security.capability" && !strings.HasPrefix(name, "user.") {
			continue
		}
		err := unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("cannot set its attribute %s: %w", name, err)
		}
	}
	return nil
}

func (u *unpacker) setTimes() error {
	for i := len(u.dirs) - 1; i >= 0; i-- {
		dir, err := u.open(u.dirs[i].name, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			continue // somebody removed it meanwhile
		}
		err = setTime(int(dir.Fd()), "", u.dirs[i].time)
		dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// setTime sets the time of modification of name in a directory, or with ""
// of the open file itself.
func setTime(fd int, name string, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_NOW}, unix.NsecToTimespec(t.UnixNano())}
	if name == "" {
		return unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
	}
	return unix.UtimesNanoAt(fd, name, times, unix.AT_SYMLINK_NOFOLLOW)
}
