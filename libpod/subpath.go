package libpod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/rootfs"
)

// bindSource finds the directory or file of the host that m, mount number n,
// shows.
func (l *launcher) bindSource(m *spec.Mount, n int) error {
	src, err := filepath.Abs(m.Source)
	if err != nil {
		return err
	}
	if _, err := os.Stat(src); err != nil {
		return err
	}
	m.Source = src
	if m.SubPath == "" {
		return nil
	}
	part, err := hostPart(m)
	if err != nil {
		return err
	}
	defer part.Close()
	m.Source, err = l.changingPlace(n, src, part)
	return err
}

// hostPart opens the part of a directory of the host that is to be mounted. A
// container that has the directory may have put links there: none leads out.
func hostPart(m *spec.Mount) (*os.File, error) {
	part, err := rootfs.OpenBelow(m.Source, m.SubPath)
	if errors.Is(err, fs.ErrNotExist) && m.MakeSubPath {
		if err = rootfs.MakeDir(m.Source, m.SubPath, 0o755, rootfs.Owner{UID: os.Getuid(), GID: os.Getgid()}); err == nil {
			part, err = rootfs.OpenBelow(m.Source, m.SubPath)
		}
	}
	return part, noSubPath(m, m.Source, err)
}

// noSubPath says of whom m's subpath cannot be had.
func noSubPath(m *spec.Mount, whose string, err error) error {
	if err == nil || m.SubPath == "" {
		return err
	}
	return fmt.Errorf("cannot find subpath %q in %s: %w", m.SubPath, whose, innermost(err))
}

// ownPlace binds what is open to a place of the container's, for mount number
// n. What the OCI runtime is told by path is then what was looked at, whatever
// another container does to its names meanwhile.
func (l *launcher) ownPlace(n int, what *os.File) (string, error) {
	st, err := what.Stat()
	if err != nil {
		return "", err
	}
	place := filepath.Join(l.c.Dir(), "sources", strconv.Itoa(n))
	if err := makePlace(place, st.IsDir()); err != nil {
		return "", err
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", what.Fd()), place, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return "", &fs.PathError{Op: "bind", Path: what.Name(), Err: err}
	}
	return place, nil
}

// changingPlace is ownPlace for a part of dir, which containers may change: a
// restart looks for it anew.
func (l *launcher) changingPlace(n int, dir string, part *os.File) (string, error) {
	place, err := l.ownPlace(n, part)
	l.parts = append(l.parts, monitor.Part{Dir: dir, Name: path.Clean("/" + part.Name()), Place: place})
	return place, err
}

// makePlace makes an empty directory or file to mount something on, unless the
// last start left one of that kind.
func makePlace(place string, directory bool) error {
	st, err := os.Lstat(place)
	if err == nil && st.IsDir() == directory {
		return nil
	}
	if err == nil {
		err = os.Remove(place)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if directory {
		return os.MkdirAll(place, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	return touch(place)
}
