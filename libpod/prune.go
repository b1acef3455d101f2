package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/store"
)

// Pruned is something that was removed.
type Pruned struct {
	ID   string
	Size int64 // bytes that became free
}

// PruneContainers removes the containers that do not run and for which the
// filters (label, label!, until) hold.
func (rt *Runtime) PruneContainers(ctx context.Context, filters []string) ([]Pruned, error) {
	if err := CheckPruneFilters(filters); err != nil {
		return nil, err
	}
	parsed, err := ParseFilters(filters)
	if err != nil {
		return nil, err
	}
	all, err := rt.Containers(ctx)
	if err != nil {
		return nil, err
	}
	var done []Pruned
	// Those made later may depend on those made earlier.
	for i := len(all) - 1; i >= 0; i-- {
		c := all[i]
		st, err := c.Repair(ctx)
		if err != nil || st.Live() || c.Infra {
			continue
		}
		if ok, err := parsed.Match(ctx, rt, c); err != nil {
			return done, err
		} else if !ok {
			continue
		}
		sizes, _ := c.Sizes() // a damaged layer goes as well
		if err := c.Remove(ctx, RemoveOptions{}); err != nil {
			if c.keptBy(ctx, err) {
				continue
			}
			return done, err
		}
		done = append(done, Pruned{c.ID, sizes.RW})
	}
	return done, nil
}

// keptBy tells that a removal failed with err for a reason to leave the
// container alone: it has just gone or been started, or something needs it.
func (c *Container) keptBy(ctx context.Context, err error) bool {
	var needed *neededError
	if errors.As(err, &needed) || errors.Is(err, errNoContainer) {
		return true
	}
	st, err := c.Repair(ctx)
	return errors.Is(err, errNoContainer) || err == nil && st.Live()
}

// PrunePods removes the pods that do not run and for which the filters hold,
// and returns their IDs.
func (rt *Runtime) PrunePods(ctx context.Context, filters []string) ([]string, error) {
	wanted, err := ParsePodFilters(filters)
	if err != nil {
		return nil, err
	}
	all, err := rt.Pods(ctx)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, p := range all {
		st, err := p.State(ctx)
		if err != nil {
			return gone, err
		}
		if !st.idle() || !wanted.Match(p, st) {
			continue
		}
		removed, err := p.removeIdle(ctx, RemoveOptions{Volumes: true})
		if err != nil {
			if now, stErr := p.State(ctx); stErr == nil && !now.idle() {
				continue // it was started, or has got another container
			}
			return gone, err
		}
		if removed {
			gone = append(gone, p.ID)
		}
	}
	return gone, nil
}

// idle tells that nothing of the pod runs, or waits for its first start.
func (st *PodState) idle() bool {
	return st.Status == PodExited || st.Status == PodCreated && len(st.Members) <= 1
}

// Leftover is something that killed commands or a power cut have left: no row
// of the database names it.
type Leftover struct {
	What string // container, layer, volume, secret, run
	Path string // or ID of a layer
	Size int64  // bytes
}

// leftoverAge is longer than any command takes between making a directory
// and the row for it.
const leftoverAge = time.Minute

// Leftovers finds them. Directories of volumes are among them only with
// volumes set: they may hold somebody's data, after the loss of the database.
func (rt *Runtime) Leftovers(ctx context.Context, volumes bool) ([]Leftover, error) {
	if _, err := rt.Containers(ctx); err != nil { // finishes half made ones
		return nil, err
	}
	containers, err := rt.knownContainers(ctx)
	if err != nil {
		return nil, err
	}
	var found []Leftover
	add := func(what, dir string, known map[string]bool) error {
		list, err := unknownIn(dir, known)
		for _, path := range list {
			found = append(found, Leftover{what, path, diskUsage(path)})
		}
		return err
	}
	err = errors.Join(add("container", rt.dirs.Containers(), containers), add("run", filepath.Dir(rt.dirs.ContainerRun("x")), containers))
	secrets, names := map[string]bool{}, map[string]bool{}
	list, err2 := rt.db.Secrets(ctx)
	for _, s := range list {
		secrets[s.ID] = true
	}
	vols, err3 := rt.db.Volumes(ctx)
	for _, v := range vols {
		names[v.Name] = true
	}
	err = errors.Join(err, err2, err3, add("secret", filepath.Dir(rt.dirs.Secret("x")), secrets))
	if err == nil {
		var dirs []string
		dirs, err = unknownIn(rt.dirs.Volumes(), names)
		for _, dir := range dirs {
			if volumes && rt.ours(dir) || strings.HasPrefix(filepath.Base(dir), goneVolume) {
				found = append(found, Leftover{"volume", dir, diskUsage(dir)})
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return rt.addLeftoverLayers(found)
}

func (rt *Runtime) knownContainers(ctx context.Context) (map[string]bool, error) {
	list, err := rt.db.Containers(ctx)
	known := map[string]bool{}
	for _, c := range list {
		known[c.ID] = true
	}
	return known, err
}

func (rt *Runtime) addLeftoverLayers(found []Leftover) ([]Leftover, error) {
	images, err := rt.Images()
	if err != nil {
		return nil, err
	}
	orphans, err := images.Orphans()
	for _, l := range orphans {
		found = append(found, Leftover{"layer", l.ID, l.Size})
	}
	return found, err
}

// unknownIn are the old entries of a directory that known does not name.
func unknownIn(dir string, known map[string]bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var out []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || known[e.Name()] || time.Since(info.ModTime()) < leftoverAge {
			continue
		}
		out = append(out, filepath.Join(dir, e.Name()))
	}
	return out, nil
}

// RemoveLeftovers removes them, and whatever containers/storage itself knows
// to be left, and returns the bytes that became free.
func (rt *Runtime) RemoveLeftovers(ctx context.Context, list []Leftover) (freed int64, err error) {
	for _, l := range list {
		if l.What == "layer" {
			continue
		}
		if oneErr := rt.removeLeftover(ctx, l); oneErr != nil {
			err = errors.Join(err, fmt.Errorf("cannot remove %s: %w", l.Path, oneErr))
			continue
		}
		freed += l.Size
	}
	images, openErr := rt.Images()
	if openErr != nil {
		return freed, errors.Join(err, openErr)
	}
	layers, cleanErr := images.CleanLeftovers()
	return freed + layers.Bytes, errors.Join(err, cleanErr)
}

func (rt *Runtime) removeLeftover(ctx context.Context, l Leftover) error {
	if l.What == "container" {
		lock, err := store.TryAcquire(filepath.Join(l.Path, store.LockFile))
		if err != nil || lock == nil {
			return err // somebody makes it right now
		}
		defer lock.Release()
		id := filepath.Base(l.Path)
		if _, err := rt.db.Container(ctx, id); err == nil {
			return nil
		}
		images, err := rt.Images()
		if err == nil {
			err = images.DeleteContainer(id)
		}
		if err != nil {
			return err
		}
	}
	return os.RemoveAll(l.Path)
}
