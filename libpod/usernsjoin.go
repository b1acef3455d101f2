package libpod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/rootfs"
	"github.com/carob-containers/carob/pkg/userns"
)

// joinedMapping is the mapping of a user namespace that is joined: the files
// of the container must belong to the same ids. nil is carob's own namespace.
func (rt *Runtime) joinedMapping(ctx context.Context, kind, arg string) (*spec.IDMapping, error) {
	if kind == "ns" {
		return mappingOfNamespace(arg)
	}
	other, err := rt.Container(ctx, arg)
	if err != nil {
		return nil, fmt.Errorf("cannot join the user namespace: %w", err)
	}
	return other.Isolation.Mapping, nil
}

// whole leaves every id what it is.
func whole(ns []userns.IDMap) []userns.IDMap {
	out := make([]userns.IDMap, len(ns))
	for i, m := range ns {
		out[i] = userns.IDMap{Container: m.Container, Host: m.Container, Size: m.Size}
	}
	return out
}

// mappingOfNamespace finds a process in the namespace and reads its mapping,
// see user_namespaces(7). A namespace without any process cannot be used: who
// owns the files in it could not be told.
func mappingOfNamespace(path string) (*spec.IDMapping, error) {
	if sameNamespace(path, "/proc/self/ns/user") {
		return nil, nil
	}
	procs, err := filepath.Glob("/proc/[0-9]*/ns/user")
	if err != nil {
		return nil, err
	}
	for _, p := range procs {
		if !sameNamespace(p, path) {
			continue
		}
		dir := filepath.Dir(filepath.Dir(p))
		uids, err := userns.ReadMap(filepath.Join(dir, "uid_map"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return nil, err
		}
		gids, err := userns.ReadMap(filepath.Join(dir, "gid_map"))
		if err != nil {
			return nil, err
		}
		return &spec.IDMapping{UIDs: specMaps(uids), GIDs: specMaps(gids)}, nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("cannot join the user namespace: %w", err)
	}
	return nil, fmt.Errorf("cannot join the user namespace %s: no process lives in it", path)
}

// outside are a user's ids as carob's own namespace has them.
func (c *Container) outside(uid, gid uint32) rootfs.Owner {
	m := c.Isolation.Mapping
	if m == nil {
		return rootfs.Owner{UID: int(uid), GID: int(gid)}
	}
	return rootfs.Owner{UID: toOutside(m.UIDs, int(uid)), GID: toOutside(m.GIDs, int(gid))}
}

// openWay lets a container whose root is neither the user nor root of carob's
// namespace reach its root file system: the directories above it that are
// closed to others get their x bit, and stay unreadable.
func openWay(mapping *spec.IDMapping, rootfs string) error {
	if mapping == nil || mapping.UIDs[0].Container == 0 && mapping.UIDs[0].Host == 0 {
		return nil
	}
	for dir := filepath.Dir(rootfs); dir != "/"; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil {
			return err
		}
		own := int(fi.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
		if own && fi.Mode()&0o001 == 0 {
			if err := os.Chmod(dir, fi.Mode()|0o001); err != nil {
				return fmt.Errorf("cannot let the container reach its files: %w", err)
			}
		}
	}
	return nil
}
