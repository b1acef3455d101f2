package libpod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

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

// withinReach returns a path to the root file system that the container's
// own user namespace can walk. Storage lies in the user's home, which is
// closed to ids other than the user's, and stays closed: the root file system
// is bound to a place that nobody else sees, in the present mount namespace.
func withinReach(mapping *spec.IDMapping, rootfs string) (string, error) {
	if mapping == nil || mapping.UIDs[0].Container == 0 && mapping.UIDs[0].Host == 0 {
		return rootfs, nil
	}
	place, err := coverablePlace()
	if err != nil {
		return "", err
	}
	if err := unix.Mount("tmpfs", place, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0711,size=64k"); err != nil {
		return "", fmt.Errorf("cannot let the container reach its files: %w", err)
	}
	reached := filepath.Join(place, "rootfs")
	if err := os.Mkdir(reached, 0o711); err != nil {
		return "", err
	}
	if err := unix.Mount(rootfs, reached, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return "", fmt.Errorf("cannot let the container reach its files: %w", err)
	}
	return reached, nil
}

// coverablePlace is a directory that every user can walk to and that no
// container is given files of: what is there is masked in containers anyway.
func coverablePlace() (string, error) {
	for _, dir := range []string{"/sys/firmware", "/sys/fs/bpf", "/sys/fs/fuse", "/sys/kernel"} {
		if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
			return dir, nil
		}
	}
	return "", errors.New("cannot let the container reach its files: no directory below /sys to bind them to")
}
