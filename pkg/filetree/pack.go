package filetree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// PackOptions say how files become a tar.
type PackOptions struct {
	// As is what the archive calls the file or directory that is packed; ""
	// packs a directory's content without the directory.
	As string
	// IDs changes the owner that is written down; nil: as it is.
	IDs func(uid, gid int) (int, int)
	// OneFileSystem leaves out what is mounted below.
	OneFileSystem bool
	// Precise keeps fractions of seconds, for which not all programs look.
	Precise bool
	// SkipForbidden leaves out what may not be read.
	SkipForbidden bool
}

// Pack writes name, followed if it is a link, as a tar. Sockets are left out.
func (t *Tree) Pack(w io.Writer, name string, o PackOptions) error {
	p := &packer{tar: tar.NewWriter(w), o: o, seen: map[inode]string{}}
	if err := p.top(t, name); err != nil {
		return err
	}
	return p.tar.Close()
}

// inode names a file among its hard links.
type inode struct{ dev, ino uint64 }

type packer struct {
	tar  *tar.Writer
	o    PackOptions
	seen map[inode]string
}

func (p *packer) top(t *Tree, name string) error {
	handle, err := t.open(name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer handle.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(handle.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		dir, err := openAt(handle, ".", name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		return p.directory(dir, p.o.As)
	case unix.S_IFREG:
		f, err := t.open(name, unix.O_RDONLY|unix.O_NONBLOCK)
		if err != nil {
			return err
		}
		return p.regular(f, p.o.As)
	}
	return p.special(&st, "", p.o.As)
}

// directory packs an open directory and closes it.
func (p *packer) directory(dir *os.File, name string) error {
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir.Name(), Err: err}
	}
	if name != "" {
		h := p.header(&st, name+"/", tar.TypeDir)
		p.attributes(dir, h)
		if err := p.write(h); err != nil {
			return err
		}
	}
	children, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(children)
	for _, child := range children {
		err := p.entry(dir, child, path.Join(name, child))
		if p.o.SkipForbidden && errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entry packs one file of a directory; a link is packed as a link.
func (p *packer) entry(dir *os.File, base, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	key := inode{uint64(st.Dev), st.Ino}
	if first, again := p.seen[key]; again && st.Nlink > 1 {
		h := p.header(&st, name, tar.TypeLink)
		h.Linkname = first
		return p.write(h)
	}
	resolve := uint64(unix.RESOLVE_BENEATH)
	if p.o.OneFileSystem {
		resolve |= unix.RESOLVE_NO_XDEV
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		sub, err := openAt(dir, base, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, resolve)
		if errors.Is(err, unix.EXDEV) {
			return p.write(p.header(&st, name+"/", tar.TypeDir))
		}
		if err != nil {
			return err
		}
		return p.directory(sub, name)
	}
	if st.Nlink > 1 {
		p.seen[key] = name
	}
	switch kind {
	case unix.S_IFREG:
		f, err := openAt(dir, base, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, resolve)
		if err != nil {
			return err
		}
		return p.regular(f, name)
	case unix.S_IFLNK:
		target, err := readlinkAt(dir, base)
		if err != nil {
			return err
		}
		return p.special(&st, target, name)
	}
	return p.special(&st, "", name)
}

// regular packs an open file and closes it.
func (p *packer) regular(f *os.File, name string) error {
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("cannot copy %s: it was replaced meanwhile", name)
	}
	h := p.header(&st, name, tar.TypeReg)
	h.Size = st.Size
	p.attributes(f, h)
	if err := p.write(h); err != nil {
		return err
	}
	n, err := io.Copy(p.tar, io.LimitReader(f, h.Size))
	if err == nil && n < h.Size {
		err = fmt.Errorf("cannot copy %s: it became shorter meanwhile", name)
	}
	return err
}

// special packs what has no content.
func (p *packer) special(st *unix.Stat_t, target, name string) error {
	h := p.header(st, name, 0)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR:
		h.Typeflag = tar.TypeChar
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
	default:
		return nil
	}
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		h.Devmajor, h.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev)))
	}
	return p.write(h)
}

func (p *packer) header(st *unix.Stat_t, name string, kind byte) *tar.Header {
	h := &tar.Header{
		Typeflag: kind, Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Sec, 0),
	}
	if p.o.Precise {
		h.ModTime, h.Format = time.Unix(st.Mtim.Unix()), tar.FormatPAX
	}
	if p.o.IDs != nil {
		h.Uid, h.Gid = p.o.IDs(h.Uid, h.Gid)
	}
	return h
}

func (p *packer) write(h *tar.Header) error {
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("cannot write %s into the archive: %w", h.Name, err)
	}
	return nil
}

// xattrRecord is how tar programs name extended attributes.
const xattrRecord = "SCHILY.xattr."

// attributes adds the extended attributes that make sense elsewhere: those of
// users, and file capabilities.
func (p *packer) attributes(f *os.File, h *tar.Header) {
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(int(f.Fd()), names)
	if err != nil {
		return
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name != "security.capability" && (!strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "user.overlay.")) {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Fgetxattr(int(f.Fd()), name, value)
		if err != nil {
			continue
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+name] = string(value[:n])
	}
}
