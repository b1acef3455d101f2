package libpod

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containers/storage"
)

// CheckOptions of system check.
type CheckOptions struct {
	Quick  bool // do not compare the files of layers with what was unpacked
	Repair bool // remove what is damaged or left over
	Force  bool // with Repair: containers too
	// MaxAge is how old a layer without an image must be to count; 0: a day.
	MaxAge time.Duration
}

// Check looks at the storage and at carob's own state and returns what is
// wrong, a line each. With Repair, the second list is what could not be
// mended.
func (rt *Runtime) Check(ctx context.Context, o CheckOptions) (found, left []string, err error) {
	images, err := rt.Images()
	if err != nil {
		return nil, nil, err
	}
	how := storage.CheckEverything()
	if o.Quick {
		how = storage.CheckMost()
	}
	if o.MaxAge > 0 {
		how.LayerUnreferencedMaximumAge = &o.MaxAge
	}
	report, err := images.Storage().Check(how)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot check the image store: %w", err)
	}
	found = damage(&report)
	leftovers, err := rt.Leftovers(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range leftovers {
		found = append(found, fmt.Sprintf("%s %s: left over, nothing names it", l.What, l.Path))
	}
	if !o.Repair {
		return found, nil, nil
	}
	for _, err := range images.Storage().Repair(report, &storage.RepairOptions{RemoveContainers: o.Force}) {
		left = append(left, err.Error())
	}
	// A volume's directory may hold data after the database was lost:
	// only prune --volumes removes it.
	sure, err := rt.Leftovers(ctx, false)
	if err == nil {
		_, err = rt.RemoveLeftovers(ctx, sure)
	}
	return found, left, err
}

func damage(r *storage.CheckReport) []string {
	var out []string
	for _, kind := range []struct {
		name string
		list map[string][]error
	}{
		{"layer", r.Layers}, {"read-only layer", r.ROLayers}, {"image", r.Images}, {"read-only image", r.ROImages}, {"container", r.Containers},
	} {
		for _, id := range slices.Sorted(maps.Keys(kind.list)) {
			for _, err := range kind.list[id] {
				out = append(out, fmt.Sprintf("%s %s: %v", kind.name, id, err))
			}
		}
	}
	return out
}
