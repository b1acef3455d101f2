package image

import (
	"slices"

	"github.com/containers/storage"
)

// Listing is all images at one moment, with what only a look at the whole
// store can tell.
type Listing struct {
	Items []*Item

	store      *Store
	layers     map[string]*storage.Layer
	containers map[string]int // image ID -> containers
}

// Item is an image in a listing.
type Item struct {
	*Image
	Size       int64 // bytes of layers and data
	Containers int   // of any program
	list       *Listing
}

// List takes a listing. All locks it needs are shared ones and let go before
// it returns.
func (s *Store) List() (*Listing, error) {
	snap, err := s.store.MultiList(storage.MultiListOptions{Images: true, Layers: true, Containers: true})
	if err != nil {
		return nil, readError(err)
	}
	l := &Listing{store: s, layers: layersByID(snap.Layers), containers: map[string]int{}}
	for _, c := range snap.Containers {
		l.containers[c.ImageID]++
	}
	l.Items = make([]*Item, len(snap.Images))
	for i := range snap.Images {
		img := s.image(&snap.Images[i])
		l.Items[i] = &Item{Image: img, Size: l.size(img), Containers: l.containers[img.ID], list: l}
	}
	return l, nil
}

// size adds what is recorded of layers and data. A layer whose size no one
// recorded counts for nothing here; Image.Size measures it.
func (l *Listing) size(img *Image) int64 {
	var n int64
	for _, size := range img.raw.BigDataSizes {
		n += size
	}
	for _, id := range append([]string{img.TopLayer}, img.raw.MappedTopLayers...) {
		if layer := l.layers[id]; layer != nil {
			n += max(layer.UncompressedSize, 0)
		}
	}
	if top := l.layers[img.TopLayer]; top != nil {
		for layer := l.layers[top.Parent]; layer != nil; layer = l.layers[layer.Parent] {
			n += max(layer.UncompressedSize, 0)
		}
	}
	return n
}

// Chain is the image's layers, base first.
func (i *Item) Chain() []Layer {
	var out []Layer
	for layer := i.list.layers[i.TopLayer]; layer != nil; layer = i.list.layers[layer.Parent] {
		out = append(out, Layer{ID: layer.ID, Parent: layer.Parent, Size: max(layer.UncompressedSize, 0)})
	}
	slices.Reverse(out)
	return out
}

// Layer is one layer of an image.
type Layer struct {
	ID, Parent string
	Size       int64 // bytes, unpacked
}

// Children are the images that were made on top of this one: their layers
// contain its layers, and their history begins with its history.
func (i *Item) Children() []*Item {
	var out []*Item
	for _, other := range i.list.Items {
		if other.ID != i.ID && i.list.isAbove(other, i) {
			out = append(out, other)
		}
	}
	return out
}

// Parent is the image this one was made on top of, the nearest one.
func (i *Item) Parent() *Item {
	var best *Item
	steps := -1
	for _, other := range i.list.Items {
		if other.ID == i.ID || !i.list.isAbove(i, other) {
			continue
		}
		if config, err := other.Config(); err == nil && len(config.History) > steps {
			best, steps = other, len(config.History)
		}
	}
	return best
}

// isAbove tells whether upper was made from lower. The cheap test by layers
// comes first; the histories decide.
func (l *Listing) isAbove(upper, lower *Item) bool {
	if lower.TopLayer == "" || !l.contains(upper.TopLayer, lower.TopLayer) {
		return false
	}
	up, err := upper.Config()
	if err != nil {
		return false
	}
	low, err := lower.Config()
	if err != nil || len(low.History) >= len(up.History) {
		return false
	}
	for n := range low.History {
		a, b := low.History[n], up.History[n]
		if a.CreatedBy != b.CreatedBy || a.EmptyLayer != b.EmptyLayer || a.Comment != b.Comment ||
			(a.Created == nil) != (b.Created == nil) || a.Created != nil && !a.Created.Equal(*b.Created) {
			return false
		}
	}
	return true
}

func (l *Listing) contains(top, wanted string) bool {
	for layer := l.layers[top]; layer != nil; layer = l.layers[layer.Parent] {
		if layer.ID == wanted {
			return true
		}
	}
	return false
}

// Intermediate tells whether the image is only a step on the way to another:
// without a name, with children.
func (i *Item) Intermediate() bool { return i.Dangling() && len(i.Children()) > 0 }

// IsList tells whether this is a manifest list, not an image.
func (i *Image) IsList() bool {
	_, kind, err := i.Manifest()
	return err == nil && (kind == "application/vnd.oci.image.index.v1+json" ||
		kind == "application/vnd.docker.distribution.manifest.list.v2+json")
}
