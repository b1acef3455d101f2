package image

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containers/storage/pkg/ioutils"
)

// What a power cut leaves of a layer: the overlay driver makes two small files
// for each, without fsync. `link` has the layer's short name, that of a link
// below l/, and `lower` the links of the layers below it. Either may be empty
// after the machine went down within half a minute, while the layer is
// recorded, and then the driver mounts it as if nothing were below. Both
// can be told from what was synced, or lasts as long as directories do.

// mendedFile has the boot id of the boot in which the layers were looked at.
const mendedFile = "carob-mended"

// mendOnce mends the layers in the first command of each boot.
func (s *Store) mendOnce() error {
	if s.paths.Driver != "overlay" {
		return nil
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("cannot tell this boot from others: %w", err)
	}
	mark := filepath.Join(s.paths.RunRoot, mendedFile)
	if seen, err := os.ReadFile(mark); err == nil && bytes.Equal(seen, boot) {
		return nil
	}
	parent := func(id string) string {
		layer, err := s.store.Layer(id)
		if err != nil {
			return "" // nobody's, which the store will remove
		}
		return layer.Parent
	}
	if err := mendLayers(filepath.Join(s.paths.GraphRoot, s.paths.Driver), parent); err != nil {
		return fmt.Errorf("cannot mend the image store: %w", err)
	}
	return os.WriteFile(mark, boot, 0o600)
}

// mendLayers writes the empty files of the driver's layers below home anew.
// Another command that makes a layer meanwhile writes the same into them.
func mendLayers(home string, parent func(id string) string) error {
	empty, err := emptyFiles(home)
	if err != nil || len(empty) == 0 {
		return err
	}
	names, err := linkNames(home)
	if err != nil {
		return err
	}
	for _, path := range empty {
		id := filepath.Base(filepath.Dir(path))
		text := names[id]
		if filepath.Base(path) == "lower" {
			text = lowerOf(id, names, parent)
		}
		if text == "" {
			continue
		}
		if err := ioutils.AtomicWriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// emptyFiles are the links and lowers that have lost their content.
func emptyFiles(home string) (empty []string, err error) {
	for _, name := range []string{"link", "lower"} {
		paths, err := filepath.Glob(filepath.Join(home, "*", name))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			info, err := os.Lstat(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if info.Mode().IsRegular() && info.Size() == 0 {
				empty = append(empty, path)
			}
		}
	}
	return empty, nil
}

// linkNames has the short name of each layer.
func linkNames(home string) (map[string]string, error) {
	links, err := filepath.Glob(filepath.Join(home, "l", "*"))
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(links))
	for _, link := range links {
		// ../ID/diff
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "../") {
			names[filepath.Base(filepath.Dir(target))] = filepath.Base(link)
		}
	}
	return names, nil
}

// lowerOf lists the layers below one, the nearest first; "" when not all of
// them are known.
func lowerOf(id string, names map[string]string, parent func(id string) string) string {
	var lower []string
	for id = parent(id); id != ""; id = parent(id) {
		if names[id] == "" {
			return ""
		}
		lower = append(lower, "l/"+names[id])
	}
	return strings.Join(lower, ":")
}
