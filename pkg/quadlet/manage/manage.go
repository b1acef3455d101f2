// Package manage installs units of package quadlet and removes them.
//
// What is installed lives in one directory, that of the user's or the
// administrator's own units. A single unit is a file in it. An application,
// several units with the files they need, is a directory below it: it comes and
// goes as a whole. Both are made under a name with a dot in front, which
// quadlet passes over, and then renamed; an application that replaces another
// is exchanged with it. What a call that was killed leaves under such a name
// the next one removes; a lock on the directory keeps two calls apart.
package manage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

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
	body, err := ReadFile(path)
	b.Files = append(b.Files, File{name, body})
	return err
}

// ReadFile reads a file that may be installed.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	locked, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer locked.Close()
	if err := b.conflicts(p, replace); err != nil {
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
	defer os.RemoveAll(fresh) // or what it has been exchanged with
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
	return paths, putInPlace(fresh, final)
}

// putInPlace makes fresh the directory final, in one step. What was there is
// fresh afterwards.
func putInPlace(fresh, final string) error {
	if err := syncTree(fresh); err != nil {
		return err
	}
	err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, final, unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, unix.ENOENT):
		err = os.Rename(fresh, final)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		err = fmt.Errorf("the file system cannot exchange it with %s in one step: remove that first", final)
	case err != nil:
		err = &os.LinkError{Op: "exchange", Old: fresh, New: final, Err: err}
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(final))
}

// syncTree has the names of all files on disk.
func syncTree(top string) error {
	return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock keeps other calls off a directory until the file is closed, and removes
// what those that were killed left in it. Where the file system has no locks
// nothing is removed: it could be another call's.
func lock(dir string) (io.Closer, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		return d, nil
	}
	leftover := regexp.MustCompile(`^\.(.+\.new|gone)-[0-9]+$`) // of what was on its way in, or out
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if leftover.MatchString(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
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
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// away removes a file or a directory in one step, as quadlet sees it.
func away(path string) error {
	gone, err := os.MkdirTemp(filepath.Dir(path), ".gone-")
	if err != nil {
		return err
	}
	err = os.Rename(path, filepath.Join(gone, "x"))
	return errors.Join(err, os.RemoveAll(gone), syncDir(filepath.Dir(path)))
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
	locked, err := lock(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer locked.Close()
	return away(path)
}
