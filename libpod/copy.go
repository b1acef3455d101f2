package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/containers/storage/pkg/archive"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/filetree"
	"github.com/carob-containers/carob/pkg/rootfs"
)

// Place is a path in a container or, without one, on the host, where it is
// absolute. What ends it counts: "/." names the content of a directory.
type Place struct {
	Container *Container
	Path      string
}

// CopyOptions of cp.
type CopyOptions struct {
	// Archive gives what comes into a container to its user; otherwise owners
	// stay, as numbers.
	Archive bool
	// Overwrite lets directories take the place of other files, and the reverse.
	Overwrite bool
}

// Copy copies a file or a directory between containers and the host.
func (rt *Runtime) Copy(ctx context.Context, from, to Place, o CopyOptions) error {
	between := func(src, dst *filetree.Tree) error { return copyBetween(src, dst, from, to, o) }
	switch {
	case from.Container == nil || to.Container == nil || from.Container.ID < to.Container.ID:
		return from.with(ctx, func(src *filetree.Tree) error {
			return to.with(ctx, func(dst *filetree.Tree) error { return between(src, dst) })
		})
	case from.Container.ID == to.Container.ID: // is locked, and mounted, once
		return from.with(ctx, func(t *filetree.Tree) error { return between(t, t) })
	}
	// In the order of their IDs: two copies that cross do not wait for each other.
	return to.with(ctx, func(dst *filetree.Tree) error {
		return from.with(ctx, func(src *filetree.Tree) error { return between(src, dst) })
	})
}

func copyBetween(src, dst *filetree.Tree, from, to Place, o CopyOptions) error {
	mode, err := from.stat(src)
	if err != nil {
		return err
	}
	dir, as, err := to.target(dst, from.Path, mode.IsDir(), o.Overwrite)
	if err != nil {
		return err
	}
	// A copy that lies in what is copied would never end, and a file copied to
	// itself would be emptied.
	itself, err := dst.Inside(path.Join(dir, as), src, from.Path)
	if itself {
		err = fmt.Errorf("cannot copy %s to %s: that is the source itself or lies in it", from, to)
	}
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(from.pack(src, w, as, true)) }()
	err = to.unpack(r, dst, dir, o)
	r.CloseWithError(err)
	return err
}

// CopyOut writes what from names as a tar.
func (rt *Runtime) CopyOut(ctx context.Context, from Place, w io.Writer) error {
	return from.with(ctx, func(t *filetree.Tree) error {
		if _, err := from.stat(t); err != nil {
			return err
		}
		as := base(from.Path)
		if contents(from.Path) {
			as = ""
		}
		return from.pack(t, w, as, false)
	})
}

// CopyIn unpacks a tar, which may be compressed, into the directory to.
func (rt *Runtime) CopyIn(ctx context.Context, r io.Reader, to Place, o CopyOptions) error {
	return to.with(ctx, func(t *filetree.Tree) error {
		mode, err := to.stat(t)
		if err != nil {
			return err
		}
		if !mode.IsDir() {
			return fmt.Errorf("cannot unpack into %s: destination must be a directory when copying from stdin", to)
		}
		plain, err := archive.DecompressStream(r)
		if err != nil {
			return fmt.Errorf("cannot read the archive: %w", err)
		}
		defer plain.Close()
		return to.unpack(plain, t, to.Path, o)
	})
}

func (p Place) String() string {
	if p.Container != nil {
		return p.Container.Name + ":" + p.Path
	}
	return p.Path
}

func (p Place) with(ctx context.Context, f func(*filetree.Tree) error) error {
	if p.Container == nil {
		return withPath("/", f)
	}
	if err := p.Container.refuseInfra("copy files of"); err != nil {
		return err
	}
	return p.Container.withTree(ctx, f)
}

func (p Place) stat(t *filetree.Tree) (fs.FileMode, error) {
	mode, err := t.Stat(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		err = p.missing()
	}
	return mode, err
}

func (p Place) missing() error {
	where := "on the host"
	if p.Container != nil {
		where = "on container " + p.Container.Name
	}
	return fmt.Errorf("%q could not be found %s: %w", p.Path, where, syscall.ENOENT)
}

// contents tells that a path means what is in a directory.
func contents(p string) bool {
	return p == "." || strings.HasSuffix(p, "/.") || path.Clean("/"+p) == "/"
}

func base(p string) string { return path.Base(path.Clean("/" + p)) }

