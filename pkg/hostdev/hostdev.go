// Package hostdev looks at the host's device nodes, so that what builds a
// container's configuration need not.
package hostdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is one device node of the host and where it appears inside.
type Device struct {
	Source string // path on the host
	Path   string // path in the container
	Type   string // "c" or "b"
	Major  int64
	Minor  int64
	Mode   uint32 // permission bits
	UID    uint32
	GID    uint32
	Perms  string // what the container may do: letters of "rwm"
}

// DeviceNumber is the kernel's name of a device.
type DeviceNumber struct{ Major, Minor int64 }

// errNotDevice is what a path that is neither node nor directory is.
var errNotDevice = errors.New("not a device node")

// Resolve turns the words of --device, HOST[:CONTAINER[:PERMS]], into device
// nodes. A directory stands for all nodes below it.
func Resolve(words []string) ([]Device, error) {
	var all []Device
	for _, word := range words {
		found, err := resolveWord(word)
		if err != nil {
			return nil, fmt.Errorf("cannot use --device %s: %w", word, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func resolveWord(word string) ([]Device, error) {
	source, inside, perms, err := split(word)
	if err != nil {
		return nil, err
	}
	d, err := stat(source)
	if err == nil {
		d.Path, d.Perms = inside, perms
		return []Device{d}, nil
	}
	info, statErr := os.Stat(source)
	if statErr != nil || !info.IsDir() {
		return nil, err
	}
	below, err := walk(source)
	if err != nil {
		return nil, err
	}
	if len(below) == 0 {
		return nil, errors.New("no device node in that directory")
	}
	for i := range below {
		rest := strings.TrimPrefix(below[i].Source, filepath.Clean(source))
		below[i].Path, below[i].Perms = filepath.Join(inside, rest), perms
	}
	return below, nil
}

// split takes a word apart; the middle part may be missing, as in /dev/x:r.
func split(word string) (source, inside, perms string, err error) {
	parts := strings.Split(word, ":")
	source, inside, perms = parts[0], parts[0], "rwm"
	switch {
	case len(parts) > 3:
		return "", "", "", errors.New("more than HOST:CONTAINER:PERMISSIONS")
	case len(parts) == 3:
		inside, perms = parts[1], parts[2]
	case len(parts) == 2 && validPerms(parts[1]):
		perms = parts[1]
	case len(parts) == 2:
		inside = parts[1]
	}
	if !filepath.IsAbs(source) || !filepath.IsAbs(inside) {
		return "", "", "", errors.New("the paths must be absolute")
	}
	if !validPerms(perms) {
		return "", "", "", fmt.Errorf("permissions %q are not letters of rwm", perms)
	}
	return source, filepath.Clean(inside), perms, nil
}

func validPerms(s string) bool {
	return s != "" && len(s) <= 3 && strings.Trim(s, "rwm") == ""
}

// Number returns the device number of a block device.
func Number(path string) (DeviceNumber, error) {
	d, err := stat(path)
	if err == nil && d.Type != "b" {
		err = errors.New("not a block device")
	}
	if err != nil {
		return DeviceNumber{}, fmt.Errorf("cannot use device %s: %w", path, err)
	}
	return DeviceNumber{d.Major, d.Minor}, nil
}

// All returns the host's device nodes, as --privileged passes them in. What
// belongs to a terminal, or is made new for every container, is left out.
func All() ([]Device, error) {
	found, err := walk("/dev")
	if err != nil {
		return nil, fmt.Errorf("cannot list the host's devices: %w", err)
	}
	for i := range found {
		found[i].Path, found[i].Perms = found[i].Source, "rwm"
	}
	return found, nil
}

func walk(dir string) ([]Device, error) {
	var found []Device
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil { // a directory that cannot be read has nothing to offer
			return skipUnreadable(path, dir, err)
		}
		if e.IsDir() {
			if leaveOut(e.Name()) && path != dir {
				return filepath.SkipDir
			}
			return nil
		}
		if e.Type()&fs.ModeDevice == 0 || leaveOut(e.Name()) {
			return nil
		}
		if d, err := stat(path); err == nil {
			found = append(found, d)
		}
		return nil
	})
	return found, err
}

func skipUnreadable(path, top string, err error) error {
	if path == top {
		return err
	}
	return nil
}

// leaveOut names what a container gets of its own, and the host's virtual
// terminals.
func leaveOut(name string) bool {
	switch name {
	case "pts", "shm", "fd", "mqueue", "console", "tty", "ptmx", ".lxc", ".lxd-mounts", ".udev":
		return true
	}
	number, ok := strings.CutPrefix(name, "tty")
	return ok && strings.Trim(number, "0123456789") == ""
}

func stat(path string) (Device, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Device{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	d := Device{
		Source: path, Path: path, Perms: "rwm",
		Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		d.Type = "c"
	case unix.S_IFBLK:
		d.Type = "b"
	default:
		return Device{}, fmt.Errorf("%s: %w", path, errNotDevice)
	}
	return d, nil
}
