package libpod

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// TestRemovedVolumeStaysGone: whoever has read a volume's row just before it
// was removed does not make its directory anew.
func TestRemovedVolumeStaysGone(t *testing.T) {
	dir := t.TempDir()
	db, err := store.OpenDB(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rt := &Runtime{dirs: store.Dirs{State: dir, Run: dir}, db: db}
	v := &Volume{Volume: &spec.Volume{Name: "gone", Driver: volumeLocal, Options: map[string]string{"type": "tmpfs"}}, rt: rt}
	if err := rt.releaseVolume(t.Context(), v); err != nil {
		t.Error(err)
	}
	_, err = rt.lockVolume(t.Context(), v.Name)
	var none *NoVolumeError
	if !errors.As(err, &none) {
		t.Errorf("a lock on a volume that is not there: %v", err)
	}
	if _, err := os.Lstat(rt.dirs.Volume(v.Name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of a removed volume is there: %v", err)
	}
}
