package store

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
)

// TestMigration: a database of any earlier schema becomes the newest one, and
// keeps what is in it.
func TestMigration(t *testing.T) {
	ctx := context.Background()
	for from := 1; from < len(migrations()); from++ {
		path := filepath.Join(t.TempDir(), "state.db")
		old, err := open(path, migrations()[:from])
		if err != nil {
			t.Fatal(err)
		}
		err = old.Update(ctx, func(tx *Tx) error {
			if err := tx.AddVolume(&spec.Volume{Name: "v"}); err != nil {
				return err
			}
			if err := tx.AddContainer(&spec.Container{ID: "a", Name: "a"}, nil, nil); err != nil {
				return err
			}
			return tx.AddContainer(&spec.Container{ID: "b", Name: "b"}, []string{"a"}, []string{"v"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := OpenDB(path)
		if err != nil {
			t.Fatalf("from schema %d: %v", from, err)
		}
		if deps, err := db.Dependents(ctx, "a"); err != nil || len(deps) != 1 || deps[0].ID != "b" {
			t.Errorf("from schema %d: dependents %v, %v", from, deps, err)
		}
		if users, err := db.VolumeUsers(ctx); err != nil || !slices.Equal(users["v"], []string{"b"}) {
			t.Errorf("from schema %d: users %v, %v", from, users, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := open(path, migrations()[:from]); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("a carob of schema %d opens a newer database: %v", from, err)
		}
	}
}

// TestRemovalsScanNothing: what a removal asks is answered by indices, however
// many containers and volumes there are.
func TestRemovalsScanNothing(t *testing.T) {
	db, err := OpenDB(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{
		dependentsQuery, volumeUsersQuery,
		"SELECT 1 FROM depends WHERE needs = ?", "SELECT 1 FROM uses_volume WHERE volume = ?", // what the foreign keys ask
	} {
		rows, err := db.sql.Query("EXPLAIN QUERY PLAN "+query, "x")
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(plan); len(plan) == 0 || strings.Contains(text, "SCAN") {
			t.Errorf("%s: %s", query, text)
		}
	}
}
