package libpod

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/containers/storage/pkg/archive"
	"github.com/containers/storage/pkg/chrootarchive"
)

// ExportVolume writes the volume's content as a tar. It is read with the volume
// as root directory: no link leads out of it, whenever a container makes one.
func (rt *Runtime) ExportVolume(ctx context.Context, name string, w io.Writer) error {
	return rt.withVolume(ctx, name, func(dir string) error {
		r, err := chrootarchive.Tar(dir, &archive.TarOptions{}, dir)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		return errors.Join(err, r.Close())
	})
}

// ImportVolume unpacks a tar, which may be compressed, into the volume. What
// is there already stays, unless the archive has a file of that name. An
// archive with entries that lead out of the volume, or with device nodes, is
// refused; when r can be read twice, before anything is changed.
func (rt *Runtime) ImportVolume(ctx context.Context, name string, r io.Reader) error {
	return rt.withVolume(ctx, name, func(dir string) error {
		if s, ok := r.(io.Seeker); ok {
			if at, err := s.Seek(0, io.SeekCurrent); err == nil {
				if err := checkArchive(r, io.Discard); err != nil {
					return err
				}
				if _, err := s.Seek(at, io.SeekStart); err != nil {
					return err
				}
			}
		}
		return unpackVolume(r, dir)
	})
}

// withVolume calls f with the directory of a volume that is mounted meanwhile.
func (rt *Runtime) withVolume(ctx context.Context, name string, f func(dir string) error) error {
	v, err := rt.Volume(ctx, name)
	if err != nil {
		return err
	}
	if mounted(v.Volume) {
		lock, err := rt.lockVolume(ctx, v.Name)
		if err != nil {
			return err
		}
		defer lock.Release()
		if err := rt.mountVolume(v.Volume, lock); err != nil {
			return err
		}
		if idle, err := v.idle(ctx, ""); err == nil && idle {
			defer rt.unmountVolume(v.Volume)
		}
	}
	return f(v.Mountpoint())
}

// unpackVolume checks while it unpacks, and unpacks in a root directory of
// its own: not even a link made by the archive itself leads out of it.
func unpackVolume(r io.Reader, dir string) error {
	checked, w := io.Pipe()
	bad := make(chan error, 1)
	go func() {
		err := checkArchive(r, w)
		w.CloseWithError(err)
		bad <- err
	}()
	err := chrootarchive.Untar(checked, dir, &archive.TarOptions{})
	checked.CloseWithError(err) // nobody reads on
	if found := <-bad; found != nil && !errors.Is(found, err) {
		return found
	}
	return err
}

// checkArchive copies the tar in r to w entry by entry and stops at the first
// one that is not allowed.
func checkArchive(r io.Reader, w io.Writer) error {
	plain, err := archive.DecompressStream(r)
	if err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	defer plain.Close()
	in, out := tar.NewReader(plain), tar.NewWriter(w)
	links := map[string]bool{}
	for {
		h, err := in.Next()
		if err == io.EOF {
			return out.Close()
		}
		if err != nil {
			return fmt.Errorf("cannot read the archive: %w", err)
		}
		if err := checkEntry(h); err != nil {
			return err
		}
		if err := checkWay(h, links); err != nil {
			return err
		}
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("cannot unpack %q: %w", h.Name, err)
		}
		if _, err := io.Copy(out, in); err != nil {
			return fmt.Errorf("cannot unpack %q: %w", h.Name, err)
		}
	}
}

func checkEntry(h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeChar, tar.TypeBlock:
		return fmt.Errorf("cannot unpack %q: the archive has a device node, which a volume may not have", h.Name)
	case tar.TypeLink:
		if leavesRoot(h.Linkname) {
			return fmt.Errorf("cannot unpack %q: its hard link to %q leads out of the volume", h.Name, h.Linkname)
		}
	}
	if leavesRoot(h.Name) {
		return fmt.Errorf("cannot unpack %q: the name leads out of the volume", h.Name)
	}
	return nil
}

// checkWay refuses an entry that lies behind a link of the same archive.
// Links themselves may point anywhere: what they mean is seen from inside the
// container that has the volume.
func checkWay(h *tar.Header, links map[string]bool) error {
	name := filepath.Clean(h.Name)
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if links[dir] {
			return fmt.Errorf("cannot unpack %q: the archive has a link in place of the directory %q", h.Name, dir)
		}
	}
	links[name] = h.Typeflag == tar.TypeSymlink
	return nil
}

// leavesRoot tells whether a name that is relative to the root leads above it.
func leavesRoot(name string) bool {
	return filepath.IsAbs(name) || !filepath.IsLocal(filepath.Clean(name))
}
