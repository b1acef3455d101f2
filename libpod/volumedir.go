package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/carob-containers/carob/libpod/store"
)

// placeVolumes finds where the volumes are: below the state, or where a link
// there leads to. Such a link is made when another directory is asked for
// while there is no volume yet; later, volumes stay where they are.
func (rt *Runtime) placeVolumes() error {
	link := rt.dirs.VolumeLink()
	target, err := os.Readlink(link)
	if err == nil && (rt.opts.VolumeDir == "" || target == rt.opts.VolumeDir) || err != nil && rt.opts.VolumeDir == "" {
		rt.dirs.VolumeDir = target
		return nil
	}
	moved, err := rt.moveVolumes(link, target)
	if err != nil {
		return fmt.Errorf("cannot keep volumes in %s: %w", rt.opts.VolumeDir, err)
	}
	if moved {
		rt.dirs.VolumeDir = rt.opts.VolumeDir
		return nil
	}
	rt.dirs.VolumeDir = target
	if rt.opts.Warn != nil {
		rt.opts.Warn("volumes stay in " + rt.dirs.Volumes() + ", where there are some already, and are not made in " + rt.opts.VolumeDir)
	}
	return nil
}

// moveVolumes makes link lead to the directory asked for, unless there are
// volumes in the present one: target, or link itself when that is "".
func (rt *Runtime) moveVolumes(link, target string) (bool, error) {
	dir := rt.opts.VolumeDir
	if !filepath.IsAbs(dir) {
		return false, errors.New("it is not an absolute path")
	}
	if target != "" {
		used, err := anyVolume(target)
		if err != nil || used {
			return false, err
		}
	}
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.MkdirAll(filepath.Dir(link), 0o700)); err != nil {
		return false, err
	}
	// An empty directory or a link goes; one with volumes does not.
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	err := os.Symlink(dir, link)
	if errors.Is(err, os.ErrExist) { // another first command was faster
		now, err := os.Readlink(link)
		return now == dir, err
	}
	return err == nil, err
}

// anyVolume tells whether dir holds a volume of carob's. Others may keep
// theirs in it too.
func anyVolume(dir string) (bool, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", store.LockFile))
	return len(found) > 0, err
}

// ours tells whether a directory among the volumes is carob's: with volumes
// in a directory of their own, podman or a user may have made it.
func (rt *Runtime) ours(dir string) bool {
	if rt.dirs.VolumeDir == "" {
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, store.LockFile))
	return err == nil
}

// refuseForeignVolume says no to a new volume whose directory belongs to
// somebody else.
func (rt *Runtime) refuseForeignVolume(ctx context.Context, name string) error {
	foreign, err := rt.foreign(ctx, name)
	if err == nil && foreign {
		err = fmt.Errorf("%s is there already and was not made by carob", rt.dirs.Volume(name))
	}
	if err != nil {
		return fmt.Errorf("cannot create volume %s: %w", name, err)
	}
	return nil
}

// foreign tells whether a volume that the database does not have has a
// directory all the same, of somebody else's.
func (rt *Runtime) foreign(ctx context.Context, name string) (bool, error) {
	dir := rt.dirs.Volume(name)
	if _, err := os.Lstat(dir); err != nil || rt.ours(dir) {
		return false, nil
	}
	_, err := rt.db.Volume(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}
