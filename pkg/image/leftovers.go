package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containers/storage"
	"golang.org/x/sys/unix"
)

// What a killed pull, build or removal leaves, and who sees it:
//
//	staging directory without a live lock    CleanStaging
//	layer directory no record names          CleanLeftovers (the store's own collection)
//	link to a layer that is gone             CleanLeftovers, after a minute
//	layer with a record and no user          CleanLeftovers, once it is old: it may be
//	                                         part of an image another program is making
//	layer copied for containers with ids     CleanLeftovers, unless a container stands on
//	of their own (--userns)                  it. The next such container makes it anew

const (
	// stagingGrace is the time between the making of a staging directory and
	// of the lock in it, and then some.
	stagingGrace = 5 * time.Second
	// orphanAge is how long a layer may be without an image; containers/storage
	// has the same in its own check.
	orphanAge = 24 * time.Hour
)

// CleanStaging removes staging directories whose makers are dead and returns
// their number. The locks are those of fcntl(2), which a process loses when it
// closes any descriptor of the file: call it before this process stages
// anything.
func (s *Store) CleanStaging() (int, error) {
	dirs, err := filepath.Glob(filepath.Join(s.paths.GraphRoot, s.paths.Driver, "staging", "*"))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, dir := range dirs {
		dead, err := deadStaging(dir)
		if err != nil {
			return n, err
		}
		if !dead {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return n, fmt.Errorf("cannot remove what a killed pull left: %w", err)
		}
		n++
	}
	return n, nil
}

func deadStaging(dir string) (bool, error) {
	st, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // its maker was done in the meantime
	}
	if err != nil || time.Since(st.ModTime()) < stagingGrace {
		return false, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "staging.lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock)
	return err == nil, nil
}

// Leftovers are layers nothing uses.
type Leftovers struct {
	Layers []string
	Bytes  int64
}

// CleanLeftovers removes everything in the store that nothing accounts for.
func (s *Store) CleanLeftovers() (Leftovers, error) {
	var done Leftovers
	if _, err := s.CleanStaging(); err != nil {
		return done, err
	}
	if err := s.store.GarbageCollect(); err != nil {
		return done, fmt.Errorf("cannot clean the image store: %w", err)
	}
	if err := s.cleanLinks(); err != nil {
		return done, err
	}
	if err := s.cleanCopies(&done); err != nil {
		return done, err
	}
	for {
		// A layer that others stand on is free only when they are gone.
		found, err := s.Orphans()
		if err != nil {
			return done, err
		}
		removed := 0
		for _, l := range found {
			if s.store.DeleteLayer(l.ID) == nil {
				removed++
				done.Layers = append(done.Layers, l.ID)
				done.Bytes += l.Size
			}
		}
		if removed == 0 {
			return done, nil
		}
	}
}

// cleanCopies removes the copies of images' top layers that belong to other ids
// and that no container stands on. containers/storage keeps them until the
// image goes; each range of ids has one. A container that is being made is safe:
// its copy and its own layer come under one lock, which removal takes too.
func (s *Store) cleanCopies(done *Leftovers) error {
	snap, err := s.store.MultiList(storage.MultiListOptions{Images: true, Layers: true})
	if err != nil {
		return readError(err)
	}
	layers, below := layersByID(snap.Layers), map[string]bool{}
	for _, l := range snap.Layers {
		below[l.Parent] = true
	}
	for _, i := range snap.Images {
		for _, id := range i.MappedTopLayers {
			if l := layers[id]; l != nil && !l.ReadOnly && !below[id] && s.store.DeleteLayer(id) == nil {
				done.Layers = append(done.Layers, id)
				done.Bytes += max(l.UncompressedSize, 0)
			}
		}
	}
	return nil
}

// linkGrace is longer than a layer's content is away while it is put in place.
const linkGrace = time.Minute

// cleanLinks removes the short names of layers that are gone. The overlay
// driver makes a layer's before it writes it down, and forgets one that failed
// in between, on a full disk.
func (s *Store) cleanLinks() error {
	links, err := filepath.Glob(filepath.Join(s.paths.GraphRoot, s.paths.Driver, "l", "*"))
	if err != nil {
		return err
	}
	for _, link := range links {
		if _, err := os.Stat(link); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		st, err := os.Lstat(link)
		if err != nil || st.Mode().Type() != fs.ModeSymlink || time.Since(st.ModTime()) < linkGrace {
			continue
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot clean the image store: %w", err)
		}
	}
	return nil
}

// Orphans lists the layers that no image and no container uses and that are
// too old to be part of one in the making.
func (s *Store) Orphans() ([]Layer, error) {
	snap, err := s.store.MultiList(storage.MultiListOptions{Images: true, Layers: true, Containers: true})
	if err != nil {
		return nil, readError(err)
	}
	layers := layersByID(snap.Layers)
	used := map[string]bool{}
	use := func(id string) {
		for l := layers[id]; l != nil && !used[l.ID]; l = layers[l.Parent] {
			used[l.ID] = true
		}
	}
	for _, i := range snap.Images {
		use(i.TopLayer)
		for _, id := range i.MappedTopLayers {
			use(id)
		}
	}
	for _, c := range snap.Containers {
		use(c.LayerID)
	}
	var out []Layer
	for _, l := range snap.Layers {
		if !used[l.ID] && !l.ReadOnly && time.Since(l.Created) > orphanAge {
			out = append(out, Layer{ID: l.ID, Parent: l.Parent, Size: max(l.UncompressedSize, 0)})
		}
	}
	return out, nil
}
