package filetree_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/carob-containers/carob/pkg/filetree"
)

func open(t *testing.T, dir string) *filetree.Tree {
	t.Helper()
	tree, err := filetree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

func archive(t *testing.T, entries ...tar.Header) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		body := []byte("evil")
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(body))
		}
		h.Mode |= 0o600
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// mine keeps the tests working for everybody.
func mine() filetree.UnpackOptions {
	return filetree.UnpackOptions{IDs: func(int, int) (int, int) { return os.Getuid(), os.Getgid() }}
}

func TestCorner54HostileArchivesStayInside(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"dots":          {{Name: "../../outside/x"}},
		"absolute":      {{Name: "/outside/x"}},
		"absolute link": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE"}, {Name: "l/x"}},
		"relative link": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../outside"}, {Name: "l/x"}},
		"file link":     {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE/victim"}, {Name: "l"}},
		"hard link":     {{Name: "l", Typeflag: tar.TypeLink, Linkname: "OUTSIDE/victim"}, {Name: "l"}},
		"link in dir":   {{Name: "there/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
			for _, dir := range []string{root, outside} {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			victim := filepath.Join(outside, "victim")
			if err := os.WriteFile(victim, []byte("good"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(root, "there")); err != nil {
				t.Fatal(err)
			}
			for i := range entries {
				if rest, ok := bytes.CutPrefix([]byte(entries[i].Linkname), []byte("OUTSIDE")); ok {
					entries[i].Linkname = outside + string(rest)
				}
			}
			_ = open(t, root).Unpack(archive(t, entries...), "/", mine()) // an error is as good
			names, err := os.ReadDir(outside)
			if err != nil || len(names) != 1 {
				t.Errorf("outside has %v, %v", names, err)
			}
			if body, err := os.ReadFile(victim); err != nil || string(body) != "good" {
				t.Errorf("victim is %q, %v", body, err)
			}
		})
	}
}

// TestCorner54NoLinks: an earlier archive brought links; they lead out of what
// is unpacked into, though not out of the tree.
func TestCorner54NoLinks(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"below":     {{Name: "d/x/file"}},
		"directory": {{Name: "d/x", Typeflag: tar.TypeDir}, {Name: "d/x/file"}},
		"hard link": {{Name: "d/file", Typeflag: tar.TypeLink, Linkname: "d/x/victim"}},
		"above":     {{Name: "d/up/other/file"}},
	} {
		for _, overwrite := range []bool{false, true} {
			top := t.TempDir()
			for _, dir := range []string{"real/d", "other"} {
				if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(top, "other/victim"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, link := range [][2]string{{"/other", "real/d/x"}, {"../..", "real/d/up"}, {"/real", "out"}} {
				if err := os.Symlink(link[0], filepath.Join(top, link[1])); err != nil {
					t.Fatal(err)
				}
			}
			o := mine()
			o.NoLinks, o.Overwrite = true, overwrite
			err := open(t, top).Unpack(archive(t, entries...), "/out", o) // the directory itself may be behind a link
			if replaced := overwrite && name == "directory"; (err == nil) != replaced {
				t.Errorf("%s: %v", name, err)
			}
			if names, err := os.ReadDir(filepath.Join(top, "other")); err != nil || len(names) != 1 {
				t.Errorf("%s: outside has %v, %v", name, names, err)
			}
			if _, err := os.Lstat(filepath.Join(top, "real/d/file")); err == nil {
				t.Errorf("%s: it has a file of outside", name)
			}
		}
	}
}

func TestCorner54PackAndUnpack(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(src, "d/sub"), 0o750); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(src, "d/sub/file")
	if err := os.WriteFile(file, []byte("content"), 0o640); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"d/link": "/etc/passwd", "d/dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(src, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(file, filepath.Join(src, "d/hard")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := open(t, src).Pack(&b, "d", filetree.PackOptions{As: "e", Precise: true}); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dst).Unpack(&b, "/", mine()); err != nil {
		t.Fatal(err)
	}
	was, err1 := os.Stat(file)
	is, err2 := os.Stat(filepath.Join(dst, "e/sub/file"))
	if err1 != nil || err2 != nil || !is.ModTime().Equal(was.ModTime()) || is.Mode() != was.Mode() || is.Size() != was.Size() {
		t.Errorf("was %v (%v), is %v (%v)", was, err1, is, err2)
	}
	if other, err := os.Stat(filepath.Join(dst, "e/hard")); err != nil || !os.SameFile(is, other) {
		t.Errorf("the hard link is lost: %v", err)
	}
	if target, err := os.Readlink(filepath.Join(dst, "e/link")); err != nil || target != "/etc/passwd" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

func TestCorner54DirectoryAndFileDoNotReplaceEachOther(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir)
	if err := tree.Unpack(archive(t, tar.Header{Name: "a"}), "/", mine()); err == nil {
		t.Error("a file has taken a directory's place")
	}
	o := mine()
	o.Overwrite = true
	if err := tree.Unpack(archive(t, tar.Header{Name: "a"}), "/", o); err != nil {
		t.Error(err)
	}
	if err := tree.Unpack(archive(t, tar.Header{Name: "a", Typeflag: tar.TypeDir}), "/", mine()); err == nil {
		t.Error("a directory has taken a file's place")
	}
}

// FuzzUnpack looks for a panic, and for anything that gets out.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, body []byte) {
		top := t.TempDir()
		root := filepath.Join(top, "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = open(t, root).Unpack(bytes.NewReader(body), "/", mine())
		if names, err := os.ReadDir(top); err != nil || len(names) != 1 {
			t.Errorf("beside the root are %v, %v", names, err)
		}
	})
}

// TestCorner54Inside: links and second names lead to what is copied, too.
func TestCorner54Inside(t *testing.T) {
	host := t.TempDir()
	for _, dir := range []string{"root/d/sub", "root/other", "out"} {
		if err := os.MkdirAll(filepath.Join(host, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range [][2]string{{"/d", "root/link"}, {"../d/sub", "root/other/up"}, {"/d/file", "root/other/file"}, {"/nosuch", "root/other/dangling"}} {
		if err := os.Symlink(link[0], filepath.Join(host, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"root/d/file", "root/other/plain"} {
		if err := os.WriteFile(filepath.Join(host, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(host, "root/d/file"), filepath.Join(host, "root/other/hard")); err != nil {
		t.Fatal(err)
	}
	tree, all := open(t, filepath.Join(host, "root")), open(t, "/")
	for _, c := range []struct {
		name, source string
		want         bool
	}{
		{"/d", "/d", true},
		{"/d/x", "/d", true},
		{"/link/x", "/d", true},
		{"/d/sub/x", "/link", true},
		{"/other/up/x", "/d", true},
		{"/other/x", "/d", false},
		{"/x", "/d", false},
		{"/d/file", "/d/file", true},
		{"/link/file", "/d/file", true},
		{"/other/hard", "/d/file", true},
		{"/other/plain", "/d/file", false},
		{"/other/file", "/d/file", false}, // a link is replaced
		{"/other/dangling", "/d", false},
	} {
		got, err := tree.Inside(c.name, tree, c.source)
		if err != nil || got != c.want {
			t.Errorf("%s in %s: %t, %v", c.name, c.source, got, err)
		}
		// The same seen from outside.
		if got, err = all.Inside(filepath.Join(host, "root/d/sub/x"), tree, "/d"); err != nil || !got {
			t.Errorf("seen from outside: %t, %v", got, err)
		}
	}
	if _, err := tree.Inside("/nosuch/x", tree, "/d"); err == nil {
		t.Error("a directory that is not there is no error")
	}
}
