package rig

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/mattn/go-sqlite3" // RowLeaks
)

// FileLeaks are files of containers and layers that no list names.
func (p *Place) FileLeaks() []string { return append(p.fileLeaks(), p.storageLeaks()...) }

// fileLeaks are carob's own files of containers that are gone.
func (p *Place) fileLeaks() (leaks []string) {
	for _, dir := range []string{
		filepath.Join(p.Storage(), "carob/containers"), filepath.Join(p.Run, "carob/c"), filepath.Join(p.Run, "carob/oci"),
	} {
		for _, name := range entries(dir) {
			leaks = append(leaks, "file "+filepath.Join(dir, name))
		}
	}
	return leaks
}

// RowLeaks counts what the database still holds of containers and pods when
// there are none.
func (p *Place) RowLeaks() (leaks []string) {
	file := filepath.Join(p.Storage(), "carob/state.db")
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro&_busy_timeout=10000")
	if err != nil {
		return []string{err.Error()}
	}
	defer db.Close()
	for _, table := range []string{"name", "container", "depends", "uses_volume"} {
		n := 0
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n > 0 {
			leaks = append(leaks, fmt.Sprintf("%d rows in table %s (%v)", n, table, err))
		}
	}
	return leaks
}

// layer is a record of containers/storage's layers.json, as far as it says
// who made the layer: only one that came from a blob has a digest.
type layer struct {
	ID, Parent string
	DiffDigest string `json:"diff-digest"`
}

type image struct {
	Layer  string
	Mapped []string `json:"mapped-layers"`
}

type container struct{ ID, Layer string }

// storageLeaks holds containers/storage's lists against each other and
// against its directories: what no list names, and what no image and no
// container uses, is space nobody gets back. A layer with a digest is spared:
// the next pull of its image takes it, prune removes it when it is old.
func (p *Place) storageLeaks() (leaks []string) {
	// Those of --rm containers have lists of their own.
	layers := rows[layer](p, "overlay-layers/layers.json", "overlay-layers/volatile-layers.json")
	containers := rows[container](p, "overlay-containers/containers.json", "overlay-containers/volatile-containers.json")
	known, used := map[string]layer{}, map[string]bool{}
	for _, l := range layers {
		known[l.ID] = l
	}
	use := func(id string) {
		for ; id != ""; id = known[id].Parent {
			used[id] = true
		}
	}
	for _, i := range rows[image](p, "overlay-images/images.json") {
		use(i.Layer)
		for _, id := range i.Mapped {
			use(id)
		}
	}
	for _, c := range containers {
		use(c.Layer)
		leaks = append(leaks, "container in the storage: "+c.ID)
	}
	for _, l := range layers {
		if !used[l.ID] && l.DiffDigest == "" {
			leaks = append(leaks, "layer that nothing uses: "+l.ID)
		}
	}
	return append(leaks, p.unlisted(known)...)
}

// unlisted are files of layers and containers that are in no list, and what a
// killed removal had set aside.
func (p *Place) unlisted(known map[string]layer) (leaks []string) {
	for _, name := range entries(filepath.Join(p.Storage(), "overlay")) {
		if _, ok := known[name]; len(name) == 64 && !ok {
			leaks = append(leaks, "layer that no list names: "+name)
		}
	}
	for _, name := range entries(filepath.Join(p.Storage(), "overlay-containers")) {
		if len(name) == 64 {
			leaks = append(leaks, "directory of a container in the storage: "+name)
		}
	}
	for _, dir := range []string{"overlay/tempdirs", "overlay-layers/tmp", "overlay/staging"} {
		for _, name := range entries(filepath.Join(p.Storage(), dir)) {
			leaks = append(leaks, "set aside in the storage: "+filepath.Join(dir, name))
		}
	}
	links := filepath.Join(p.Storage(), "overlay/l")
	for _, name := range entries(links) {
		if _, err := os.Stat(filepath.Join(links, name)); os.IsNotExist(err) && !strings.HasPrefix(name, ".") {
			leaks = append(leaks, "link to a layer that is gone: "+name)
		}
	}
	return leaks
}

// entries are the names in a directory; none where there is no such thing.
func entries(dir string) (names []string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// rows are those of containers/storage's lists of these names; none where
// there is no such list.
func rows[T any](p *Place, names ...string) (all []T) {
	for _, name := range names {
		var more []T
		if b, err := os.ReadFile(filepath.Join(p.Storage(), name)); err == nil {
			_ = json.Unmarshal(b, &more)
		}
		all = append(all, more...)
	}
	return all
}
