package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

func (c *Container) validateMounts() error {
	seen := map[string]*Mount{}
	for i := range c.Mounts.List {
		m := &c.Mounts.List[i]
		if m.Type == MountGlob {
			continue // its destinations are known when it is expanded
		}
		at := path.Clean(m.Destination)
		if !path.IsAbs(at) {
			return fmt.Errorf("invalid mount destination %q: must be an absolute path", m.Destination)
		}
		if at == "/" {
			return fmt.Errorf("invalid mount destination /: a mount there would hide the image; use --rootfs to run from a directory")
		}
		if have := seen[at]; have != nil && !sameMount(have, m) {
			return fmt.Errorf("%s: duplicate mount destination", at)
		}
		seen[at] = m
		if err := m.validate(); err != nil {
			return err
		}
	}
	for _, word := range c.Mounts.VolumesFrom {
		if err := validateVolumesFrom(word); err != nil {
			return err
		}
	}
	return oneOf("--image-volume", c.Mounts.ImageVolume, ImageVolumeAnonymous, ImageVolumeBind, ImageVolumeTmpfs, ImageVolumeIgnore)
}

// sameMount tells whether two flags ask for the very same thing, which is
// no contradiction.
func sameMount(a, b *Mount) bool {
	return a.Type == b.Type && a.Source == b.Source && a.Relabel == b.Relabel && slices.Equal(a.Options, b.Options) &&
		a.Overlay == b.Overlay && a.SubPath == b.SubPath && a.Source != ""
}

func (m *Mount) validate() error {
	switch m.Type {
	case MountBind, MountImage:
		if m.Source == "" {
			return fmt.Errorf("invalid mount at %s: must set the source", m.Destination)
		}
	case MountVolume, MountTmpfs, MountDevpts:
	default:
		return fmt.Errorf("invalid mount at %s: invalid filesystem type %q", m.Destination, m.Type)
	}
	if m.IDMap != nil && (m.Overlay || m.Type == MountTmpfs || m.Type == MountDevpts) {
		return fmt.Errorf("invalid mount at %s: idmap cannot be used on this kind of mount", m.Destination)
	}
	if m.SubPath != "" && strings.HasPrefix(path.Clean(m.SubPath), "..") {
		return fmt.Errorf("invalid mount at %s: subpath %q leads out of the volume", m.Destination, m.SubPath)
	}
	return nil
}

// validateVolumesFrom checks CONTAINER[:OPTIONS], options being ro or rw, and z.
func validateVolumesFrom(word string) error {
	name, options, _ := strings.Cut(word, ":")
	if name == "" {
		return fmt.Errorf("invalid --volumes-from %q: no container named", word)
	}
	if options == "" {
		return nil
	}
	var mode []string
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "ro", "rw":
			mode = append(mode, o)
		case "z":
		default:
			return fmt.Errorf("invalid --volumes-from %q: options must be ro, rw or z", word)
		}
	}
	if len(mode) > 1 {
		return fmt.Errorf("invalid --volumes-from %q: cannot set ro and rw options at the same time", word)
	}
	return nil
}

func (c *Container) validateFiles() error {
	m := &c.Mounts
	if m.ShmSize != "" {
		if _, err := ParseSize(m.ShmSize); err != nil {
			return fmt.Errorf("unable to translate --shm-size: %w", err)
		}
		if mode := c.Isolation.IPC; mode == "host" || mode == "none" || joins(mode) {
			return fmt.Errorf("cannot set --shm-size when running in the %s IPC namespace", mode)
		}
	}
	for _, dir := range m.ChrootDirs {
		if !path.IsAbs(dir) {
			return fmt.Errorf("invalid --chrootdirs %q: must be an absolute path", dir)
		}
	}
	return nil
}
