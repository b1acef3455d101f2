package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/image"
)

// Volume is a volume and what is known about its use.
type Volume struct {
	*spec.Volume
	Users []string // IDs of containers that have it
	rt    *Runtime
}

// NoVolumeError says that there is no such volume.
type NoVolumeError struct{ Name string }

func (e *NoVolumeError) Error() string {
	return fmt.Sprintf("no volume with name %q found: no such volume", e.Name)
}

// VolumeInUseError says who keeps a volume from being removed.
type VolumeInUseError struct {
	Name  string
	Users []string
}

func (e *VolumeInUseError) Error() string {
	return fmt.Sprintf("volume %s is being used by the following container(s): %s: volume is being used", e.Name, strings.Join(e.Users, ", "))
}

// Hint names the way out.
func (e *VolumeInUseError) Hint() string {
	return "remove them first, or with the volume: carob volume rm --force " + e.Name
}

// Drivers of volumes.
const (
	volumeLocal = "local"
	volumeImage = "image"
)

// CreateVolume makes a volume. One without a name gets 64 hex digits.
// store.ErrExists is in the error when the name is taken.
func (rt *Runtime) CreateVolume(ctx context.Context, v *spec.Volume) error {
	if err := rt.recordVolume(ctx, v); err != nil {
		return err
	}
	return rt.finishVolume(v)
}

// finishVolume gives a volume that is in the database its directory.
func (rt *Runtime) finishVolume(v *spec.Volume) error {
	if err := rt.makeVolumeDir(v); err != nil {
		return err
	}
	rt.volumeEvent("create", v.Name)
	return rt.firstOwner(v)
}

// recordVolume puts a volume into the database. After an error it is not there.
func (rt *Runtime) recordVolume(ctx context.Context, v *spec.Volume) error {
	if v.Created.IsZero() {
		v.Created = time.Now()
	}
	if v.Name == "" {
		v.Name, v.Anonymous = newID(), true
	}
	v.Driver = firstOf(v.Driver, volumeLocal)
	if err := checkVolume(v); err != nil {
		return fmt.Errorf("cannot create volume %s: %w", v.Name, err)
	}
	if taken, err := rt.db.Volume(ctx, v.Name); err == nil {
		return fmt.Errorf("volume with name %s already exists: %w", taken.Name, store.ErrExists)
	}
	if err := rt.refuseForeignVolume(ctx, v.Name); err != nil {
		return err
	}
	if v.Driver == volumeImage {
		if err := rt.makeImageLayer(v); err != nil {
			return fmt.Errorf("cannot create volume %s: %w", v.Name, err)
		}
	}
	err := rt.db.Update(ctx, func(t *store.Tx) error { return t.AddVolume(v) })
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("volume with name %s already exists: %w", v.Name, err)
	}
	if err != nil && v.StorageID != "" {
		images, openErr := rt.Images()
		if openErr != nil {
			return errors.Join(err, openErr)
		}
		err = errors.Join(err, images.DeleteContainer(v.StorageID))
	}
	return err
}

// firstOwner gives a directory the owner that o=uid=...,gid=... names.
func (rt *Runtime) firstOwner(v *spec.Volume) error {
	if v.UID == nil && v.GID == nil || mounted(v) {
		return nil
	}
	if err := os.Chown(rt.VolumeData(v.Name), idOr0(v.UID), idOr0(v.GID)); err != nil {
		return fmt.Errorf("cannot give volume %s its owner: %w", v.Name, err)
	}
	return nil
}

func idOr0(id *int) int {
	if id == nil {
		return 0
	}
	return *id
}

// makeImageLayer gives a volume of the image driver a writable layer.
func (rt *Runtime) makeImageLayer(v *spec.Volume) error {
	images, err := rt.Images()
	if err != nil {
		return err
	}
	img, err := images.Lookup(v.Options["image"])
	if err != nil {
		return err
	}
	v.StorageID = newID()
	_, err = images.CreateContainer(v.StorageID, "", img.ID, image.ContainerOptions{})
	return err
}

