package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/containers/storage"
	graphdriver "github.com/containers/storage/drivers"
	"github.com/containers/storage/pkg/idtools"
	"github.com/containers/storage/types"
)

// Store is an open containers/storage store. One per process is enough.
type Store struct {
	store storage.Store
	paths Paths

	registries *registries // read once, when the first short name comes
}

// Open opens the store o names and creates it when it is not there yet. The
// caller must be in the user namespace the store's files belong to, and main
// must have called reexec.Init of containers/storage.
func Open(o Options) (*Store, error) {
	c, err := choose(o)
	if err != nil {
		return nil, err
	}
	s, err := storage.GetStore(c.StoreOptions)
	if c.guessed && isUnsupported(err) {
		// A kernel, or a file system, without overlay: copies always work.
		c.GraphDriverName, c.GraphDriverOptions = "vfs", nil
		s, err = storage.GetStore(c.StoreOptions)
	}
	if err != nil {
		return nil, openError(c.GraphRoot, err)
	}
	opened := &Store{store: s, paths: Paths{
		GraphRoot: s.GraphRoot(), RunRoot: s.RunRoot(), Driver: s.GraphDriverName(), Config: c.config,
	}}
	return opened, opened.mendOnce()
}

// hinted is an error with its cure.
type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }

func isUnsupported(err error) bool {
	return errors.Is(err, graphdriver.ErrNotSupported) || errors.Is(err, graphdriver.ErrIncompatibleFS) ||
		errors.Is(err, graphdriver.ErrPrerequisites)
}

func openError(graphRoot string, err error) error {
	err = fmt.Errorf("cannot open the image store %s: %w", graphRoot, err)
	if isUnsupported(err) {
		return &hinted{err, "install fuse-overlayfs, or use --storage-driver vfs"}
	}
	return err
}

// Paths is where the store is.
func (s *Store) Paths() Paths { return s.paths }

// Storage gives the store itself, for what this package does not wrap.
func (s *Store) Storage() storage.Store { return s.store }

// ContainerOptions describe the storage side of a container.
type ContainerOptions struct {
	// UIDMap and GIDMap are the container's own mapping; empty: the one
	// carob runs with.
	UIDMap, GIDMap []idtools.IDMap
	// Volatile leaves out every fsync: for containers that do not outlive
	// their process.
	Volatile bool
	// MountLabel and ProcessLabel are SELinux labels; the store takes both or
	// neither.
	MountLabel, ProcessLabel string
	MountOpts                []string
	// StorageOpt are options of the writable layer, such as "size".
	StorageOpt map[string]string
	Metadata   string
}

// Container is the storage side of a container: a writable layer, and the
// record that keeps its image from being removed.
type Container struct {
	ID      string
	Names   []string
	ImageID string
	LayerID string
	options ContainerOptions
}

// ErrNameInUse is a container name or ID that another container has.
var ErrNameInUse = errors.New("name is in use")

// CreateContainer records a container and gives it a writable layer on top of
// the image, or of nothing when imageID is empty. Other users of the store
// (skopeo, buildah, podman) see the image as in use from then on.
func (s *Store) CreateContainer(id, name, imageID string, o ContainerOptions) (*Container, error) {
	var names []string
	if name != "" {
		names = []string{name}
	}
	co := &storage.ContainerOptions{
		IDMappingOptions: types.IDMappingOptions{
			HostUIDMapping: len(o.UIDMap) == 0, HostGIDMapping: len(o.GIDMap) == 0,
			UIDMap: o.UIDMap, GIDMap: o.GIDMap,
		},
		Volatile: o.Volatile, MountOpts: o.MountOpts, StorageOpt: o.StorageOpt,
	}
	if o.MountLabel != "" && o.ProcessLabel != "" {
		co.Flags = map[string]any{"MountLabel": o.MountLabel, "ProcessLabel": o.ProcessLabel}
	} else {
		co.LabelOpts = []string{"disable"}
	}
	c, err := s.store.CreateContainer(id, names, imageID, layerID(id), o.Metadata, co)
	if errors.Is(err, storage.ErrDuplicateName) || errors.Is(err, storage.ErrDuplicateID) {
		return nil, fmt.Errorf("cannot create the layer of container %s: %w by a container of another program", name, ErrNameInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot create the layer of container %s: %w", name, err)
	}
	return &Container{ID: c.ID, Names: c.Names, ImageID: c.ImageID, LayerID: c.LayerID, options: o}, nil
}

// Container finds a container of the store, carob's or another program's.
func (s *Store) Container(id string) (*Container, error) {
	c, err := s.store.Container(id)
	if err != nil {
		return nil, fmt.Errorf("cannot find container %s in the image store: %w", id, err)
	}
	return fromStorage(c), nil
}

// Containers lists all containers of the store, those of other programs too.
func (s *Store) Containers() ([]*Container, error) {
	list, err := s.store.Containers()
	if err != nil {
		return nil, fmt.Errorf("cannot list the containers of the image store: %w", err)
	}
	out := make([]*Container, 0, len(list))
	for i := range list {
		out = append(out, fromStorage(&list[i]))
	}
	return out, nil
}

func fromStorage(c *storage.Container) *Container {
	volatile, _ := c.Flags["Volatile"].(bool)
	label, _ := c.Flags["MountLabel"].(string)
	process, _ := c.Flags["ProcessLabel"].(string)
	return &Container{ID: c.ID, Names: c.Names, ImageID: c.ImageID, LayerID: c.LayerID, options: ContainerOptions{
		UIDMap: c.UIDMap, GIDMap: c.GIDMap, Volatile: volatile, MountLabel: label, ProcessLabel: process,
		MountOpts: c.MountOpts(), Metadata: c.Metadata,
	}}
}

// layerID is that of a container's writable layer. It follows from the
// container's own ID, which it must not be: the store looks both up by ID.
// The store makes the layer before the record that names it; what a kill
// between the two leaves is found through this. "": the store chooses both.
func layerID(containerID string) string {
	if containerID == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("layer of container " + containerID))
	return hex.EncodeToString(sum[:])
}

