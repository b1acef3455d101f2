package store

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
)

func TestMountLabels(t *testing.T) {
	db, err := OpenDB(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const label = "system_u:object_r:container_file_t:s0:c1,c2"
	err = db.Update(context.Background(), func(tx *Tx) error {
		for id, labels := range map[string]*spec.SELinuxLabels{"a": nil, "b": {Process: "p", Mount: label}, "c": {}} {
			if err := tx.AddContainer(&spec.Container{ID: id, Name: id, Security: spec.Security{SELinux: labels}}, nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.MountLabels(context.Background())
	if err != nil || !slices.Equal(got, []string{label}) {
		t.Errorf("got %q, %v", got, err)
	}
}
