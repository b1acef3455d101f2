package libpod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containers/storage/drivers/copy"
	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/filetree"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/rootfs"
	"github.com/carob-containers/carob/pkg/selinux"
)

// VolumeData is the directory that a volume's users see.
func (rt *Runtime) VolumeData(name string) string {
	return filepath.Join(rt.dirs.Volume(name), "_data")
}

// makeVolumeDir makes the directory of a volume unless it is there.
func (rt *Runtime) makeVolumeDir(v *spec.Volume) error {
	if err := os.MkdirAll(rt.dirs.Volume(v.Name), 0o700); err != nil {
		return fmt.Errorf("cannot make volume %s: %w", v.Name, err)
	}
	if rt.dirs.VolumeDir != "" { // by its lock file others tell it from their own
		f, err := os.OpenFile(filepath.Join(rt.dirs.Volume(v.Name), store.LockFile), os.O_CREATE|os.O_RDONLY, 0o600)
		if err != nil {
			return fmt.Errorf("cannot make volume %s: %w", v.Name, err)
		}
		f.Close()
	}
	label, err := selinux.SharedFile()
	if err == nil {
		err = selinux.Mkdir(rt.VolumeData(v.Name), 0o755, label)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make volume %s: %w", v.Name, err)
	}
	return nil
}

// volumeSource points m to the volume's data, filling a new volume with what
// the image has at that place. m is mount number n.
func (l *launcher) volumeSource(ctx context.Context, m *spec.Mount, n int) error {
	data := l.c.rt.VolumeData(m.Source)
	v, err := l.c.rt.db.Volume(ctx, m.Source)
	if err != nil {
		return fmt.Errorf("cannot use volume %s: %w", m.Source, err)
	}
	if _, nocopy := v.Options["nocopy"]; nocopy {
		m.NoCopy = true
	}
	if err := l.c.rt.makeVolumeDir(&spec.Volume{Name: m.Source}); err != nil {
		return err
	}
	if v.UID == nil && v.GID == nil && !isBind(v) {
		if err := l.giveVolume(m, data); err != nil {
			return fmt.Errorf("cannot give volume %s its owner: %w", m.Source, err)
		}
	}
	if !m.NoCopy && l.image != nil {
		if err := copyUp(l.rootfs, m.Destination, data); err != nil {
			return fmt.Errorf("cannot fill volume %s from the image: %w", m.Source, err)
		}
	}
	m.Source = data
	if m.SubPath == "" {
		return nil
	}
	part, err := l.volumePart(m, v.Name)
	if err != nil {
		return err
	}
	defer part.Close()
	m.Source, err = l.changingPlace(n, data, part)
	return err
}

// volumePart opens the part of a volume that is to be mounted; links inside do
// not lead out. One that is missing may have to be made, with the owner and
// mode of the volume.
func (l *launcher) volumePart(m *spec.Mount, volume string) (*os.File, error) {
	part, err := rootfs.OpenPath(m.Source, m.SubPath)
	if errors.Is(err, fs.ErrNotExist) && m.MakeSubPath {
		var st unix.Stat_t
		if err := unix.Stat(m.Source, &st); err != nil {
			return nil, err
		}
		if err = rootfs.MakeDir(m.Source, m.SubPath, st.Mode&0o7777, rootfs.Owner{UID: int(st.Uid), GID: int(st.Gid)}); err == nil {
			part, err = rootfs.OpenPath(m.Source, m.SubPath)
		}
	}
	return part, noSubPath(m, "volume "+volume, err)
}

// giveVolume makes an empty volume that nobody has used yet the property of
// the container's user, or what the directory of the image is at that place.
func (l *launcher) giveVolume(m *spec.Mount, data string) error {
	mark := filepath.Join(filepath.Dir(data), ownedMark)
	if _, err := os.Lstat(mark); err == nil {
		return nil
	}
	names, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	owner := l.c.outside(l.in.User.UID, l.in.User.GID)
	if len(names) == 0 {
		if err := l.takeOwner(m, data, owner); err != nil {
			return err
		}
	}
	return touch(mark)
}

