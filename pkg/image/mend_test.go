package image

import (
	"os"
	"path/filepath"
	"testing"
)

// threeLayers is what the driver makes of top on middle on base.
func threeLayers(t *testing.T) (home string, parent func(string) string, files map[string]string) {
	t.Helper()
	home = t.TempDir()
	files = map[string]string{
		"base/link": "BB", "middle/link": "MM", "middle/lower": "l/BB", "top/link": "TT", "top/lower": "l/MM:l/BB",
	}
	for id, link := range map[string]string{"base": "BB", "middle": "MM", "top": "TT"} {
		for _, dir := range []string{filepath.Join(home, id, "diff"), filepath.Join(home, "l")} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("../"+id+"/diff", filepath.Join(home, "l", link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(t, filepath.Join(home, name), text)
	}
	return home, func(id string) string { return map[string]string{"top": "middle", "middle": "base"}[id] }, files
}

func TestLayersThatAPowerCutEmptiedAreMended(t *testing.T) {
	home, parent, files := threeLayers(t)
	for lost := range files {
		write(t, filepath.Join(home, lost), "")
	}
	if err := mendLayers(home, parent); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(home, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v, want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(home, "base/lower")); err == nil {
		t.Error("a layer without a parent has got one")
	}
}

func TestWhatCannotBeMendedIsLeft(t *testing.T) {
	home, parent, _ := threeLayers(t)
	write(t, filepath.Join(home, "top/lower"), "")
	write(t, filepath.Join(home, "middle/lower"), "kept")
	if err := os.Remove(filepath.Join(home, "l/BB")); err != nil {
		t.Fatal(err)
	}
	if err := mendLayers(home, parent); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"top/lower": "", "middle/lower": "kept"} {
		if got, _ := os.ReadFile(filepath.Join(home, name)); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A whole store: an image whose files have become empty, as they are after a
// power cut, is whole again in the next boot's first command.
func TestStoreIsMendedOncePerBoot(t *testing.T) {
	s := testStore(t, "overlay")
	base, err := s.store.CreateLayer("", "", nil, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	top, err := s.store.CreateLayer("", base.ID, nil, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	lower := filepath.Join(s.paths.GraphRoot, "overlay", top.ID, "lower")
	want, err := os.ReadFile(lower)
	if err != nil || len(want) == 0 {
		t.Fatalf("%q %v", want, err)
	}
	mark := filepath.Join(s.paths.RunRoot, mendedFile)
	write(t, lower, "")
	if err := s.mendOnce(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(lower); len(got) != 0 {
		t.Errorf("looked at twice in one boot: %q", got)
	}
	write(t, mark, "another boot")
	if err := s.mendOnce(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(lower); string(got) != string(want) {
		t.Errorf("%q, want %q", got, want)
	}
}
