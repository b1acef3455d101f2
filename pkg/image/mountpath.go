package image

import "fmt"

// MountPath is where the storage driver mounts a layer, whether it is mounted
// or not; "" with a driver that does not mount.
func (s *Store) MountPath(layerID string) (string, error) {
	driver, err := s.store.GraphDriver()
	if err != nil {
		return "", fmt.Errorf("cannot find layer %s: %w", layerID, err)
	}
	data, err := driver.Metadata(layerID)
	if err != nil {
		return "", fmt.Errorf("cannot find layer %s: %w", layerID, err)
	}
	return data["MergedDir"], nil
}
