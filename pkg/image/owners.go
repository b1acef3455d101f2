package image

import "fmt"

// HighestID is the highest user or group id that owns a file in the image, as
// recorded when its layers were unpacked.
func (i *Image) HighestID() (uint32, error) {
	var highest uint32
	for id := i.TopLayer; id != ""; {
		layer, err := i.store.store.Layer(id)
		if err != nil {
			return 0, fmt.Errorf("cannot read the layers of image %s: %w", i.ID, err)
		}
		for _, owner := range append(layer.UIDs, layer.GIDs...) {
			highest = max(highest, owner)
		}
		id = layer.Parent
	}
	return highest, nil
}
