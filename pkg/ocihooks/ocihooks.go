// Package ocihooks adds the hooks of oci-hooks(5) to a container: programs
// that an administrator wants run at stages of the container's life, each
// described by a JSON file in a directory of hooks.
package ocihooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultDirs are searched when nothing else is configured.
func DefaultDirs() []string {
	return []string{"/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"}
}

// file is one of the files, schema 1.0.0.
type file struct {
	Version string     `json:"version"`
	Hook    rspec.Hook `json:"hook"`
	When    when       `json:"when"`
	Stages  []string   `json:"stages"`
}

// when are conditions; all that are set must hold.
type when struct {
	Always        *bool             `json:"always"`
	Annotations   map[string]string `json:"annotations"` // patterns of a key and its value
	Commands      []string          `json:"commands"`    // patterns of the first word of the command
	HasBindMounts *bool             `json:"hasBindMounts"`
}

// Apply adds to cfg the hooks of dirs that are for this container; binds
// tells whether the user asked for bind mounts. Directories that are missing
// hold no hooks. Of files with the same name, that of the last directory
// counts, and the order is that of the names.
func Apply(cfg *rspec.Spec, dirs []string, binds bool) error {
	paths, err := list(dirs)
	if err != nil {
		return err
	}
	var precreate []rspec.Hook
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		f, err := read(paths[name])
		if err != nil {
			return err
		}
		wanted, err := f.When.match(cfg, binds)
		if err != nil {
			return fmt.Errorf("cannot use hook %s: %w", paths[name], err)
		}
		if !wanted {
			continue
		}
		more, err := f.add(cfg)
		if err != nil {
			return fmt.Errorf("cannot use hook %s: %w", paths[name], err)
		}
		precreate = append(precreate, more...)
	}
	for _, h := range precreate {
		if err := change(cfg, h); err != nil {
			return err
		}
	}
	return nil
}

func list(dirs []string) (map[string]string, error) {
	paths := map[string]string{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the hooks: %w", err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".json") {
				paths[e.Name()] = filepath.Join(dir, e.Name())
			}
		}
	}
	return paths, nil
}

func read(path string) (*file, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read a hook: %w", err)
	}
	f := new(file)
	if err := json.Unmarshal(body, f); err != nil {
		return nil, fmt.Errorf("cannot read hook %s: %w", path, err)
	}
	switch {
	case f.Version != "1.0.0":
		return nil, fmt.Errorf("cannot use hook %s: version %q is not 1.0.0", path, f.Version)
	case !filepath.IsAbs(f.Hook.Path):
		return nil, fmt.Errorf("cannot use hook %s: hook.path %q is not an absolute path", path, f.Hook.Path)
	case len(f.Stages) == 0:
		return nil, fmt.Errorf("cannot use hook %s: it names no stages", path)
	}
	if _, err := os.Stat(f.Hook.Path); err != nil {
		return nil, fmt.Errorf("cannot use hook %s: %w", path, err)
	}
	return f, nil
}

// match tells whether the hook is for this container. A hook without any
// condition is for none.
func (w *when) match(cfg *rspec.Spec, binds bool) (bool, error) {
	any := false
	for _, c := range []struct {
		set  bool
		test func() (bool, error)
	}{
		{w.Always != nil, func() (bool, error) { return *w.Always, nil }},
		{w.HasBindMounts != nil, func() (bool, error) { return *w.HasBindMounts == binds, nil }},
		{len(w.Annotations) > 0, func() (bool, error) { return matchAll(w.Annotations, cfg.Annotations) }},
		{len(w.Commands) > 0, func() (bool, error) { return matchAny(w.Commands, cfg.Process.Args[0]) }},
	} {
		if !c.set {
			continue
		}
		any = true
		if ok, err := c.test(); err != nil || !ok {
			return false, err
		}
	}
	return any, nil
}

func matchAll(patterns, annotations map[string]string) (bool, error) {
	for keyPattern, valuePattern := range patterns {
		found := false
		for key, value := range annotations {
			k, err1 := regexp.MatchString(keyPattern, key)
			v, err2 := regexp.MatchString(valuePattern, value)
			if err := errors.Join(err1, err2); err != nil {
				return false, err
			}
			found = found || k && v
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

func matchAny(patterns []string, word string) (bool, error) {
	for _, p := range patterns {
		if ok, err := regexp.MatchString(p, word); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// add puts the hook into its stages. What is for precreate, which is podman's
// own stage and not the OCI runtime's, it returns.
func (f *file) add(cfg *rspec.Spec) (precreate []rspec.Hook, err error) {
	if cfg.Hooks == nil {
		cfg.Hooks = &rspec.Hooks{}
	}
	stages := map[string]*[]rspec.Hook{
		"precreate": &precreate,
		//lint:ignore SA1019 hooks for prestart exist in the field
		"prestart":        &cfg.Hooks.Prestart,
		"createRuntime":   &cfg.Hooks.CreateRuntime,
		"createContainer": &cfg.Hooks.CreateContainer, "startContainer": &cfg.Hooks.StartContainer,
		"poststart": &cfg.Hooks.Poststart, "poststop": &cfg.Hooks.Poststop,
	}
	for _, name := range f.Stages {
		stage := stages[name]
		if stage == nil {
			return nil, fmt.Errorf("there is no stage %q", name)
		}
		*stage = append(*stage, f.Hook)
	}
	return precreate, nil
}

// change lets a precreate hook change the configuration: it gets that on its
// standard input and writes another to its standard output.
func change(cfg *rspec.Spec, h rspec.Hook) error {
	body, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	var out, complaint bytes.Buffer
	cmd := exec.Cmd{Path: h.Path, Args: h.Args, Env: h.Env, Stdin: bytes.NewReader(body), Stdout: &out, Stderr: &complaint}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot run precreate hook %s: %w: %s", h.Path, err, strings.TrimSpace(complaint.String()))
	}
	changed := new(rspec.Spec)
	if err := json.Unmarshal(out.Bytes(), changed); err != nil {
		return fmt.Errorf("cannot use what precreate hook %s wrote: %w", h.Path, err)
	}
	*cfg = *changed
	return nil
}
