package libpod

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
)

// resolveMounts completes what was asked for with the volumes of the image
// and of other containers, and names the volumes that have no name.
func (rt *Runtime) resolveMounts(ctx context.Context, c *spec.Container, img *baseImage, plan *createPlan) error {
	inherited, err := rt.volumesFrom(ctx, c)
	if err != nil {
		return err
	}
	var fromImage []string
	if img != nil {
		fromImage = slices.Collect(maps.Keys(img.config.Config.Volumes))
	}
	asked, err := expandGlobs(c.Mounts.List)
	if err != nil {
		return err
	}
	list, err := spec.MergeMounts(asked, inherited, fromImage, c.Mounts.ImageVolume)
	if err != nil {
		return err
	}
	for i := range list {
		m := &list[i]
		if m.Type != spec.MountVolume {
			continue
		}
		if m.Source == "" {
			m.Source, m.Anonymous = newID(), true
		}
		if !validVolumeName(m.Source) {
			return fmt.Errorf("cannot use volume %q: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*", m.Source)
		}
		if err := rt.refuseForeignVolume(ctx, m.Source); err != nil {
			return err
		}
		plan.volumes = append(plan.volumes, &spec.Volume{Name: m.Source, Driver: "local", Created: time.Now(), Anonymous: m.Anonymous})
	}
	c.Mounts.List = list
	return nil
}

// volumesFrom are the mounts of other containers, in the order asked for: what
// comes later wins.
func (rt *Runtime) volumesFrom(ctx context.Context, c *spec.Container) ([]spec.Mount, error) {
	var out []spec.Mount
	for _, word := range c.Mounts.VolumesFrom {
		name, options, _ := strings.Cut(word, ":")
		other, err := rt.Container(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("cannot use --volumes-from %s: %w", word, err)
		}
		for _, m := range other.Mounts.List {
			if m.Type != spec.MountVolume && m.Type != spec.MountBind {
				continue
			}
			m.Anonymous, m.FromImage = false, false
			out = append(out, inherit(m, options))
		}
	}
	return out, nil
}

// inherit applies the options of --volumes-from to a mount.
func inherit(m spec.Mount, options string) spec.Mount {
	if options == "" {
		return m
	}
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "z", "Z":
			m.Relabel = o
		default:
			m.Options = withOptions(m.Options, []string{o})
		}
	}
	return m
}

func withOptions(have, more []string) []string {
	out := slices.DeleteFunc(slices.Clone(have), func(o string) bool {
		return (o == "ro" || o == "rw") && (slices.Contains(more, "ro") || slices.Contains(more, "rw"))
	})
	return append(out, more...)
}

// resolveMounts finds on the host, or makes, what is mounted into the container.
func (l *launcher) resolveMounts(ctx context.Context) error {
	for n, m := range l.c.Mounts.List {
		if err := l.resolveMount(ctx, &m, n); err != nil {
			return fmt.Errorf("cannot mount %s: %w", m.Destination, err)
		}
		l.in.Mounts = append(l.in.Mounts, m)
	}
	return nil
}

// resolveMount is for mount number n.
func (l *launcher) resolveMount(ctx context.Context, m *spec.Mount, n int) (err error) {
	switch m.Type {
	case spec.MountBind:
		err = l.bindSource(m, n)
	case spec.MountVolume:
		err = l.volumeSource(ctx, m, n)
	case spec.MountImage:
		err = l.imageSource(m, n)
	}
	if err == nil && m.Overlay {
		err = l.overlayMount(m, n)
	}
	if err == nil {
		err = l.relabel(m)
	}
	if err != nil || !m.Chown {
		return err
	}
	if m.Type == spec.MountTmpfs {
		m.Options = append(slices.Clone(m.Options), fmt.Sprintf("uid=%d", l.in.User.UID), fmt.Sprintf("gid=%d", l.in.User.GID))
		return nil
	}
	return l.chownSource(*m)
}

