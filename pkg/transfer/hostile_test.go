package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// zeros is an endless source of them.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// bomb is a layer of a file of n zero bytes.
func bomb(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	check(t, w.WriteHeader(&tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Mode: 0o644, Size: n}))
	_, err := io.CopyN(w, zeros{}, n)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

// Layers that try to write outside of themselves must neither succeed nor
// leave anything when they fail.
func TestHostileLayersStayInside(t *testing.T) {
	p := newPlace(t, "overlay")
	victim := p.path("victim")
	check(t, os.Mkdir(victim, 0o755))
	for name, entries := range map[string][]entry{
		"dot dot":              {file("../../../../../../../../../.."+victim+"/a", "evil")},
		"absolute":             {file(victim+"/b", "evil")},
		"absolute link":        {{name: "l", kind: tar.TypeSymlink, link: victim}, file("l/c", "evil")},
		"relative link":        {{name: "l", kind: tar.TypeSymlink, link: "../../../../../../.." + victim}, file("l/d", "evil")},
		"hard link":            {{name: "h", kind: tar.TypeLink, link: "../../../../../../../../../etc/passwd"}},
		"whiteout outside":     {file("../.wh.victim", "")},
		"link then whiteout":   {{name: "l", kind: tar.TypeSymlink, link: victim + "/.."}, file("l/.wh.victim", "")},
		"whiteout of dot dot":  {file(".wh...", "")},
		"whiteout of all":      {file("d/.wh.", "")},
		"name of zero length":  {file("", "evil")},
		"unknown kind":         {{name: "x", kind: 'Z', text: "evil"}},
		"link to itself":       {{name: "s", kind: tar.TypeSymlink, link: "s"}, file("s/x", "evil")},
		"file over directory":  {file("f/x", "1"), file("f", "2")},
		"directory over file":  {file("g", "1"), file("g/x", "2")},
		"device":               {{name: "null", kind: tar.TypeChar}, {name: "fifo", kind: tar.TypeFifo}},
		"opaque of the parent": {file("../.wh..wh..opq", "")},
	} {
		t.Run(name, func(t *testing.T) {
			raw := tarOf(t, entries...)
			dir := p.ociDir(t, "img", [2][]byte{gz(t, raw), raw})
			_, err := p.Pull(context.Background(), "oci:"+dir, PullOptions{})
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
			left, readErr := os.ReadDir(victim)
			check(t, readErr)
			if len(left) > 0 {
				t.Fatalf("written outside: %v", left)
			}
			p.clear(t)
			p.empty(t)
		})
	}
}

func TestBrokenLayersLeaveNothing(t *testing.T) {
	good := tarOf(t, file("f", strings.Repeat("content ", 10000)))
	packed := gz(t, good)
	first := tarOf(t, file("base", "b"))
	for name, layer := range map[string][2][]byte{
		"truncated":            {packed[:len(packed)/2], good},
		"truncated tar":        {gz(t, good[:len(good)/2]), good[:len(good)/2]},
		"not compressed right": {append([]byte{0x1f, 0x8b}, good[:100]...), good},
		"no tar":               {gz(t, []byte("this is no tar")), []byte("this is no tar")},
		"wrong diff ID":        {packed, first},
	} {
		for _, driver := range []string{"overlay", "vfs"} {
			t.Run(name+" "+driver, func(t *testing.T) {
				p := newPlace(t, driver)
				dir := p.ociDir(t, "img", [2][]byte{gz(t, first), first}, layer)
				_, err := p.Pull(context.Background(), "oci:"+dir, PullOptions{})
				if err == nil || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v", err)
				}
				if driver == "overlay" {
					p.empty(t)
				}
				p.noImages(t)
			})
		}
	}
}

func (p *place) noImages(t *testing.T) {
	t.Helper()
	if images, err := p.store.Images(); err != nil || len(images) > 0 {
		t.Errorf("images %v %v", images, err)
	}
}

