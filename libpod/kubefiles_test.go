package libpod

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGroupTreeOfARunningContainer: a directory is a link outside at every
// other moment.
func TestGroupTreeOfARunningContainer(t *testing.T) {
	top := t.TempDir()
	root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
	for _, dir := range []string{filepath.Join(root, "dir"), outside} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(root, "dir"), unix.AT_FDCWD, filepath.Join(root, "link"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	for range 500 {
		if err := os.Chmod(root, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := groupTree(root, os.Getgid()); err != nil {
			t.Fatal(err)
		}
	}
	close(end)
	<-ended
	for name, want := range map[string]os.FileMode{victim: 0o600, outside: 0o700 | os.ModeDir, root: 0o770 | os.ModeDir | os.ModeSetgid} {
		if st, err := os.Stat(name); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
}