// expandGlobs makes binds of what the globs among the mounts find: below their
// destination, or without one at the same place.
func expandGlobs(mounts []spec.Mount) ([]spec.Mount, error) {
	var list []spec.Mount
	for _, m := range mounts {
		if m.Type != spec.MountGlob {
			list = append(list, m)
			continue
		}
		found, err := filepath.Glob(m.Source)
		if err == nil && len(found) == 0 {
			err = errors.New("no file paths match")
		}
		if err != nil {
			return nil, fmt.Errorf("cannot mount glob %q: %w", m.Source, err)
		}
		for _, f := range found {
			one := m
			one.Type, one.Source = spec.MountBind, f
			if m.Destination == "" {
				one.Destination = f
			} else {
				one.Destination = path.Join(m.Destination, filepath.Base(f))
			}
			list = append(list, one)
		}
	}
	return list, nil
}

// overlayMount prepares an :O mount. The runtime mounts it, except in a user
// namespace of the container's own, where that has no right to the
// directories: there it is mounted here, and bound.
func (l *launcher) overlayMount(m *spec.Mount, n int) error {
	if err := l.overlayDirs(m, n); err != nil || l.c.Isolation.Mapping == nil {
		return err
	}
	at := filepath.Join(l.c.Dir(), "overlay", fmt.Sprint(n), "merged")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := mountOverlay(at, m.Source, m.UpperDir, m.WorkDir, l.c.mountLabel()); err != nil {
		return err
	}
	m.Source, m.Overlay, m.ReadWrite = at, false, false
	m.Type = spec.MountBind
	return nil
}

// overlayDirs makes the upper and work directory of an :O mount. Without ones
// of the user's own they start empty at every start.
func (l *launcher) overlayDirs(m *spec.Mount, n int) error {
	st, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return fmt.Errorf("cannot lay changes over %s: option O is for directories", m.Source)
	}
	if m.UpperDir != "" {
		if err := wantDir("upperdir", m.UpperDir); err != nil {
			return err
		}
		return wantDir("workdir", m.WorkDir)
	}
	base := filepath.Join(l.c.Dir(), "overlay", fmt.Sprint(n))
	if err := os.RemoveAll(base); err != nil {
		return err
	}
	m.UpperDir, m.WorkDir = filepath.Join(base, "upper"), filepath.Join(base, "work")
	for _, dir := range []string{m.UpperDir, m.WorkDir} {
		if err := os.MkdirAll(dir, st.Mode().Perm()); err != nil {
			return err
		}
	}
	owner := st.Sys().(*syscall.Stat_t)
	if err := os.Chown(m.UpperDir, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err // EINVAL: somebody who does not exist here owns it; then root does
	}
	return os.Chmod(m.UpperDir, st.Mode().Perm())
}

// wantDir refuses a directory of the user's own that is not there: of the
// mount that fails the kernel does not say which it is.
func wantDir(option, dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%s %s: %w", option, dir, errors.Unwrap(err))
	}
	if !st.IsDir() {
		return fmt.Errorf("%s %s: %w", option, dir, syscall.ENOTDIR)
	}
	return nil
}

// mountGivenRootfs uses a directory of the user's as root file system.
func (l *launcher) mountGivenRootfs() error {
	r := l.c.Rootfs
	l.rootfs = r.Path
	if !r.Overlay {
		return nil
	}
	m := spec.Mount{Source: r.Path}
	if err := l.overlayDirs(&m, -1); err != nil {
		return err
	}
	l.rootfs = filepath.Join(l.c.Dir(), "rootfs")
	if err := os.MkdirAll(l.rootfs, 0o755); err != nil {
		return err
	}
	if err := mountOverlay(l.rootfs, r.Path, m.UpperDir, m.WorkDir, l.c.mountLabel()); err != nil {
		return err
	}
	var err error
	l.rootfs, err = withinReach(l.c.Isolation.Mapping, l.rootfs)
	return err
}