// VolumeName matches names of volumes.
func validVolumeName(name string) bool {
	return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`).MatchString(name)
}

// checkVolume refuses what a driver does not know, and reads uid= and gid=.
func checkVolume(v *spec.Volume) error {
	if !validVolumeName(v.Name) {
		return errors.New("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*")
	}
	if len(v.Name) > unix.NAME_MAX { // it is a directory's
		return errors.New("names have at most 255 characters")
	}
	switch v.Driver {
	case volumeLocal:
		return checkLocal(v)
	case volumeImage:
		for key := range v.Options {
			if key != "image" {
				return fmt.Errorf("invalid mount option %s for driver 'image'", key)
			}
		}
		if v.Options["image"] == "" {
			return errors.New("the image driver needs the option image=IMAGE")
		}
		return nil
	}
	return fmt.Errorf("there is no volume driver %q: carob has local and image, and no volume plugins", v.Driver)
}

func checkLocal(v *spec.Volume) error {
	for key, value := range v.Options {
		switch key {
		case "type", "device", "o", "copy", "nocopy":
		default:
			return fmt.Errorf("invalid mount option %s for driver 'local'", key)
		}
		if value == "" && key != "copy" && key != "nocopy" {
			return fmt.Errorf("the option %s needs a value", key)
		}
	}
	if _, ok := v.Options["copy"]; ok {
		if _, both := v.Options["nocopy"]; both {
			return errors.New("copy and nocopy contradict each other")
		}
	}
	for _, o := range mountOptions(v) {
		if err := checkMountOption(v, o); err != nil {
			return err
		}
	}
	if v.Options["device"] != "" && v.Options["type"] == "" && !isBind(v) {
		return errors.New("the option device needs type, or o=bind")
	}
	if isBind(v) && !filepath.IsAbs(v.Options["device"]) {
		return errors.New("a bind needs the option device with an absolute path")
	}
	return nil
}

func checkMountOption(v *spec.Volume, o string) error {
	key, value, _ := strings.Cut(o, "=")
	switch key {
	case "uid", "gid":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return fmt.Errorf("cannot use o=%s: a number is wanted", o)
		}
		if isBind(v) {
			return fmt.Errorf("cannot use o=%s with a bind: it would change the owner of %s", o, v.Options["device"])
		}
		id := int(n)
		if key == "uid" {
			v.UID = &id
		} else {
			v.GID = &id
		}
	case "size", "inodes":
		if v.Options["type"] == "" {
			return WithHint(fmt.Errorf("cannot use o=%s: volume directories have no quota", o), "use --opt type=tmpfs for a volume of limited size")
		}
	case "timeout":
		return fmt.Errorf("cannot use o=%s: timeouts are for volume plugins", o)
	}
	return nil
}

// Volume finds a volume by name or unambiguous start of its name.
func (rt *Runtime) Volume(ctx context.Context, given string) (*Volume, error) {
	all, err := rt.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Volume
	for _, v := range all {
		if v.Name == given {
			return v, nil
		}
		if given != "" && strings.HasPrefix(v.Name, given) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return nil, &NoVolumeError{given}
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("more than one result for volume name %s: %s, %s", given, found[0].Name, found[1].Name)
}

// Volumes returns all volumes by name.
func (rt *Runtime) Volumes(ctx context.Context) ([]*Volume, error) {
	list, err := rt.db.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	users, err := rt.db.VolumeUsers(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]*Volume, len(list))
	for i, v := range list {
		out[i] = &Volume{Volume: v, Users: users[v.Name], rt: rt}
	}
	return out, nil
}

// Mountpoint is where the volume's data is, or will be when it is mounted.
func (v *Volume) Mountpoint() string { return v.rt.VolumeData(v.Name) }

// NeedsCopyUp tells that no container has filled it yet.
func (v *Volume) NeedsCopyUp() bool { return v.unmarked(copiedMark) }

// NeedsChown tells that no container's user owns it yet.
func (v *Volume) NeedsChown() bool {
	return v.UID == nil && v.GID == nil && v.unmarked(ownedMark)
}

func (v *Volume) unmarked(mark string) bool {
	_, err := os.Lstat(filepath.Join(v.rt.dirs.Volume(v.Name), mark))
	return errors.Is(err, os.ErrNotExist)
}

// RunningUsers are the users that run.
func (v *Volume) RunningUsers(ctx context.Context) (int, error) {
	n := 0
	for _, id := range v.Users {
		c, err := v.rt.Container(ctx, id)
		if errors.Is(err, errNoContainer) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if busy, err := c.busy(); err == nil && busy {
			n++
		}
	}
	return n, nil
}

// volumeNamed finds a volume by its whole name.
func (rt *Runtime) volumeNamed(ctx context.Context, name string) (*Volume, error) {
	all, err := rt.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(v *Volume) bool { return v.Name == name }); i >= 0 {
		return all[i], nil
	}
	return nil, &NoVolumeError{name}
}

// RemoveVolume removes a volume and, with force, the containers that use it.
// timeout is for stopping those, in seconds; nil: their own.
func (rt *Runtime) RemoveVolume(ctx context.Context, name string, force bool, timeout *uint) error {
	v, err := rt.Volume(ctx, name)
	if err != nil {
		return err
	}
	return rt.removeVolume(ctx, v, force, timeout)
}

func (rt *Runtime) removeVolume(ctx context.Context, v *Volume, force bool, timeout *uint) error {
	for _, id := range v.Users {
		if !force {
			return &VolumeInUseError{v.Name, v.Users}
		}
		c, err := rt.Container(ctx, id)
		if err == nil {
			err = c.Remove(ctx, RemoveOptions{Force: true, Depend: true, Timeout: timeout})
		}
		if err != nil && !errors.Is(err, errNoContainer) {
			return fmt.Errorf("cannot remove volume %s: %w", v.Name, err)
		}
	}
	return rt.eraseVolume(ctx, v.Volume)
}

// goneVolume begins the names of volume directories whose removal is under
// way. A volume's own name cannot begin so.
const goneVolume = ".gone-"

// eraseVolume forgets the volume and moves its data out of the way in one
// transaction: whoever makes a volume of that name next starts empty, even if
// this process is killed before all data is deleted.
func (rt *Runtime) eraseVolume(ctx context.Context, v *spec.Volume) error {
	if foreign, err := rt.foreign(ctx, v.Name); err != nil || foreign {
		return err // the lock would make the directory look like ours
	}
	lock, err := rt.lockVolumeDir(ctx, v.Name)
	if err != nil {
		return err
	}
	defer lock.Release()
	if users, err := rt.db.VolumeUsers(ctx); err != nil || len(users[v.Name]) > 0 {
		return errors.Join(err, inUse(v.Name, users[v.Name])) // before it is unmounted
	}
	if whole, err := rt.db.Volume(ctx, v.Name); err == nil {
		v = whole // the caller may know its name only, which does not say whether it is mounted
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	err = rt.unmountVolume(v)
	if err == nil {
		err = ignoreMissing(os.Remove(rt.heldMark(v.Name)))
	}
	if err != nil {
		return err
	}
	gone := filepath.Join(rt.dirs.Volumes(), goneVolume+newID())
	err = rt.db.Update(ctx, func(t *store.Tx) error {
		users, err := t.RemoveVolume(v.Name)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return inUse(v.Name, users)
		}
		return ignoreMissing(os.Rename(rt.dirs.Volume(v.Name), gone))
	})
	if err != nil {
		return err
	}
	rt.volumeEvent("remove", v.Name)
	if v.StorageID != "" {
		images, err := rt.Images()
		if err == nil {
			err = images.DeleteContainer(v.StorageID)
		}
		if err != nil {
			return err
		}
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("cannot remove the data of volume %s: %w", v.Name, err)
	}
	return nil
}

func inUse(name string, users []string) error {
	if len(users) == 0 {
		return nil
	}
	return &VolumeInUseError{name, users}
}

// volumeEvent notes what was done to a volume.
func (rt *Runtime) volumeEvent(status, name string) {
	rt.WriteEvent(Event{Type: "volume", Status: status, Name: name})
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// lockVolume keeps others from mounting, unmounting or removing the volume.
// One that is removed before we have the lock is a *NoVolumeError, and its
// directory, which the lock has made anew, goes again.
func (rt *Runtime) lockVolume(ctx context.Context, name string) (*store.Lock, error) {
	lock, err := rt.lockVolumeDir(ctx, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &NoVolumeError{name}
	}
	if err != nil {
		return nil, err
	}
	_, err = rt.db.Volume(ctx, name)
	if err == nil {
		return lock, nil
	}
	defer lock.Release()
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return nil, errors.Join(rt.dropVolumeLock(ctx, name), &NoVolumeError{name})
}

// lockVolumeDir is lockVolume whether there is such a volume or not.
func (rt *Runtime) lockVolumeDir(ctx context.Context, name string) (*store.Lock, error) {
	if err := os.MkdirAll(rt.dirs.Volume(name), 0o700); err != nil {
		return nil, err
	}
	return store.Acquire(ctx, rt.volumeLock(name), true)
}

func (rt *Runtime) volumeLock(name string) string {
	return filepath.Join(rt.dirs.Volume(name), store.LockFile)
}

// dropVolumeLock removes a directory with nothing but the lock in it. Who
// makes a volume of that name puts it into the database first.
func (rt *Runtime) dropVolumeLock(ctx context.Context, name string) error {
	return rt.db.Update(ctx, func(t *store.Tx) error {
		if there, err := t.HasVolume(name); there || err != nil {
			return err
		}
		names, err := os.ReadDir(rt.dirs.Volume(name))
		if err != nil || len(names) > 1 {
			return ignoreMissing(err)
		}
		return os.RemoveAll(rt.dirs.Volume(name))
	})
}

// sweepGoneVolumes deletes the data of volumes whose removal was killed.
func (rt *Runtime) sweepGoneVolumes() error {
	left, err := filepath.Glob(filepath.Join(rt.dirs.Volumes(), goneVolume+"*"))
	for _, dir := range left {
		_ = unix.Unmount(filepath.Join(dir, "_data"), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // seldom there is something
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