func (l *launcher) takeOwner(m *spec.Mount, data string, owner rootfs.Owner) error {
	dir, err := rootfs.OpenDir(l.rootfs, m.Destination)
	if err != nil {
		return os.Chown(data, owner.UID, owner.GID) // the image has no such directory
	}
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	if err := os.Chown(data, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(data, st.Mode&0o7777)
}

func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// ownedMark is set when a volume got its first owner, so that one changed on
// purpose stays.
const ownedMark = "owned"

// copiedMark is set on a volume that has been filled, so that one emptied on
// purpose stays empty.
const copiedMark = "copied"

// copyUp copies what root has at dest into an empty volume. It happens once
// in a volume's life; a copy that was cut short is begun again, because the
// mark is made last.
func copyUp(root, dest, data string) error {
	mark := filepath.Join(filepath.Dir(data), copiedMark)
	if _, err := os.Lstat(mark); err == nil {
		return nil
	}
	src, err := securejoin.SecureJoin(root, dest)
	if err != nil {
		return err
	}
	st, err := os.Stat(src)
	if err == nil && st.IsDir() {
		if err := copyDir(src, data, filepath.Join(filepath.Dir(data), "filling")); err != nil {
			return err
		}
	}
	return touch(mark)
}

// copyDir copies src into the empty directory data by way of tmp.
func copyDir(src, data, tmp string) error {
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	names, err := os.ReadDir(data)
	if err != nil || len(names) > 0 {
		return err
	}
	if err := copy.DirCopy(src, tmp, copy.Content, true); err != nil {
		return err
	}
	label, err := selinux.SharedFile()
	if err == nil {
		err = selinux.Relabel(tmp, label, true)
	}
	if err == nil {
		err = settle(tmp)
	}
	if err != nil {
		return err
	}
	return unix.Rename(tmp, data) // os.Rename does not replace even an empty directory
}

// settle waits until what a directory holds is on the disk: after a power cut
// files of the last half a minute may be there and empty.
func settle(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil || len(names) == 0 {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &fs.PathError{Op: "syncfs", Path: dir, Err: err}
	}
	return nil
}

func (c *Container) anonymousVolumes(wanted bool) []string {
	if !wanted {
		return nil
	}
	var names []string
	for _, m := range c.Mounts.List {
		if m.Type == spec.MountVolume && m.Anonymous {
			names = append(names, m.Source)
		}
	}
	return names
}

// removeAnonymous removes volumes nobody uses any more.
func (rt *Runtime) removeAnonymous(ctx context.Context, names []string) error {
	for _, name := range names {
		err := rt.eraseVolume(ctx, &spec.Volume{Name: name})
		var used *VolumeInUseError
		if errors.Is(err, fs.ErrNotExist) {
			continue // another container of the pod was removed at the same time, and the volume with it
		}
		if err != nil && !errors.As(err, &used) {
			return err
		}
	}
	return nil
}

// imageSource mounts an image for an image mount. Where containers/storage
// mounts it, an `image unmount` of anybody's takes it away in every mount
// namespace, and from the container's next run: it gets a mount of its own.
func (l *launcher) imageSource(m *spec.Mount, n int) error {
	images, err := l.c.rt.Images()
	if err != nil {
		return err
	}
	img, err := images.Lookup(m.Source)
	if err != nil {
		return err
	}
	layer, err := images.MountLayer(img.TopLayer, image.MountOptions{ReadOnly: true, Label: l.c.mountLabel()})
	if err != nil {
		return err
	}
	part, err := rootfs.OpenPath(layer, m.SubPath)
	if err != nil {
		return noSubPath(m, "image "+m.Source, err)
	}
	defer part.Close()
	if m.Source, err = l.ownPlace(n, part); err != nil {
		return err
	}
	m.Type = spec.MountBind
	if m.ReadWrite {
		m.Overlay = true
	} else {
		m.Options = withOptions(m.Options, []string{"ro"})
	}
	return nil
}

// chownSource gives a mount's files to the container's user (option U).
// Containers may change them meanwhile: every file is changed by its handle.
func (l *launcher) chownSource(m spec.Mount) error {
	owner := l.c.outside(l.in.User.UID, l.in.User.GID)
	give := func(h *os.File, st *unix.Stat_t) error {
		if int(st.Uid) == owner.UID && int(st.Gid) == owner.GID {
			return nil
		}
		return filetree.Chown(h, owner.UID, owner.GID)
	}
	fd, err := unix.Open(m.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: m.Source, Err: err}
	}
	source := os.NewFile(uintptr(fd), m.Source)
	defer source.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(source.Fd()), &st); err != nil {
		return err
	}
	if err := give(source, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	return withPath(fmt.Sprintf("/proc/self/fd/%d", source.Fd()), func(t *filetree.Tree) error { return t.Walk(give) })
}

func toOutside(maps []spec.IDMap, id int) int {
	for _, m := range maps {
		if id >= int(m.Container) && id < int(m.Container+m.Size) {
			return int(m.Host) + id - int(m.Container)
		}
	}
	return id
}

func mountOverlay(at, lower, upper, work, label string) error {
	data := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work
	if rootless() {
		data += ",userxattr"
	}
	if err := unix.Mount("overlay", at, "overlay", 0, selinux.MountData(data, label)); err != nil {
		return fmt.Errorf("cannot mount an overlay on %s: %w", lower, err)
	}
	return nil
}