// DeleteContainer removes a container's layer and record. What is not there
// is no error.
func (s *Store) DeleteContainer(id string) error {
	err := s.store.DeleteContainer(id)
	if errors.Is(err, storage.ErrNotAContainer) || errors.Is(err, storage.ErrContainerUnknown) {
		err = s.store.DeleteLayer(layerID(id))
	}
	if err == nil || errors.Is(err, storage.ErrNotALayer) || errors.Is(err, storage.ErrLayerUnknown) {
		return nil
	}
	return fmt.Errorf("cannot remove the layer of container %s: %w", id, err)
}

// RenameContainer gives a container another name.
func (s *Store) RenameContainer(id, name string) error {
	if err := s.store.SetNames(id, []string{name}); err != nil {
		return fmt.Errorf("cannot rename container %s in the image store: %w", id, err)
	}
	return nil
}

// MountOptions says how a layer is mounted.
type MountOptions struct {
	Label          string // SELinux
	Volatile       bool
	ReadOnly       bool
	Options        []string // of the driver's mount
	UIDMap, GIDMap []idtools.IDMap
}

// MountOptions gives what the container was created with.
func (c *Container) MountOptions() MountOptions {
	return MountOptions{
		Label: c.options.MountLabel, Volatile: c.options.Volatile, Options: c.options.MountOpts,
		UIDMap: c.options.UIDMap, GIDMap: c.options.GIDMap,
	}
}

// MountLayer mounts a layer in the mount namespace of the calling thread and
// returns where. It asks only the driver: no lock of the store is held while
// mounting, and nothing is written to mountpoints.json, because the mount is
// meant to vanish with a namespace of its own. Lock the goroutine to its
// thread before leaving the common namespace.
func (s *Store) MountLayer(layerID string, o MountOptions) (string, error) {
	driver, err := s.store.GraphDriver()
	if err != nil {
		return "", fmt.Errorf("cannot mount layer %s: %w", layerID, err)
	}
	mo := graphdriver.MountOpts{
		MountLabel: o.Label, Volatile: o.Volatile, Options: o.Options, UidMaps: o.UIDMap, GidMaps: o.GIDMap,
	}
	if o.ReadOnly {
		mo.Options = append(append([]string{}, o.Options...), "ro")
	}
	if len(o.UIDMap) > 0 || len(o.GIDMap) > 0 {
		mo.DisableShifting = !driver.SupportsShifting(o.UIDMap, o.GIDMap)
	}
	path, err := driver.Get(layerID, mo)
	if err != nil {
		return "", fmt.Errorf("cannot mount layer %s: %w", layerID, err)
	}
	return path, nil
}

// UnmountLayer undoes one MountLayer in the same namespace.
func (s *Store) UnmountLayer(layerID string) error {
	driver, err := s.store.GraphDriver()
	if err == nil {
		err = driver.Put(layerID)
	}
	if err != nil {
		return fmt.Errorf("cannot unmount layer %s: %w", layerID, err)
	}
	return nil
}
