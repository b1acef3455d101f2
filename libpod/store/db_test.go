package store

import (
	"context"
	"fmt"
	"os"
	"os/exec"
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
		dependentsQuery, membersQuery, memberIDsQuery, podQuery, volumeUsersQuery, strings.ReplaceAll(neededByQuery, "?2", "?1"),
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

// TestLogStaysShort: it does, though each of many commands, one after the
// other, makes one transaction and ends without closing the database.
func TestLogStaysShort(t *testing.T) {
	const database, volume = "CAROB_TEST_DATABASE", "CAROB_TEST_VOLUME"
	if path := os.Getenv(database); path != "" { // such a command
		db, err := OpenDB(path)
		if err == nil {
			err = db.Update(context.Background(), func(tx *Tx) error { return tx.AddVolume(&spec.Volume{Name: os.Getenv(volume)}) })
		}
		if err != nil {
			t.Fatal(err)
		}
		os.Exit(0)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	const n = 60
	for i := range n {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLogStaysShort$")
		cmd.Env = append(os.Environ(), database+"="+path, fmt.Sprintf("%s=v%d", volume, i))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		fi, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if fi.Size() > longLog {
			t.Fatalf("after %d commands the log has %d bytes", i+1, fi.Size())
		}
	}
	db, err := OpenDB(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if all, err := db.Volumes(context.Background()); err != nil || len(all) != n {
		t.Errorf("%d volumes are left, %v", len(all), err)
	}
}

// TestPathWithSignsOfAddresses: a user's home may be called anything.
func TestPathWithSignsOfAddresses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "100%25 #1? ü&a=b")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "state.db")
	db, err := OpenDB(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
