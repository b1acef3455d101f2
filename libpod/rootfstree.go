package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/filetree"
	"github.com/carob-containers/carob/pkg/rootfs"
	"github.com/carob-containers/carob/pkg/sys"
)

// withTree calls f with the container's files as its processes see them, with
// volumes and, while it runs, tmpfs. Those of a container that does not run
// are mounted for the time of the call, in a mount namespace of its own, and
// it cannot be started meanwhile.
func (c *Container) withTree(ctx context.Context, f func(*filetree.Tree) error) error {
	st, err := c.State()
	if err != nil {
		return err
	}
	if st.Running() || st.Status == StateInitialized {
		return withPath(fmt.Sprintf("/proc/%d/root", st.PID), f)
	}
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if st, err = c.State(); err != nil {
		return err
	}
	if st.Live() {
		return fmt.Errorf("cannot look into container %s: it is just being started", c.Name)
	}
	return sys.InMountNamespace(func() error {
		l := &launcher{c: c}
		if err := l.mountToLook(); err != nil {
			return err
		}
		return withPath(l.rootfs, func(t *filetree.Tree) error {
			if err := l.bindSources(t); err != nil {
				return err
			}
			return f(t)
		})
	})
}

func withPath(root string, f func(*filetree.Tree) error) error {
	t, err := filetree.Open(root)
	if err != nil {
		return err
	}
	defer t.Close()
	return f(t)
}

// mountToLook mounts the root file system without beginning a new run.
func (l *launcher) mountToLook() error {
	if l.c.Rootfs == nil || !l.c.Rootfs.Overlay {
		return l.mountRootfs()
	}
	l.rootfs = l.c.overlayRootfs()
	return l.c.mountOverlayRootfs()
}

// bindSources puts volumes and directories of the host where the container
// would see them.
func (l *launcher) bindSources(t *filetree.Tree) error {
	for n, m := range l.c.Mounts.List {
		if m.Overlay || m.Type != spec.MountVolume && m.Type != spec.MountBind {
			continue
		}
		var err error
		if m.Type == spec.MountVolume {
			err = l.volumeSource(context.Background(), &m, n)
		} else {
			err = l.bindSource(&m, n)
		}
		if errors.Is(err, os.ErrNotExist) {
			continue // its start will complain
		}
		if err == nil {
			err = l.bind(t, m)
		}
		if err != nil {
			return fmt.Errorf("cannot mount %s: %w", m.Destination, err)
		}
	}
	return nil
}

func (l *launcher) bind(t *filetree.Tree, m spec.Mount) error {
	st, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	if err := rootfs.EnsureMountpoint(l.rootfs, m.Destination, st.IsDir()); err != nil {
		return err
	}
	at, err := t.Handle(path.Clean("/" + m.Destination))
	if err != nil {
		return err
	}
	defer at.Close()
	return unix.Mount(m.Source, fmt.Sprintf("/proc/self/fd/%d", at.Fd()), "", unix.MS_BIND|unix.MS_REC, "")
}

// withLayer calls f with the container's own files alone: without volumes and
// whatever else is mounted on them.
func (c *Container) withLayer(ctx context.Context, f func(*filetree.Tree) error) error {
	st, err := c.State()
	if err != nil {
		return err
	}
	if !st.Live() {
		lock, err := c.Lock(ctx)
		if err != nil {
			return err
		}
		defer lock.Release()
		return sys.InMountNamespace(func() error {
			l := &launcher{c: c}
			if err := l.mountToLook(); err != nil {
				return err
			}
			return withPath(l.rootfs, f)
		})
	}
	path, err := c.liveRootfs(st)
	if err != nil {
		return err
	}
	return withPath(path, f)
}

// liveRootfs is where the root file system of a live container is mounted: in
// its monitor's mount namespace, or, when that was killed, as its process
// sees it.
func (c *Container) liveRootfs(st *State) (string, error) {
	if st.Orphan {
		return fmt.Sprintf("/proc/%d/root", st.PID), nil
	}
	cfg, err := c.readConfig()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/root%s", st.MonitorPID, cfg.Rootfs), nil
}

// readConfig reads the orders the container's monitor was given.
func (c *Container) readConfig() (*monitor.Config, error) {
	body, err := os.ReadFile(filepath.Join(c.Dir(), monitor.ConfigFile))
	if err != nil {
		return nil, err
	}
	cfg := &monitor.Config{}
	return cfg, json.Unmarshal(body, cfg)
}
