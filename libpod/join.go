package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/store"
)

// sharedFile is the file of another container that ours has bound as well:
// containers of one network see one /etc/hosts. It is that container's own,
// or the one it shares itself.
func (l *launcher) sharedFile(ctx context.Context, name, mode string) (string, error) {
	for {
		id, ok := otherContainer(mode)
		if !ok {
			return "", nil
		}
		other, err := l.c.rt.Container(ctx, id)
		if err != nil {
			return "", err
		}
		path := filepath.Join(other.Dir(), store.FilesDir, name)
		if _, err := os.Stat(path); err == nil {
			return path, other.labelFor(l.c, path)
		}
		mode = other.Network.Mode
	}
}

// shareFiles takes the hosts and resolv.conf of a joined network and the
// hostname of a joined UTS namespace from their owner.
func (l *launcher) shareFiles(ctx context.Context) error {
	for _, f := range []struct {
		name, mode string
		path       *string
	}{
		{"hosts", l.c.Network.Mode, &l.in.Files.Hosts}, {"resolv.conf", l.c.Network.Mode, &l.in.Files.ResolvConf},
		{"hostname", l.c.Isolation.UTS, &l.in.Files.Hostname},
	} {
		var err error
		if *f.path, err = l.sharedFile(ctx, f.name, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// shareShm binds the /dev/shm of the container whose IPC namespace is joined:
// POSIX shared memory and semaphores are files there, see shm_overview(7).
func (l *launcher) shareShm(ctx context.Context) error {
	id, ok := otherContainer(l.c.Isolation.IPC)
	if !ok {
		return nil
	}
	other, err := l.c.rt.Container(ctx, id)
	if err != nil {
		return err
	}
	st, err := other.State()
	if err != nil {
		return err
	}
	path := "/dev/shm"
	if other.Infra {
		path = other.infraShm()
	}
	fd, err := openMountOf(st.PID, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot share /dev/shm of container %s: %w", other.Name, err)
	}
	defer unix.Close(fd)
	at := filepath.Join(l.c.RunDir(), "shm")
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot share /dev/shm of container %s: %w", other.Name, err)
	}
	l.in.Files.Shm = at
	return nil
}

// openMountOf is a detached copy, see open_tree(2), of what is mounted at
// path in the mount namespace of a process. Nothing may be bound from there
// by its path: mount(2) refuses sources in foreign namespaces.
func openMountOf(pid int, path string) (int, error) {
	type result struct {
		fd  int
		err error
	}
	done := make(chan result, 1)
	go func() {
		// Never unlocked: the thread, in a foreign namespace, ends with it.
		runtime.LockOSThread()
		fd, err := openMountHere(pid, path)
		done <- result{fd, err}
	}()
	r := <-done
	return r.fd, r.err
}

func openMountHere(pid int, path string) (int, error) {
	ns, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(ns)
	// Only a thread with a root directory of its own may change namespaces.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return -1, err
	}
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return -1, err
	}
	return unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
}
