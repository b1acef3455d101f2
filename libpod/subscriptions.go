package libpod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
)

// subscription is a line of mounts.conf, SOURCE:DESTINATION or one path for
// both: a directory of the host whose content every container gets a copy of.
// See containers-mounts.conf(5).
type subscription struct{ source, destination string }

// mountsFiles are the places of mounts.conf; the first that is there counts.
func mountsFiles(home string) []string {
	files := []string{"/etc/containers/mounts.conf", "/usr/share/containers/mounts.conf"}
	if rootless() && home != "" {
		files = append([]string{filepath.Join(home, ".config/containers/mounts.conf")}, files...)
	}
	return files
}

func subscriptions(files []string) ([]subscription, error) {
	for _, name := range files {
		body, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the default mounts: %w", err)
		}
		list, err := parseSubscriptions(string(body))
		if err != nil {
			return nil, fmt.Errorf("cannot use %s: %w", name, err)
		}
		return list, nil
	}
	return nil, nil
}

func parseSubscriptions(text string) ([]subscription, error) {
	var list []subscription
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		source, destination, both := strings.Cut(line, ":")
		if !both {
			destination = source
		}
		if !filepath.IsAbs(source) || !filepath.IsAbs(destination) || strings.Contains(destination, ":") {
			return nil, fmt.Errorf("the line %q is not /SOURCE:/DESTINATION", line)
		}
		list = append(list, subscription{source, filepath.Clean(destination)})
	}
	return list, nil
}

// deepestSubscription is how many directories may lie within each other.
const deepestSubscription = 16

// addSubscriptions copies what mounts.conf names and has it mounted, beneath
// what was asked for. A source that is not there is passed over, as podman
// does: the file may be a distribution's.
func (l *launcher) addSubscriptions(context.Context) error {
	list, err := subscriptions(mountsFiles(os.Getenv("HOME")))
	if err != nil {
		return err
	}
	var mounts []spec.Mount
	for n, s := range list {
		if _, err := os.Stat(s.source); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		at := filepath.Join(l.c.RunDir(), "subscriptions", strconv.Itoa(n))
		if err := l.copySubscription(s.source, at, 0); err != nil {
			return fmt.Errorf("cannot copy the default mount %s: %w", s.source, err)
		}
		if err := l.label(at); err != nil {
			return err
		}
		mounts = append(mounts, spec.Mount{Type: spec.MountBind, Source: at, Destination: s.destination})
	}
	l.in.Mounts = append(mounts, l.in.Mounts...)
	return nil
}

// copySubscription copies a directory or a file, the container's root as the
// owner. Links are followed, as distributions have it; one that leads in a
// circle ends at the deepest level.
func (l *launcher) copySubscription(from, to string, level int) error {
	if level > deepestSubscription {
		return fmt.Errorf("%s is too deep", from)
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		entries, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := l.copySubscription(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), level+1); err != nil {
				return err
			}
		}
	case info.Mode().IsRegular():
		body, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, body, info.Mode().Perm())); err != nil {
			return err
		}
	default:
		return nil // a socket or a device is no content
	}
	return errors.Join(os.Chmod(to, info.Mode().Perm()), l.giveToRoot(to))
}
