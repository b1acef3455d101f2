package quadlet

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// Set is the units of a search path.
type Set struct {
	Units    []*Unit  // in the order of conversion, those of a kind by name
	Warnings []string // of what was passed over
	byName   map[string]*Unit
}

// Files finds the files of all units of a place, by name. Masked ones are left
// out.
func Files(p Place) (map[string]string, error) {
	w := search(p)
	maps.DeleteFunc(w.paths, func(_, path string) bool { return path == os.DevNull })
	return w.paths, errors.Join(w.errs...)
}

// IsUnit tells whether a file of this name is a unit.
func IsUnit(name string) bool { return kindOf(name) != nil }

// SuffixOf is what the names of units with a section [Container] and its like
// end with; "": it is none of these sections.
func SuffixOf(section string) string {
	for _, k := range kinds() {
		if k.section == section {
			return k.suffix
		}
	}
	return ""
}

// CheckSyntax tells what keeps the text of a unit from being read.
func CheckSyntax(path string, body []byte) error {
	_, err := unitfile.Parse(path, body)
	return err
}

func search(p Place) *walk {
	w := &walk{place: p, seen: map[string]bool{}, paths: map[string]string{}}
	for _, dir := range p.relative() {
		w.warn("QUADLET_UNIT_DIRS: " + dir + " is no absolute path: it is left out")
	}
	for _, dir := range p.SearchPath() {
		w.dir(dir, true)
	}
	return w
}

// Load reads all units of a place. Units that cannot be read are left out of
// the set, and the error tells of each.
func Load(p Place) (*Set, error) {
	w := search(p)
	w.instances()
	s := &Set{byName: map[string]*Unit{}}
	errs := w.errs
	for _, name := range slices.Sorted(keysOf(w.paths)) {
		if w.paths[name] == os.DevNull {
			continue
		}
		u, err := w.load(name)
		if err != nil {
			errs = append(errs, eachError("cannot load unit "+name, err)...)
			continue
		}
		s.Units = append(s.Units, u)
		s.byName[name] = u
	}
	order := map[string]int{}
	for i, k := range kinds() {
		order[k.suffix] = i
	}
	slices.SortStableFunc(s.Units, func(a, b *Unit) int { return order[a.kind.suffix] - order[b.kind.suffix] })
	s.Warnings = w.warnings
	return s, errors.Join(errs...)
}

// Find is the unit of a file name; nil: there is none.
func (s *Set) Find(name string) *Unit { return s.byName[name] }

// walk goes through the search path.
type walk struct {
	place Place
	dirs  []string          // all that were entered, in order: drop-ins are looked for there
	seen  map[string]bool   // by their true names: links can make circles
	paths map[string]string // name of a unit to its file
	added []string          // names of units that have a directory of drop-ins
	errs  []error

	warnings []string
}

// dir enters a directory and those below it. The directories of the search
// path need not be there.
func (w *walk) dir(dir string, top bool) {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil && w.seen[real] {
		return
	}
	var entries []fs.DirEntry
	if err == nil {
		w.seen[real] = true
		entries, err = os.ReadDir(dir)
	}
	if err != nil {
		if !(top && errors.Is(err, fs.ErrNotExist)) {
			w.errs = append(w.errs, fmt.Errorf("cannot look for units: %w", err))
		}
		return
	}
	w.dirs = append(w.dirs, dir)
	for _, e := range entries { // sorted by name
		w.entry(dir, e)
	}
}

// entry takes a file whose name is a unit's, and enters a directory.
func (w *walk) entry(dir string, e fs.DirEntry) {
	path := filepath.Join(dir, e.Name())
	info, err := os.Stat(path) // what a link leads to
	unit := kindOf(e.Name()) != nil
	switch {
	case strings.ContainsFunc(path, unicode.IsControl):
		w.errs = append(w.errs, fmt.Errorf("cannot look at %q: its name has characters that no unit file can hold", path))
	case strings.HasPrefix(e.Name(), "."): // on its way in or out, or an editor's
	case err != nil && unit:
		w.errs = append(w.errs, fmt.Errorf("cannot read unit: %w", err))
	case err != nil:
	case info.IsDir() && strings.HasSuffix(e.Name(), ".d"):
		w.added = append(w.added, strings.TrimSuffix(e.Name(), ".d"))
	case info.IsDir() && w.place.others(dir, e.Name()):
	case info.IsDir():
		w.dir(path, false)
	case unit && w.paths[e.Name()] == "":
		if target, _ := filepath.EvalSymlinks(path); target == os.DevNull {
			path = os.DevNull // masked, as systemd has it
		}
		w.paths[e.Name()] = path
	}
}

// load reads a unit and its drop-ins.
func (w *walk) load(name string) (*Unit, error) {
	u := &Unit{Name: name, Path: w.paths[name], kind: kindOf(name)}
	file, err := unitfile.Read(u.Path)
	if err != nil {
		return nil, err
	}
	u.file = file
	for _, path := range w.dropIns(u) {
		dropIn, err := unitfile.Read(path)
		if errors.Is(err, fs.ErrNotExist) { // a link that leads nowhere, maybe for all units of a kind
			w.warn("the drop-in " + path + " leads to no file: it is left out")
			continue
		}
		if err != nil {
			return nil, err
		}
		u.file.Merge(dropIn)
	}
	return u, u.setNames()
}

// instances makes units of the instances of templates that have drop-ins of
// their own, which no other service would heed.
func (w *walk) instances() {
	for _, name := range w.added {
		k := kindOf(name)
		if k == nil || w.paths[name] != "" {
			continue
		}
		base, instance, _ := strings.Cut(strings.TrimSuffix(name, k.suffix), "@")
		if path := w.paths[base+"@"+k.suffix]; instance != "" && path != "" {
			w.paths[name] = path
		}
	}
}

// warn tells once what many units may have in common.
func (w *walk) warn(text string) {
	if !slices.Contains(w.warnings, text) {
		w.warnings = append(w.warnings, text)
	}
}

// dropIns lists the files *.conf that add to a unit, in the order in which
// they are read: by name. Of two with one name the one in the directory made
// for fewer units counts, and then the one that is first in the search path.
func (w *walk) dropIns(u *Unit) []string {
	found := map[string]string{}
	for _, sub := range u.dropInDirs() {
		here := map[string]string{}
		for _, dir := range w.dirs {
			files, _ := filepath.Glob(filepath.Join(escapeGlob(filepath.Join(dir, sub)), "*.conf")) // the pattern is good
			for _, path := range files {
				if name := filepath.Base(path); here[name] == "" {
					here[name] = path
					found[name] = path
				}
			}
		}
	}
	var paths []string
	for _, name := range slices.Sorted(keysOf(found)) {
		paths = append(paths, found[name])
	}
	return paths
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// dropInDirs are the names of directories with a unit's drop-ins, those for
// most units first: container.d, shop-.container.d, shop-front.container.d.
func (u *Unit) dropInDirs() []string {
	base, instance, template := u.base()
	dirs := []string{u.kind.suffix[1:] + ".d"}
	for i := range base {
		if base[i] == '-' && i+1 < len(base) {
			dirs = append(dirs, base[:i+1]+u.kind.suffix+".d")
		}
	}
	if !template {
		return append(dirs, base+u.kind.suffix+".d")
	}
	dirs = append(dirs, base+"@"+u.kind.suffix+".d")
	if instance != "" {
		dirs = append(dirs, u.Name+".d")
	}
	return dirs
}
