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
	var links []Link
	err := c.eachInstall("Alias", func(e unitfile.Entry, alias string) error {
		if filepath.Base(alias) != alias {
			return e.Fail("Alias: %q is no name of a unit", alias)
		}
		if alias != service {
			links = append(links, Link{alias, service})
		}
		return nil
	})
	if err != nil {
		return nil, err
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

func (c *conversion) eachInstall(key string, do func(unitfile.Entry, string) error) error {
	for _, e := range c.file.All(installSection, key) {
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
	for _, s := range r.Services {
		if err := s.write(dir); err != nil {
			errs = append(errs, fmt.Errorf("cannot write service %s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, s.Name), []byte(s.Content()), 0o644); err != nil {
		return err
	}
	for _, l := range s.Links {
		path := filepath.Join(dir, l.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(l.Target, path); err != nil {
			return err
		}
	}
	return nil
}
