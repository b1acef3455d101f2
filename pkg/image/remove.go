package image

import (
	"errors"
	"fmt"
	"sort"

	"github.com/containers/storage"
)

// RemoveOptions say what a removal may take with it.
type RemoveOptions struct {
	// Force untags an image that was named by its ID and has several names,
	// and lets RemoveContainer remove the containers in the way.
	Force bool
	// KeepParents leaves parents that lose their last child and have no name.
	KeepParents bool
	// RemoveContainer removes a container that uses the image, with Force.
	// nil refuses.
	RemoveContainer func(id string) error
}

// Removed says what a removal did.
type Removed struct {
	ID       string // of the image asked for
	Untagged []string
	Deleted  []string // image IDs, the asked-for one first
}

// InUseError is an image that cannot go because something needs it.
type InUseError struct {
	ID         string
	Containers []string
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("cannot remove image %s: image is in use by container %s", e.ID, e.Containers[0])
}

// Hint says how to go on.
func (e *InUseError) Hint() string {
	return "remove the container first, or both with --force"
}

// SeveralNamesError is an image asked for by its ID that has several names.
type SeveralNamesError struct {
	ID    string
	Names []string
}

func (e *SeveralNamesError) Error() string {
	return fmt.Sprintf("cannot remove image %q by its ID: it has more than one name (%v)", e.ID, e.Names)
}

// Hint says how to be clear.
func (e *SeveralNamesError) Hint() string { return "give the name to remove, or use --force" }

// Remove takes the name away the image is asked for by, and the image itself
// when no other name is left, nothing was made on top of it, and no container
// uses it.
func (s *Store) Remove(name string, o RemoveOptions) (*Removed, error) {
	img, as, err := s.LookupName(name)
	if err != nil {
		return nil, err
	}
	if img.ReadOnly {
		return nil, fmt.Errorf("cannot remove image %s: it is in a read-only store", name)
	}
	done := &Removed{ID: img.ID}
	if as == "" && len(img.Names) > 1 && !o.Force {
		return nil, &SeveralNamesError{img.ID, img.Names}
	}
	if as != "" && len(img.Names) > 1 {
		if err := img.Untag(as); err != nil {
			return nil, err
		}
		done.Untagged = []string{as}
		return done, nil
	}
	if err := s.freeContainers(img, o); err != nil {
		return nil, err
	}
	return done, s.delete(img.ID, o, done)
}

// freeContainers removes the containers of the image, or refuses.
func (s *Store) freeContainers(img *Image, o RemoveOptions) error {
	users, err := s.UsersOf(img.ID)
	if err != nil || len(users) == 0 {
		return err
	}
	if !o.Force || o.RemoveContainer == nil {
		return &InUseError{img.ID, users}
	}
	for _, id := range users {
		if err := o.RemoveContainer(id); err != nil {
			return err
		}
	}
	return nil
}

// UsersOf lists the containers, of any program, whose image this is.
func (s *Store) UsersOf(imageID string) ([]string, error) {
	all, err := s.store.Containers()
	if err != nil {
		return nil, readError(err)
	}
	var users []string
	for _, c := range all {
		if c.ImageID == imageID {
			users = append(users, c.ID)
		}
	}
	return users, nil
}

// delete removes an image that nothing uses, and its parents that are of no
// use without it. One that has children only loses its names.
func (s *Store) delete(id string, o RemoveOptions, done *Removed) error {
	list, err := s.List()
	if err != nil {
		return err
	}
	item, err := list.find(id)
	if err != nil {
		return err
	}
	if len(item.Names) > 0 {
		if len(item.Children()) > 0 {
			err = item.Untag("")
			done.Untagged = append(done.Untagged, item.Names...)
			return err
		}
		done.Untagged = append(done.Untagged, item.Names...)
	} else if len(item.Children()) > 0 && !o.Force {
		return fmt.Errorf("cannot remove image %s: image %s was made on top of it", id, item.Children()[0].ID)
	}
	parent := item.Parent()
	if _, err := s.store.DeleteImage(id, true); err != nil {
		return s.deleteError(id, err)
	}
	done.Deleted = append(done.Deleted, id)
	if parent == nil || o.KeepParents || !parent.Dangling() || parent.ReadOnly || parent.Containers > 0 {
		return nil
	}
	if len(parent.Children()) > 1 {
		return nil
	}
	return s.delete(parent.ID, o, done)
}

