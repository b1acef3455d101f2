package libpod

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// storedContainer is a container of which there are a row and a lock.
func storedContainer(t *testing.T, s *spec.Container) *Container {
	rt := &Runtime{dirs: store.Dirs{State: t.TempDir()}}
	c := &Container{Container: s, rt: rt}
	if err := os.MkdirAll(c.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir(), store.LockFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if rt.db, err = store.OpenDB(rt.dirs.Database()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.db.Close() })
	changeRow(t, rt, func(tx *store.Tx) error { return tx.AddContainer(s, nil, nil) })
	return c
}

func changeRow(t *testing.T, rt *Runtime, f func(*store.Tx) error) {
	t.Helper()
	if err := rt.db.Update(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// TestLockReadsAgain: an update may have held the lock that a start waited for.
func TestLockReadsAgain(t *testing.T) {
	ctx := context.Background()
	c := storedContainer(t, &spec.Container{ID: "c0ffee", Name: "web"})
	made, err := c.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	changed := *c.Container
	changed.Name = "site"
	changeRow(t, c.rt, func(tx *store.Tx) error { return tx.ReplaceContainer(&changed) })

	c.lock = made // as create leaves it: nobody else can have changed anything
	if made, err = c.Lock(ctx); err != nil || c.Name != "web" {
		t.Fatalf("with the lock of its creation it is called %s, %v", c.Name, err)
	}
	made.Release()
	lock, err := c.Lock(ctx)
	if err != nil || c.Name != "site" {
		t.Fatalf("it is called %s, %v", c.Name, err)
	}
	lock.Release()
}

// TestLockOfAForgottenContainer: rm was killed between the row and the
// directory, and the next one goes on.
func TestLockOfAForgottenContainer(t *testing.T) {
	ctx := context.Background()
	c := storedContainer(t, &spec.Container{ID: "c0ffee", Name: "web"})
	changeRow(t, c.rt, func(tx *store.Tx) error { return tx.RemoveContainer(c.ID) })
	lock, err := c.Lock(ctx)
	if err != nil || c.Name != "web" {
		t.Fatalf("it is called %s, %v", c.Name, err)
	}
	lock.Release()
	if err := os.RemoveAll(c.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lock(ctx); !errors.Is(err, errNoContainer) {
		t.Errorf("without its directory: %v", err)
	}
}
