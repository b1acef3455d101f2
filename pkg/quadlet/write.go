package quadlet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// Link is a symbolic link below the directory of services: what `systemctl
// enable` would make of [Install].
type Link struct{ Name, Target string }

// links are those that [Install] wishes.
func (c *conversion) links() ([]Link, error) {
	service := c.Service + ".service"
	aliases, err := c.aliases()
	if err != nil {
		return nil, err
	}
	var links []Link
	for _, a := range aliases {
		if a.name != service {
			links = append(links, Link{a.name, service})
		}
	}
	linked := service // what the targets want
	if c.isTemplate() {
		instance, _ := c.file.Last(installSection, "DefaultInstance")
		if instance.Value == "" {
			return links, nil // which one is up to whoever starts it
		}
		linked = strings.TrimSuffix(service, ".service") + unitfile.Text(instance.Value) + ".service"
	}
	for _, by := range []struct{ key, dir string }{{"WantedBy", ".wants"}, {"RequiredBy", ".requires"}, {"UpheldBy", ".upholds"}} {
		err := c.eachInstall(by.key, func(e unitfile.Entry, target string) error {
			if filepath.Base(target) != target {
				return e.Fail("%s: %q is no name of a unit", by.key, target)
			}
			links = append(links, Link{filepath.Join(target+by.dir, linked), "../" + service})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return links, nil
}

// alias is a further name of a service, and the line that gives it.
type alias struct {
	name  string // with .service
	entry unitfile.Entry
}

func (u *Unit) aliases() ([]alias, error) {
	var all []alias
	err := u.eachInstall("Alias", func(e unitfile.Entry, name string) error {
		base, ok := strings.CutSuffix(name, ".service")
		if !ok || filepath.Base(name) != name {
			return e.Fail("Alias: %q is no name of a service: NAME.service is wanted", name)
		}
		if err := unitfile.CheckInstance(base); err != nil {
			return e.Fail("Alias: %v", err)
		}
		all = append(all, alias{name, e})
		return nil
	})
	return all, err
}

func (u *Unit) eachInstall(key string, do func(unitfile.Entry, string) error) error {
	for _, e := range u.file.All(installSection, key) {
		list, err := unitfile.Split(e.Value)
		if err != nil {
			return e.Fail("%s: %v", key, err)
		}
		for _, word := range list {
			if err := do(e, word); err != nil {
				return err
			}
		}
	}
	return nil
}

// header tells where a service comes from.
func (s *Service) header() string {
	return "# Made from " + s.unit.Path + " by carob's quadlet: change that file, then daemon-reload.\n\n"
}

// Content is what stands in the service's file.
func (s *Service) Content() string { return s.header() + s.Text }

// Write puts the services and their links into a directory of systemd's
// generators. What cannot be written is told of; the rest is there.
func (r *Result) Write(dir string) error {
	var errs []error
	services := map[string]bool{}
	for _, s := range r.Services {
		services[s.Name] = true
	}
	for _, s := range r.Services {
		if err := s.write(dir, services); err != nil {
			errs = append(errs, fmt.Errorf("cannot write service %s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

// write leaves alone what has the name of another service.
func (s *Service) write(dir string, services map[string]bool) error {
	if err := writeNew(filepath.Join(dir, s.Name), s.Content()); err != nil {
		return err
	}
	for _, l := range s.Links {
		if services[l.Name] {
			return fmt.Errorf("its alias %s is another service", l.Name)
		}
		path := filepath.Join(dir, l.Name)
		if err := makeRoom(path); err != nil {
			return err
		}
		if err := os.Symlink(l.Target, path); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom takes away what an earlier run put at path, not what a link there leads
// to, and makes its directory.
func makeRoom(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeNew makes a file with all its text, or none.
func writeNew(path, text string) error {
	if err := makeRoom(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}
