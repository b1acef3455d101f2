package image

// Descends tells whether the image with the given ID is base, or is built on
// it: whether base's top layer is among its layers.
func (s *Store) Descends(id string, base *Image) (bool, error) {
	if id == base.ID {
		return true, nil
	}
	img, err := s.store.Image(id)
	if err != nil {
		return false, nil // its image is gone, and with it the way up
	}
	for layer := img.TopLayer; layer != ""; {
		if layer == base.TopLayer {
			return true, nil
		}
		l, err := s.store.Layer(layer)
		if err != nil {
			return false, err
		}
		layer = l.Parent
	}
	return false, nil
}
