package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// newShared is a directory that a container could change, beside one that it
// must not reach.
func newShared(t *testing.T) (dir, outside string) {
	t.Helper()
	top := t.TempDir()
	dir, outside = filepath.Join(top, "dir"), filepath.Join(top, "outside")
	for _, d := range []string{"dir/sub", "dir/a", "outside/sub"} {
		if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, outside
}

func TestOpenBelow(t *testing.T) {
	dir, outside := newShared(t)
	link(t, filepath.Join(dir, "sub"), filepath.Join(dir, "absolute"))
	link(t, "a/../sub", filepath.Join(dir, "relative"))
	link(t, outside, filepath.Join(dir, "out"))
	link(t, "../outside", filepath.Join(dir, "up"))
	link(t, dir, filepath.Join(outside, "dir")) // the directory itself may be behind a link
	for name, want := range map[string]error{
		"sub": nil, "absolute": nil, "relative": nil, "": nil, "out": ErrLeadsOut, "out/sub": ErrLeadsOut, "up": ErrLeadsOut, "nosuch": fs.ErrNotExist,
	} {
		for _, from := range []string{dir, filepath.Join(outside, "dir")} {
			f, err := OpenBelow(from, name)
			if !errors.Is(err, want) {
				t.Errorf("%q: %v", name, err)
			}
			if err == nil {
				f.Close()
			}
		}
	}
}

func TestMakeDirStaysInside(t *testing.T) {
	dir, outside := newShared(t)
	me := Owner{os.Getuid(), os.Getgid()}
	if err := MakeDir(dir, "x/y", 0o2770, me); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, "x/y"))
	if err != nil || st.Mode() != fs.ModeDir|fs.ModeSetgid|0o770 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	link(t, filepath.Join(outside, "new"), filepath.Join(dir, "dangling"))
	link(t, outside, filepath.Join(dir, "out"))
	for _, name := range []string{"dangling", "dangling/x", "out/x"} {
		if err := MakeDir(dir, name, 0o755, me); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
		t.Errorf("outside has %v, %v", names, err)
	}
}

// TestSubPathsRace: a directory is a link outside at every other moment.
func TestSubPathsRace(t *testing.T) {
	dir, outside := newShared(t)
	link(t, outside, filepath.Join(dir, "swapped"))
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "a"), unix.AT_FDCWD, filepath.Join(dir, "swapped"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	out, err := os.Stat(filepath.Join(outside, "sub"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		_ = MakeDir(dir, "a/made", 0o755, Owner{os.Getuid(), os.Getgid()}) // it may well be refused
		for _, open := range []func() (*os.File, error){
			func() (*os.File, error) { return OpenPath(dir, "a/sub") },
			func() (*os.File, error) { return OpenBelow(dir, "a/sub") },
		} {
			f, err := open()
			if err != nil {
				continue
			}
			if st, err := f.Stat(); err != nil || os.SameFile(st, out) {
				t.Fatalf("it leads outside (%v)", err)
			}
			f.Close()
		}
	}
	close(end)
	<-ended
	if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
		t.Errorf("outside has %v, %v", names, err)
	}
}
