package libpod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/selinux"
)

// Volumes of --opt type=... and of the image driver are mounted on _data, in
// the mount namespace that all of carob's commands share, so that containers
// which run at the same time see one file system. They are mounted as long as
// a container that uses them runs, or somebody has asked for it with
// MountVolume; the end of the last user unmounts them (ends.go).
// Nobody counts: who uses a volume stands in the database, and
// whether those run, the kernel tells.

// mounted tells that the volume is more than a directory.
func mounted(v *spec.Volume) bool {
	return v.Driver == volumeImage || v.Options["type"] != "" || isBind(v)
}

func mountOptions(v *spec.Volume) []string {
	if v.Options["o"] == "" {
		return nil
	}
	return strings.Split(v.Options["o"], ",")
}

func isBind(v *spec.Volume) bool {
	return v.Options["type"] == "bind" || slices.ContainsFunc(mountOptions(v), func(o string) bool { return o == "bind" || o == "rbind" })
}

// heldMark is there, in the runtime directory, while MountVolume holds.
func (rt *Runtime) heldMark(name string) string { return filepath.Join(rt.dirs.Run, "v", name) }

// MountVolume mounts a volume until UnmountVolume and returns where. For one
// that is a directory there is nothing to do.
func (rt *Runtime) MountVolume(ctx context.Context, name string) (string, error) {
	v, err := rt.Volume(ctx, name)
	if err != nil || !mounted(v.Volume) {
		return rt.volumePath(v), err
	}
	lock, err := rt.lockVolume(ctx, v.Name)
	if err != nil {
		return "", err
	}
	defer lock.Release()
	if err := rt.mountVolume(v.Volume, lock); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(rt.heldMark(v.Name)), 0o700); err != nil {
		return "", err
	}
	return v.Mountpoint(), touch(rt.heldMark(v.Name))
}

func (rt *Runtime) volumePath(v *Volume) string {
	if v == nil {
		return ""
	}
	return v.Mountpoint()
}

// UnmountVolume ends MountVolume. The volume stays mounted while a container
// that uses it runs.
func (rt *Runtime) UnmountVolume(ctx context.Context, name string) error {
	v, err := rt.Volume(ctx, name)
	if err != nil {
		return err
	}
	if err := ignoreMissing(os.Remove(rt.heldMark(v.Name))); err != nil {
		return err
	}
	return rt.releaseVolume(ctx, v)
}

// releaseVolume unmounts a volume that nothing uses any more. One without a
// lock is not mounted: it may have been removed meanwhile, by the command that
// has ended its user, and is not to be made anew.
func (rt *Runtime) releaseVolume(ctx context.Context, v *Volume) error {
	if !mounted(v.Volume) {
		return nil
	}
	lock, err := store.Acquire(ctx, rt.volumeLock(v.Name), false)
	if err != nil {
		return ignoreMissing(err)
	}
	defer lock.Release()
	idle, err := v.idle(ctx, "")
	if err != nil || !idle {
		return err
	}
	return rt.unmountVolume(v.Volume)
}

// idle tells that neither MountVolume nor a container other than except
// holds the volume.
func (v *Volume) idle(ctx context.Context, except string) (bool, error) {
	if _, err := os.Lstat(v.rt.heldMark(v.Name)); err == nil {
		return false, nil
	}
	for _, id := range v.Users {
		if id == except {
			continue
		}
		c, err := v.rt.Container(ctx, id)
		if errors.Is(err, errNoContainer) {
			continue
		}
		if err != nil {
			return false, err
		}
		if busy, err := c.busy(); busy || err != nil {
			return false, err
		}
	}
	return true, nil
}

// busy tells that the container runs, is being started, or may be run again.
func (c *Container) busy() (bool, error) {
	f, err := c.openRecord(os.O_RDWR)
	if errors.Is(err, errNoContainer) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if held, err := monitor.RecordLocked(int(f.Fd())); held || err != nil {
		return held, err
	}
	st, err := c.State()
	return err == nil && (st.Live() || st.Orphan || c.mayRunAgain(st)), ignoreGone(err)
}

