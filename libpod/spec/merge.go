package spec

import (
	"cmp"
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

// MergeHealth is base with all that over says.
func MergeHealth(base, over Health) Health {
	if len(over.Test) > 0 {
		base.Test = over.Test
	}
	base.Interval = cmp.Or(over.Interval, base.Interval)
	base.Timeout = cmp.Or(over.Timeout, base.Timeout)
	base.StartPeriod = cmp.Or(over.StartPeriod, base.StartPeriod)
	base.Retries = cmp.Or(over.Retries, base.Retries)
	base.Successes = cmp.Or(over.Successes, base.Successes)
	base.OnFailure = cmp.Or(over.OnFailure, base.OnFailure)
	base.LogDestination = cmp.Or(over.LogDestination, base.LogDestination)
	base.MaxLogCount = cmp.Or(over.MaxLogCount, base.MaxLogCount)
	base.MaxLogSize = cmp.Or(over.MaxLogSize, base.MaxLogSize)
	return base
}

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
