package filetree_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/filetree"
)

// TestWalkFollowsNoSwappedLink: each directory and file becomes a link outside
// after it was found, the worst that a container can do meanwhile.
func TestWalkFollowsNoSwappedLink(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"root/dir/below", "outside/below"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"root/file", "root/dir/inner", "outside/file"} {
		if err := os.WriteFile(filepath.Join(top, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(top, "outside")
	swap := map[string]string{"dir": outside, "file": filepath.Join(outside, "file")}
	seen := 0
	err := open(t, filepath.Join(top, "root")).Walk(func(h *os.File, st *unix.Stat_t) error {
		seen++
		at := filepath.Join(top, "root", h.Name())
		if target := swap[h.Name()]; target != "" {
			delete(swap, h.Name()) // once
			if err := os.Rename(at, at+".was"); err != nil {
				return err
			}
			if err := os.Symlink(target, at); err != nil {
				return err
			}
		}
		if err := filetree.Chown(h, -1, os.Getgid()); err != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return err
		}
		return filetree.Chmod(h, st.Mode&0o7777|0o070)
	})
	if err != nil || seen != 4 {
		t.Errorf("%d seen, %v", seen, err)
	}
	for name, want := range map[string]os.FileMode{
		"outside": 0o700, "outside/file": 0o600, "outside/below": 0o700,
		"root/dir.was": 0o770, "root/dir.was/below": 0o770, "root/dir.was/inner": 0o670, "root/file.was": 0o670,
	} {
		if st, err := os.Stat(filepath.Join(top, name)); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
}
