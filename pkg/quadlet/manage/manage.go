// Package manage installs units of package quadlet and removes them.
//
// What is installed lives in one directory, that of the user's or the
// administrator's own units. A single unit is a file in it. An application,
// several units with the files they need, is a directory below it: it comes and
// goes as a whole. Both are made under a name with a dot in front, which
// quadlet passes over, and then renamed.
package manage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carob-containers/carob/pkg/quadlet"
)

// File is a file to install.
type File struct {
	Name string // slash-separated below the application's directory
	Body []byte
}

// Bundle is what one call installs: a unit, or an application.
type Bundle struct {
	App   string // "": a unit alone
	Files []File
}

// maxFile bounds what is read of a file, in bytes.
const maxFile = 16 << 20

// ReadDir is the application in a directory: all files in and below it.
func ReadDir(dir string) (*Bundle, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b := &Bundle{App: filepath.Base(abs)}
	err = filepath.WalkDir(abs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(abs, path)
		if err != nil {
			return err
		}
		return b.Add(name, path)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read application %s: %w", dir, err)
	}
	return b, nil
}

// Add reads a file into the bundle.
func (b *Bundle) Add(name, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return fmt.Errorf("%s is no regular file of at most %d bytes", path, maxFile)
	}
	body, err := os.ReadFile(path)
	b.Files = append(b.Files, File{name, body})
	return err
}

// units are the names of the units in the bundle.
func (b *Bundle) units() []string {
	var names []string
	for _, f := range b.Files {
		if name := filepath.Base(f.Name); quadlet.IsUnit(name) {
			names = append(names, name)
		}
	}
	return names
}

// check refuses what could not be used once it is installed.
func (b *Bundle) check() error {
	units := b.units()
	if len(units) == 0 {
		return errors.New("there is no unit among the files: a name that ends with .container, .pod, .volume, .network, .kube, .image, .build or .artifact")
	}
	slices.Sort(units)
	for i := 1; i < len(units); i++ {
		if units[i] == units[i-1] {
			return fmt.Errorf("there are two units named %s", units[i])
		}
	}
	if b.App != "" && (strings.HasPrefix(b.App, ".") || strings.ContainsAny(b.App, "/\n") || quadlet.IsUnit(b.App) || strings.HasSuffix(b.App, ".d")) {
		return fmt.Errorf("%q is no name for an application", b.App)
	}
	for _, f := range b.Files {
		if quadlet.IsUnit(filepath.Base(f.Name)) {
			if err := quadlet.CheckSyntax(f.Name, f.Body); err != nil {
				return err
			}
		}
	}
	return nil
}

// Install puts a bundle into the place's own directory and returns the paths
// of its units. Units of the same names, and an application of the same name,
// are an error unless they may be replaced.
func Install(p quadlet.Place, b *Bundle, replace bool) ([]string, error) {
	dir := p.ConfigDir()
	if dir == "" {
		return nil, errors.New("cannot tell where units are installed: HOME is not set")
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := b.conflicts(p, replace); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if b.App == "" {
		path := filepath.Join(dir, b.Files[0].Name)
		return []string{path}, writeFile(path, b.Files[0].Body)
	}
	return b.installApp(dir)
}

// conflicts finds units that are there already, elsewhere than where this
// bundle may put its own.
func (b *Bundle) conflicts(p quadlet.Place, replace bool) error {
	installed, err := quadlet.Files(p)
	if err != nil {
		return err
	}
	for _, name := range b.units() {
		path := installed[name]
		if filepath.Dir(path) == p.ConfigDir() && b.App == "" || b.App != "" && AppOf(p, path) == b.App {
			if !replace {
				return fmt.Errorf("a unit %s is installed in %s already; --replace puts the new one in its place", name, path)
			}
			continue
		}
		if strings.HasPrefix(path, p.ConfigDir()+"/") {
			return fmt.Errorf("a unit %s is installed in %s already: remove it first", name, path)
		}
	}
	if _, err := os.Lstat(filepath.Join(p.ConfigDir(), b.App)); b.App != "" && err == nil && !replace {
		return fmt.Errorf("an application %s is installed already; --replace puts the new one in its place", b.App)
	}
	return nil
}

func (b *Bundle) installApp(dir string) ([]string, error) {
	fresh, err := os.MkdirTemp(dir, "."+b.App+".new-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(fresh) // nothing is left of it once it is renamed
	final := filepath.Join(dir, b.App)
	var paths []string
	for _, f := range b.Files {
		if err := writeFile(filepath.Join(fresh, f.Name), f.Body); err != nil {
			return nil, err
		}
		if quadlet.IsUnit(filepath.Base(f.Name)) {
			paths = append(paths, filepath.Join(final, f.Name))
		}
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return nil, err
	}
	if err := away(final); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return paths, os.Rename(fresh, final)
}

// writeFile makes a file that is there as a whole or not at all.
func writeFile(path string, body []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(body)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// away removes a file or a directory in one step, as quadlet sees it.
func away(path string) error {
	gone, err := os.MkdirTemp(filepath.Dir(path), ".gone-")
	if err != nil {
		return err
	}
	err = os.Rename(path, filepath.Join(gone, "x"))
	return errors.Join(err, os.RemoveAll(gone))
}

// AppOf is the application a unit belongs to; "": none.
func AppOf(p quadlet.Place, path string) string {
	rel, below := strings.CutPrefix(path, p.ConfigDir()+"/")
	app, _, nested := strings.Cut(rel, "/")
	if !below || !nested {
		return ""
	}
	return app
}

// Members are the names of the units of an application, sorted.
func Members(p quadlet.Place, app string) ([]string, error) {
	files, err := quadlet.Files(p)
	var names []string
	for name, path := range files {
		if AppOf(p, path) == app {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}

// Remove removes the unit in a file, or the application it belongs to.
func Remove(p quadlet.Place, path string) error {
	if app := AppOf(p, path); app != "" {
		path = filepath.Join(p.ConfigDir(), app)
	}
	return away(path)
}