// target decides in which directory, and under which name, something goes to
// p. No name: the content of the source goes into the directory.
func (p Place) target(t *filetree.Tree, source string, isDir, overwrite bool) (dir, as string, err error) {
	if err := p.refuseSpecial(t); err != nil {
		return "", "", err
	}
	name, err := t.Resolve(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", p.missing()
	}
	if err != nil {
		return "", "", err
	}
	mode, err := t.Stat(name)
	switch {
	case err == nil && mode.IsDir():
		if isDir && contents(source) {
			return name, "", nil
		}
		return name, base(source), nil
	case err == nil && isDir && !overwrite:
		return "", "", fmt.Errorf("cannot copy to %s: destination must be a directory when copying a directory", p)
	case err == nil && strings.HasSuffix(p.Path, "/") && !overwrite:
		return "", "", fmt.Errorf("cannot copy to %s: it is not a directory", p)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", "", err
	}
	above := Place{p.Container, path.Dir(name)}
	if mode, err := above.stat(t); err != nil {
		return "", "", err
	} else if !mode.IsDir() {
		return "", "", fmt.Errorf("cannot copy to %s: %s is not a directory", p, above.Path)
	}
	if err != nil && !isDir && strings.HasSuffix(p.Path, "/") {
		_, err := p.stat(t) // a directory that is not there
		return "", "", err
	}
	return above.Path, base(name), nil
}

// refuseSpecial refuses what cannot hold files and must not be replaced by one:
// pipes, devices, sockets. Where /dev/stdout of the host leads, only the host
// can tell.
func (p Place) refuseSpecial(t *filetree.Tree) error {
	mode, err := t.Stat(p.Path)
	if p.Container == nil {
		var st fs.FileInfo
		if st, err = os.Stat(p.Path); err == nil {
			mode = st.Mode()
		}
	}
	if err != nil || mode.IsDir() || mode.IsRegular() {
		return nil // what is not there may be made
	}
	err = fmt.Errorf("cannot copy to %s: it must be a directory or a regular file", p)
	if p.Container == nil {
		return WithHint(err, "- as the destination writes a tar to standard output")
	}
	return err
}

func (p Place) pack(t *filetree.Tree, w io.Writer, as string, precise bool) error {
	o := filetree.PackOptions{As: as, Precise: precise}
	if p.Container != nil {
		o.SkipForbidden = rootless() // terminals inside belong to the host's root
		if m := p.Container.Isolation.Mapping; m != nil {
			o.IDs = func(uid, gid int) (int, int) { return toInside(m.UIDs, uid), toInside(m.GIDs, gid) }
		}
	}
	return t.Pack(w, p.Path, o)
}

// unpack gives the files to whoever is to have them: on the host the caller,
// who is root here; in a container its user, or the same numbers as before.
func (p Place) unpack(r io.Reader, t *filetree.Tree, dir string, o CopyOptions) error {
	u := filetree.UnpackOptions{Overwrite: o.Overwrite, SkipDevices: rootless()}
	if p.Container == nil {
		u.IDs = func(int, int) (int, int) { return 0, 0 }
		u.NoLinks = true
		return t.Unpack(r, dir, u)
	}
	user, err := p.Container.user(t)
	if err != nil {
		return err
	}
	u.IDs = func(uid, gid int) (int, int) {
		if o.Archive {
			uid, gid = int(user.UID), int(user.GID)
		}
		if m := p.Container.Isolation.Mapping; m != nil {
			uid, gid = toOutside(m.UIDs, uid), toOutside(m.GIDs, gid)
		}
		return uid, gid
	}
	return t.Unpack(r, dir, u)
}

// user is who the container runs as.
func (c *Container) user(t *filetree.Tree) (rootfs.User, error) {
	asked := c.Process.User
	if asked == "" {
		img, err := c.image()
		if err != nil {
			return rootfs.User{}, err
		}
		if img != nil {
			asked = img.config.Config.User
		}
	}
	return rootfs.Lookup(fmt.Sprintf("/proc/self/fd/%d", t.Root().Fd()), asked)
}

// toInside is what id of carob's namespace is called in a container's own.
func toInside(maps []spec.IDMap, id int) int {
	for _, m := range maps {
		if id >= int(m.Host) && id < int(m.Host+m.Size) {
			return int(m.Container) + id - int(m.Host)
		}
	}
	return id
}