func TestWrongDigestOfABlob(t *testing.T) {
	p := newPlace(t, "overlay")
	layer := tarOf(t, file("f", "x"))
	dir := p.ociDir(t, "img", [2][]byte{gz(t, layer), layer})
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	check(t, err)
	for _, blob := range blobs {
		raw, err := os.ReadFile(blob)
		check(t, err)
		if bytes.Contains(raw, []byte("schemaVersion")) {
			continue // a layout's index is not held against its manifests
		}
		check(t, os.WriteFile(blob, append(raw, '\n'), 0o644))
		_, err = p.Pull(context.Background(), "oci:"+dir, PullOptions{})
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s was taken: %v", blob, err)
		}
		check(t, os.WriteFile(blob, raw, 0o644))
		p.empty(t)
	}
}

func TestBombEndsAtTheLimit(t *testing.T) {
	p := newPlace(t, "overlay")
	raw := bomb(t, 64<<20)
	dir := p.ociDir(t, "img", [2][]byte{gz(t, raw), raw})
	t.Setenv(limitEnv, "16m")
	_, err := p.Pull(context.Background(), "oci:"+dir, PullOptions{})
	var big *TooBigError
	if !errors.As(err, &big) || big.Bytes != 16<<20 {
		t.Errorf("got %v", err)
	}
	p.empty(t)
	_, err = p.Import(context.Background(), "-", bytes.NewReader(gz(t, raw)), ImportOptions{})
	if !errors.As(err, &big) {
		t.Errorf("import: %v", err)
	}
	p.empty(t)
	t.Setenv(limitEnv, "0")
	_, err = p.Pull(context.Background(), "oci:"+dir, PullOptions{})
	check(t, err)
	t.Setenv(limitEnv, "much")
	if _, err := layerLimit(); err == nil {
		t.Error("nonsense is a limit")
	}
}

// TestBombIsKnownByItsRatio unpacks nothing: it only reads.
func TestBombIsKnownByItsRatio(t *testing.T) {
	t.Setenv(limitEnv, "")
	l, err := layerLimit()
	check(t, err)
	packed := &counter{n: 4 << 20}
	_, err = io.Copy(io.Discard, &guard{r: zeros{}, in: packed, limit: l})
	var big *TooBigError
	if !errors.As(err, &big) {
		t.Errorf("got %v", err)
	}
	// Ten times its size is nothing unusual for a layer.
	packed = &counter{n: 200 << 20}
	_, err = io.CopyN(io.Discard, &guard{r: zeros{}, in: packed, limit: l}, 2<<30)
	check(t, err)
}

func TestBrokenArchives(t *testing.T) {
	p := newPlace(t, "overlay")
	p.importFile(t, "localhost/x:latest", strings.Repeat("content", 5000))
	check(t, p.Save(context.Background(), []string{"x"}, p.path("good.tar"), SaveOptions{Format: DockerArchive}))
	good, err := os.ReadFile(p.path("good.tar"))
	check(t, err)
	p.clear(t)
	for name, raw := range map[string][]byte{
		"empty":               {},
		"text":                []byte("this is no archive"),
		"truncated":           good[:len(good)/3],
		"truncated gz":        gz(t, good)[:200],
		"tar of nothing much": tarOf(t, file("readme", "hello")),
		"no manifest entries": tarOf(t, file("manifest.json", "[]")),
		"bad manifest":        tarOf(t, file("manifest.json", "{")),
		"missing layer":       tarOf(t, file("manifest.json", `[{"Config":"c.json","RepoTags":["a:b"],"Layers":["l.tar"]}]`), file("c.json", "{}")),
		"dots":                tarOf(t, file("oci-layout", "{}"), file("../../../index.json", "{}")),
	} {
		_, err := p.LoadFrom(context.Background(), bytes.NewReader(raw), Access{})
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "cannot load") {
			t.Errorf("%s: %v", name, err)
		}
		p.noImages(t)
	}
	if _, err := p.Load(context.Background(), p.path("nosuch"), Access{}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("missing file: %v", err)
	}
	check(t, os.Remove(p.path("good.tar")))
	p.empty(t)
}