// releaseVolumes is called when a container has ended.
func (c *Container) releaseVolumes(ctx context.Context) error {
	for _, name := range c.namedVolumes() {
		if err := c.rt.releaseNamed(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// releaseNamed is releaseVolume for a volume that may be gone.
func (rt *Runtime) releaseNamed(ctx context.Context, name string) error {
	v, err := rt.db.Volume(ctx, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && !mounted(v) {
		return nil
	}
	if err != nil {
		return err
	}
	full, err := rt.Volume(ctx, name)
	if err != nil {
		return err
	}
	return rt.releaseVolume(ctx, full)
}

// namedVolumes are those that may have to be mounted. An anonymous volume that
// is filled from the image is a directory; one that is not may be a pod's own,
// on a tmpfs.
func (c *Container) namedVolumes() []string {
	var names []string
	for _, m := range c.Mounts.List {
		if m.Type == spec.MountVolume && (!m.Anonymous || m.NoCopy) {
			names = append(names, m.Source)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// useVolumes mounts what the container's volumes need, before its own mount
// namespace is made. Its record is locked by then, which makes it a user. A
// mount that all earlier users have left is made anew.
func (c *Container) useVolumes(ctx context.Context) error {
	for _, name := range c.namedVolumes() {
		v, err := c.rt.db.Volume(ctx, name)
		if err == nil && mounted(v) {
			c.mountedVolumes = append(c.mountedVolumes, name)
			err = c.useVolume(ctx, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Container) useVolume(ctx context.Context, name string) error {
	lock, err := c.rt.lockVolume(ctx, name)
	if err != nil {
		return err
	}
	defer lock.Release()
	v, err := c.rt.Volume(ctx, name)
	if err != nil {
		return err
	}
	idle, err := v.idle(ctx, c.ID)
	if err != nil {
		return err
	}
	if idle {
		if err := c.rt.unmountVolume(v.Volume); err != nil {
			return err
		}
	}
	return c.rt.mountVolume(v.Volume, lock)
}

// mountVolume mounts the volume unless it is. Its lock is held.
func (rt *Runtime) mountVolume(v *spec.Volume, lock *store.Lock) error {
	data := rt.VolumeData(v.Name)
	if err := rt.makeVolumeDir(v); err != nil {
		return err
	}
	have, err := mountinfo.Mounted(data)
	if err != nil || have {
		return err
	}
	if v.Driver == volumeImage {
		err = rt.mountImageVolume(v, data)
	} else {
		err = runMount(v, data, lock)
	}
	if err != nil {
		return fmt.Errorf("cannot mount volume %s: %w", v.Name, err)
	}
	return nil
}

func (rt *Runtime) mountImageVolume(v *spec.Volume, data string) error {
	images, err := rt.Images()
	if err != nil {
		return err
	}
	layer, err := images.Container(v.StorageID)
	if err != nil {
		return err
	}
	label, err := selinux.SharedFile()
	if err != nil {
		return err
	}
	at, err := images.MountLayer(layer.LayerID, image.MountOptions{Label: label})
	if err != nil {
		return err
	}
	return unix.Mount(at, data, "", unix.MS_BIND|unix.MS_REC, "")
}

// runMount asks mount(8), which knows helpers of file systems and words for
// options. It holds the volume's lock, too: should this process be killed,
// nobody takes the volume for unmounted while mount is still at it.
func runMount(v *spec.Volume, data string, lock *store.Lock) error {
	args := []string{}
	options := mountOptions(v)
	switch kind := v.Options["type"]; {
	case isBind(v):
		options = append(slices.DeleteFunc(options, func(o string) bool { return o == "bind" || o == "rbind" }), "rbind")
	case kind != "":
		args = append(args, "-t", kind)
		label, err := selinux.SharedFile()
		if err != nil {
			return err
		}
		if label != "" && !selinux.HasContext(options) {
			options = append(options, selinux.MountData("", label))
		}
	}
	if len(options) > 0 {
		args = append(args, "-o", strings.Join(options, ","))
	}
	args = append(args, "--", firstOf(v.Options["device"], v.Options["type"]), data)
	cmd := exec.Command("mount", args...)
	cmd.ExtraFiles = []*os.File{lock.File()}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	err = fmt.Errorf("%s", firstOf(string(line), err.Error()))
	if rootless() {
		return WithHint(err, "an unprivileged user may mount only a few kinds: tmpfs, bind, overlay")
	}
	return err
}

// unmountVolume undoes mountVolume; one that is not mounted is no error.
func (rt *Runtime) unmountVolume(v *spec.Volume) error {
	if !mounted(v) {
		return nil
	}
	err := unix.Unmount(rt.VolumeData(v.Name), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot unmount volume %s: %w", v.Name, err)
	}
	if v.StorageID == "" || err != nil {
		return nil
	}
	images, err := rt.Images()
	if err != nil {
		return err
	}
	layer, err := images.Container(v.StorageID)
	if err != nil {
		return err
	}
	return images.UnmountLayer(layer.LayerID)
}
