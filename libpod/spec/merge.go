package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// What becomes of an image's VOLUME lines.
const (
	ImageVolumeAnonymous = "anonymous"
	ImageVolumeBind      = "bind" // podman's older word for anonymous
	ImageVolumeTmpfs     = "tmpfs"
	ImageVolumeIgnore    = "ignore"
)

// MergeMounts is the list of mounts a container gets: the user's own, which
// override those of --volumes-from, which override the image's VOLUME lines.
// Destinations become clean absolute paths. The result says FromImage and
// Anonymous where that is so, and orders overridden before overriding.
func MergeMounts(own, volumesFrom []Mount, imageVolumes []string, imageVolume string) ([]Mount, error) {
	fromImage, err := imageMounts(imageVolumes, imageVolume)
	if err != nil {
		return nil, err
	}
	var merged []Mount
	for _, list := range [][]Mount{fromImage, volumesFrom, own} {
		for _, m := range list {
			m.Destination = path.Clean("/" + m.Destination)
			merged = slices.DeleteFunc(merged, func(have Mount) bool { return have.Destination == m.Destination })
			merged = append(merged, m)
		}
	}
	return merged, nil
}

func imageMounts(volumes []string, mode string) ([]Mount, error) {
	m := Mount{FromImage: true}
	switch mode {
	case "", ImageVolumeAnonymous, ImageVolumeBind:
		m.Type, m.Anonymous = MountVolume, true
	case ImageVolumeTmpfs:
		m.Type, m.Options = MountTmpfs, []string{"exec"}
	case ImageVolumeIgnore:
		return nil, nil
	default:
		return nil, fmt.Errorf("invalid --image-volume %q: must be anonymous, bind, tmpfs or ignore", mode)
	}
	var list []Mount
	for _, v := range slices.Sorted(slices.Values(volumes)) {
		if strings.Trim(v, "/") == "" {
			continue // VOLUME / would hide the image itself
		}
		m.Destination = v
		list = append(list, m)
	}
	return list, nil
}
