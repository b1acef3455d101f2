package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/containers/storage"
)

// Reset stops and removes everything: containers, volumes, secrets, images,
// also the containers and images of other programs in the same storage. The
// Runtime cannot be used afterwards.
func (rt *Runtime) Reset(ctx context.Context) error {
	if err := rt.removeAll(ctx); err != nil {
		return err
	}
	volumes, err := rt.Volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if err := rt.eraseVolume(ctx, v.Volume); err != nil {
			return err
		}
	}
	images, err := rt.Images()
	if err != nil {
		return err
	}
	if err := images.Storage().Wipe(); err != nil {
		return fmt.Errorf("cannot remove the images: %w", err)
	}
	if _, err := images.Storage().Shutdown(true); err != nil && !errors.Is(err, storage.ErrLayerUsedByContainer) {
		return fmt.Errorf("cannot end the image store: %w", err)
	}
	return rt.forget()
}

// removeAll removes all pods and containers, side by side, for stopping
// mostly waits.
func (rt *Runtime) removeAll(ctx context.Context) error {
	if err := rt.removePods(ctx); err != nil {
		return err
	}
	list, err := rt.Containers(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(list))
	zero := uint(0)
	var all sync.WaitGroup
	for i, c := range list {
		all.Go(func() {
			err := c.Remove(ctx, RemoveOptions{Force: true, Volumes: true, Depend: true, Timeout: &zero})
			if !errors.Is(err, errNoContainer) {
				errs[i] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (rt *Runtime) removePods(ctx context.Context) error {
	pods, err := rt.Pods(ctx)
	if err != nil {
		return err
	}
	zero := uint(0)
	for _, p := range pods {
		err := p.Remove(ctx, RemoveOptions{Force: true, Volumes: true, Depend: true, Timeout: &zero})
		if err != nil && !errors.Is(err, errNoPod) {
			return err
		}
	}
	return nil
}

// forget removes carob's own state and what the image store leaves of itself.
// Whatever other programs keep beside it stays.
func (rt *Runtime) forget() error {
	err := rt.db.Close()
	for _, dir := range []string{filepath.Dir(rt.dirs.ContainerRun("x")), filepath.Join(rt.dirs.Run, "oci"), filepath.Join(rt.dirs.Run, "v")} {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	for _, name := range []string{"containers", "volumes", "secrets", "pods", "state.db", "state.db-wal", "state.db-shm", "auto.lock", "events.lock"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(rt.dirs.State, name)))
	}
	err = errors.Join(err, os.RemoveAll(rt.dirs.Events()), os.RemoveAll(rt.dirs.Events()+".1"))
	driver := rt.paths.Driver
	for _, name := range []string{driver, driver + "-images", driver + "-layers", driver + "-containers"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(rt.paths.GraphRoot, name)), os.RemoveAll(filepath.Join(rt.paths.RunRoot, name)))
	}
	if err != nil {
		return fmt.Errorf("cannot remove everything: %w", err)
	}
	return nil
}
