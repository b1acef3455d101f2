package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/image"
)

// ErrNotMounted says that a container's files are not mounted for the user.
var ErrNotMounted = errors.New("it is not mounted")

// Mount makes the container's files, without its volumes, visible in the
// namespace of the user's commands and returns where.
//
// Of a live container the very mount that its monitor holds is shown again:
// two overlays with one upper directory would damage each other. For the same
// reason Start, in a copy of our namespace, uses a mount it finds.
func (c *Container) Mount(ctx context.Context) (string, error) {
	if err := c.refuseInfra("mount"); err != nil {
		return "", err
	}
	if c.Rootfs != nil && !c.Rootfs.Overlay {
		return c.Rootfs.Path, nil
	}
	lock, err := c.Lock(ctx)
	if err != nil {
		return "", err
	}
	defer lock.Release()
	st, err := c.State()
	if err != nil {
		return "", err
	}
	var path string
	switch {
	case st.Live() && !st.Stale:
		path, err = c.mountLive(st)
	case c.Rootfs != nil:
		path = c.overlayRootfs()
		err = c.mountOverlayRootfs()
	default:
		path, err = c.mountLayer()
	}
	if err != nil {
		return "", fmt.Errorf("cannot mount container %s: %w", c.Name, err)
	}
	c.rt.event(c, "mount", nil)
	return path, nil
}

func (c *Container) mountLive(st *State) (string, error) {
	if st.Orphan {
		return "", WithHint(errors.New("its monitor was killed"), "carob restart "+c.Name)
	}
	cfg, err := c.readConfig()
	if err != nil {
		return "", err
	}
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", st.MonitorPID, cfg.Rootfs))
	if err != nil {
		return "", err
	}
	path, err := c.mountPath()
	if err != nil {
		return "", err
	}
	if path == "" {
		path = cfg.Rootfs
	}
	if ours, err := os.Stat(path); err == nil && os.SameFile(ours, theirs) {
		return path, nil // it is no mount at all, or shown already
	}
	fd, err := openMountOf(st.MonitorPID, cfg.Rootfs)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return "", fmt.Errorf("cannot show it at %s: %w", path, err)
	}
	return path, nil
}

// mountLayer mounts the container's layer in the present mount namespace.
func (c *Container) mountLayer() (string, error) {
	images, err := c.rt.Images()
	if err != nil {
		return "", err
	}
	layer, err := images.Container(c.ID)
	if err != nil {
		return "", err
	}
	o := layer.MountOptions()
	o.Label = c.mountLabel()
	return images.MountLayer(layer.LayerID, o)
}

// overlayRootfs is where --rootfs DIR:O is mounted.
func (c *Container) overlayRootfs() string { return filepath.Join(c.Dir(), "rootfs") }

// mountOverlayRootfs mounts --rootfs DIR:O with the changes of its last run.
func (c *Container) mountOverlayRootfs() error {
	at, base := c.overlayRootfs(), filepath.Join(c.Dir(), "overlay", "-1")
	if have, err := mountinfo.Mounted(at); err == nil && have {
		return nil
	}
	for _, dir := range []string{at, filepath.Join(base, "upper"), filepath.Join(base, "work")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return mountOverlay(at, c.Rootfs.Path, filepath.Join(base, "upper"), filepath.Join(base, "work"), c.mountLabel())
}

// MountPoint is where Mount shows the container, "" when it does not.
func (c *Container) MountPoint() (string, error) {
	if c.Infra {
		return "", nil // has nothing to mount
	}
	path, err := c.mountPath()
	if err != nil || path == "" {
		return "", err
	}
	have, err := mountinfo.Mounted(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !have {
		return "", nil
	}
	return path, err
}

// mountPath is where the storage driver mounts the container.
func (c *Container) mountPath() (string, error) {
	if c.Rootfs != nil {
		if c.Rootfs.Overlay {
			return c.overlayRootfs(), nil
		}
		return "", nil
	}
	images, err := c.rt.Images()
	if err != nil {
		return "", err
	}
	layer, err := images.Container(c.ID)
	if err != nil {
		return "", err
	}
	return images.MountPath(layer.LayerID)
}

// hide undoes Mount for a container that goes: its layer could not be removed
// otherwise.
func (c *Container) hide(images *image.Store) {
	layer, err := images.Container(c.ID)
	if err != nil {
		return // removed already
	}
	if path, err := images.MountPath(layer.LayerID); err == nil && path != "" {
		_ = unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // fails when it is not mounted
	}
}

// Unmount undoes Mount; force does so though somebody looks at it.
func (c *Container) Unmount(ctx context.Context, force bool) error {
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	path, err := c.MountPoint()
	if err != nil {
		return err
	}
	if path == "" {
		return fmt.Errorf("cannot unmount container %s: %w", c.Name, ErrNotMounted)
	}
	flags := unix.UMOUNT_NOFOLLOW
	if force {
		flags |= unix.MNT_DETACH
	}
	err = unix.Unmount(path, flags)
	if errors.Is(err, unix.EBUSY) {
		return WithHint(fmt.Errorf("cannot unmount container %s: somebody works in %s", c.Name, path), "carob unmount --force "+c.Name)
	}
	if err != nil {
		return fmt.Errorf("cannot unmount container %s: %w", c.Name, err)
	}
	c.rt.event(c, "unmount", nil)
	return nil
}
