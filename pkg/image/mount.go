package image

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/containers/storage"
	"github.com/containers/storage/pkg/archive"
	"github.com/containers/storage/pkg/idtools"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/sys"
)

// Mount mounts the image read-only for looking at, in the namespace shared by
// the user's commands, and returns where.
func (i *Image) Mount() (string, error) {
	path, err := i.store.store.MountImage(i.ID, nil, "")
	if err != nil {
		return "", fmt.Errorf("cannot mount image %s: %w", i.ID, err)
	}
	return path, nil
}

// ErrNotMounted is an image that is not mounted.
var ErrNotMounted = errors.New("it is not mounted")

// Unmount undoes one Mount, or all with force.
func (i *Image) Unmount(force bool) error {
	path, err := i.MountPoint()
	if err != nil {
		return err
	}
	if path == "" {
		return fmt.Errorf("cannot unmount image %s: %w", i.ID, ErrNotMounted)
	}
	for {
		mounted, err := i.store.store.UnmountImage(i.ID, force)
		if err != nil {
			return fmt.Errorf("cannot unmount image %s: %w", i.ID, err)
		}
		if !mounted || !force {
			return nil
		}
	}
}

// MountPoint is where the image is mounted, "" when it is not.
func (i *Image) MountPoint() (string, error) {
	if i.TopLayer == "" {
		return "", nil
	}
	layer, err := i.store.store.Layer(i.TopLayer)
	if errors.Is(err, storage.ErrLayerUnknown) {
		return "", nil
	}
	if err != nil {
		return "", readError(err)
	}
	if layer.MountCount == 0 {
		return "", nil
	}
	return layer.MountPoint, nil
}

// Changes lists what the image's top layer changed, or what differs from
// another image.
func (i *Image) Changes(from *Image) ([]archive.Change, error) {
	base := ""
	if from != nil {
		base = from.TopLayer
	}
	changes, err := i.store.Changes(base, i.TopLayer)
	if err != nil {
		return nil, fmt.Errorf("cannot compare image %s: %w", i.ID, err)
	}
	return changes, nil
}

// Changes lists what differs in a layer from base, its parent when that is "".
// containers/storage only reads the directories of a layer that is compared with
// its parent, and fails with ENOTDIR where a directory stands in place of a file
// of a lower layer. Then, and with any other base, both are mounted, in a mount
// namespace that ends with the comparison, and compared file by file: what
// containers/storage mounts it unmounts with a rename over the mount point,
// which takes a running container's mount away in the monitor's namespace, too.
func (s *Store) Changes(base, layer string) ([]archive.Change, error) {
	if base == "" {
		changes, err := s.store.Changes(base, layer)
		if !errors.Is(err, unix.ENOTDIR) {
			return changes, err
		}
	}
	to, err := s.store.Layer(layer)
	if err != nil {
		return nil, readError(err)
	}
	from, err := s.store.Layer(cmp.Or(base, to.Parent))
	if err != nil {
		return nil, readError(err)
	}
	var changes []archive.Change
	err = sys.InMountNamespace(func() error {
		changes, err = s.compareMounted(from, to)
		return err
	})
	return changes, err
}

// compareMounted leaves both layers mounted.
func (s *Store) compareMounted(from, to *storage.Layer) ([]archive.Change, error) {
	var dirs [2]string
	var ids [2]*idtools.IDMappings
	for i, l := range []*storage.Layer{from, to} {
		dir, err := s.MountLayer(l.ID, MountOptions{ReadOnly: true})
		if err != nil {
			return nil, err
		}
		dirs[i], ids[i] = dir, idtools.NewIDMappingsFromMaps(l.UIDMap, l.GIDMap)
	}
	return archive.ChangesDirs(dirs[1], ids[1], dirs[0], ids[0])
}

// DriverData is what the storage driver tells of the top layer, as inspect
// shows it.
func (i *Image) DriverData() (map[string]string, error) {
	if i.TopLayer == "" {
		return map[string]string{}, nil
	}
	driver, err := i.store.store.GraphDriver()
	if err != nil {
		return nil, readError(err)
	}
	data, err := driver.Metadata(i.TopLayer)
	if err != nil {
		return nil, fmt.Errorf("cannot describe the layers of image %s: %w", i.ID, err)
	}
	mounted, err := i.MountPoint()
	if mounted == "" {
		delete(data, "MergedDir") // where it would be
	}
	return data, err
}
