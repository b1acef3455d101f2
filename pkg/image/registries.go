package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/containers/storage/pkg/unshare"
)

// registries is the part of containers-registries.conf(5) that matters for
// finding an image that is already here.
type registries struct {
	search  []string          // unqualified-search-registries
	aliases map[string]string // short name -> full name
}

type registriesFile struct {
	Search  *[]string         `toml:"unqualified-search-registries"`
	Aliases map[string]string `toml:"aliases"`
}

// loadRegistries reads registries.conf, its drop-ins, and the aliases that
// answered prompts left behind; later files win.
func loadRegistries() (*registries, error) {
	r := &registries{aliases: map[string]string{}}
	for _, path := range registriesFiles() {
		var f registriesFile
		_, err := toml.DecodeFile(path, &f)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, configError(path, err)
		}
		if f.Search != nil {
			r.search = *f.Search
		}
		for short, full := range f.Aliases {
			r.aliases[short] = full
		}
	}
	return r, nil
}

func registriesFiles() []string {
	home, _ := unshare.HomeDir()
	config := filepath.Join(home, ".config/containers")
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		config = filepath.Join(dir, "containers")
	}
	cache := filepath.Join(home, ".cache/containers")
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		cache = filepath.Join(dir, "containers")
	}
	if unshare.GetRootlessUID() == 0 {
		cache = "/var/cache/containers"
	}
	main := os.Getenv("CONTAINERS_REGISTRIES_CONF")
	if main == "" {
		main = filepath.Join(config, "registries.conf")
		if _, err := os.Stat(main); err != nil {
			main = "/etc/containers/registries.conf"
		}
	}
	files := append([]string{main}, dropIns("/etc/containers/registries.conf.d")...)
	files = append(files, dropIns(filepath.Join(config, "registries.conf.d"))...)
	return append(files, filepath.Join(cache, "short-name-aliases.conf"))
}

func dropIns(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.conf"))
	sort.Strings(files)
	return files
}

// candidates are the full names a short one may stand for, best first: an
// alias, localhost, the search registries, and Docker Hub.
func (s *Store) candidates(r Reference) ([]Reference, error) {
	if !r.IsShort() {
		return []Reference{r.Tagged()}, nil
	}
	if s.registries == nil {
		loaded, err := loadRegistries()
		if err != nil {
			return nil, err
		}
		s.registries = loaded
	}
	var out []Reference
	if alias := s.registries.aliases[r.Path]; alias != "" {
		full, err := ParseReference(alias)
		if err != nil {
			return nil, fmt.Errorf("cannot use the alias of %s: %w", r.Path, err)
		}
		full.Tag, full.Digest = r.Tag, r.Digest
		out = append(out, full.Tagged())
	}
	seen := map[string]bool{}
	for _, registry := range append(append([]string{"localhost"}, s.registries.search...), dockerHub) {
		registry = strings.TrimSuffix(registry, "/")
		if registry == "" || seen[registry] {
			continue
		}
		seen[registry] = true
		out = append(out, r.On(registry).Tagged())
	}
	return out, nil
}

// SearchRegistries are the registries that short names are looked up in.
func SearchRegistries() ([]string, error) {
	r, err := loadRegistries()
	if err != nil {
		return nil, err
	}
	return r.search, nil
}