func (s *Store) deleteError(id string, err error) error {
	if errors.Is(err, storage.ErrImageUsedByContainer) {
		// One was made since we looked.
		if users, e := s.UsersOf(id); e == nil && len(users) > 0 {
			return &InUseError{id, users}
		}
	}
	if errors.Is(err, storage.ErrNotAnImage) || errors.Is(err, storage.ErrImageUnknown) {
		return &NotFoundError{id}
	}
	return fmt.Errorf("cannot remove image %s: %w", id, err)
}

// PruneOptions say what Prune removes.
type PruneOptions struct {
	All     bool     // images with names too, when no container uses them
	Filters []string // as --filter
	// RemoveContainer removes a container that uses an image, or says
	// ErrKeep; nil keeps all containers and their images.
	RemoveContainer func(id string) error
}

// ErrKeep is RemoveContainer's word for a container that stays.
var ErrKeep = errors.New("the container stays")

// Prune removes images nothing needs and returns their IDs and the bytes
// that became free. Images that others were made from go when these have gone.
func (s *Store) Prune(o PruneOptions) (ids []string, freed int64, err error) {
	for {
		list, err := s.List()
		if err != nil {
			return ids, freed, err
		}
		filter, err := ParseFilter(list, o.Filters)
		if err != nil {
			return ids, freed, err
		}
		before := len(ids)
		for _, i := range list.unneeded(o) {
			ok, err := filter.Match(i)
			if err != nil {
				return ids, freed, err
			}
			if !ok {
				continue
			}
			n, err := s.pruneOne(i, o)
			if err != nil {
				return ids, freed, err
			}
			if n >= 0 {
				ids = append(ids, i.ID)
				freed += n
			}
		}
		if len(ids) == before {
			return ids, freed, nil
		}
	}
}

// unneeded are the candidates, those on top first.
func (l *Listing) unneeded(o PruneOptions) []*Item {
	var out []*Item
	for _, i := range l.Items {
		if i.ReadOnly || !o.All && !i.Dangling() || i.Containers > 0 && o.RemoveContainer == nil {
			continue
		}
		if len(i.Children()) > 0 {
			continue
		}
		out = append(out, i)
	}
	sort.Slice(out, func(a, b int) bool { return out[a].Created.After(out[b].Created) })
	return out
}

// pruneOne removes an image and returns the bytes of its own layers, or -1
// when it is in use after all.
func (s *Store) pruneOne(i *Item, o PruneOptions) (int64, error) {
	if o.RemoveContainer != nil {
		err := s.freeContainers(i.Image, RemoveOptions{Force: true, RemoveContainer: o.RemoveContainer})
		if errors.Is(err, ErrKeep) {
			return -1, nil
		}
		if err != nil {
			return 0, err
		}
	}
	layers, err := s.store.DeleteImage(i.ID, true)
	if errors.Is(err, storage.ErrImageUsedByContainer) || errors.Is(err, storage.ErrNotAnImage) || errors.Is(err, storage.ErrImageUnknown) {
		return -1, nil
	}
	if err != nil {
		return 0, s.deleteError(i.ID, err)
	}
	var n int64
	for _, id := range layers {
		if layer := i.list.layers[id]; layer != nil {
			n += max(layer.UncompressedSize, 0)
		}
	}
	for _, size := range i.raw.BigDataSizes {
		n += size
	}
	return n, nil
}

func readError(err error) error { return fmt.Errorf("cannot read the image store: %w", err) }
