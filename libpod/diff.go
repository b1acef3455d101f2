package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/containers/storage/pkg/archive"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/filetree"
	"github.com/carob-containers/carob/pkg/image"
)

// Changes lists what differs in the files of what from those of its image, or
// of another container or image. Both are found by name or ID, containers
// first. What carob itself puts into a container for its mounts is left out.
func (rt *Runtime) Changes(ctx context.Context, what, from string) ([]archive.Change, error) {
	images, err := rt.Images()
	if err != nil {
		return nil, err
	}
	layer, ctr, err := rt.layer(ctx, images, what)
	if err != nil {
		return nil, err
	}
	base := ""
	if from != "" {
		if base, _, err = rt.layer(ctx, images, from); err != nil {
			return nil, err
		}
	}
	changes, err := images.Changes(base, layer)
	if err != nil {
		return nil, fmt.Errorf("cannot compare %s: %w", what, err)
	}
	if ctr != nil {
		changes = ctr.withoutMountPoints(changes)
	}
	return changes, nil
}

// layer is the topmost layer of a container or an image; ctr is nil for an image.
func (rt *Runtime) layer(ctx context.Context, images *image.Store, name string) (id string, ctr *Container, err error) {
	ctr, err = rt.Container(ctx, name)
	if errors.Is(err, errNoContainer) {
		img, err := images.Lookup(name)
		if err != nil {
			return "", nil, fmt.Errorf("cannot find %s: no container and no image is called so: %w", name, err)
		}
		return img.TopLayer, nil, nil
	}
	if err == nil {
		err = ctr.refuseInfra("compare")
	}
	if err != nil {
		return "", nil, err
	}
	if ctr.Rootfs != nil {
		return "", nil, fmt.Errorf("cannot tell the changes of container %s: it runs on a directory of the host (--rootfs)", ctr.Name)
	}
	layer, err := images.Container(ctr.ID)
	if err != nil {
		return "", nil, err
	}
	return layer.LayerID, ctr, nil
}

// withoutMountPoints leaves out what was made to mount something on it, and
// the directories above that were made for nothing else.
func (c *Container) withoutMountPoints(changes []archive.Change) []archive.Change {
	points := map[string]bool{}
	for _, m := range c.Mounts.List {
		points[path.Clean("/"+m.Destination)] = true
	}
	var kept []archive.Change
	for _, change := range slices.Backward(changes) { // what is in a directory follows it
		above := slices.ContainsFunc(c.Mounts.List, func(m spec.Mount) bool {
			return strings.HasPrefix(path.Clean("/"+m.Destination), change.Path+"/")
		})
		used := len(kept) > 0 && strings.HasPrefix(kept[len(kept)-1].Path, change.Path+"/")
		if points[change.Path] || above && !used && change.Kind == archive.ChangeAdd {
			continue
		}
		kept = append(kept, change)
	}
	slices.Reverse(kept)
	return kept
}

// Export writes the container's files, without its volumes, as a tar.
func (c *Container) Export(ctx context.Context, w io.Writer) error {
	if err := c.refuseInfra("export"); err != nil {
		return err
	}
	o := filetree.PackOptions{OneFileSystem: true}
	if m := c.Isolation.Mapping; m != nil {
		o.IDs = func(uid, gid int) (int, int) { return toInside(m.UIDs, uid), toInside(m.GIDs, gid) }
	}
	err := c.withLayer(ctx, func(t *filetree.Tree) error { return t.Pack(w, "/", o) })
	if err != nil {
		return fmt.Errorf("cannot export container %s: %w", c.Name, err)
	}
	c.rt.event(c, "export", nil)
	return nil
}
