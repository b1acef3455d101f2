package transfer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containers/image/v5/pkg/sysregistriesv2"
	"github.com/containers/image/v5/types"
	"github.com/containers/storage/pkg/reexec"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/image"
)

func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	const mark = "CAROB_TEST_AT_HOME"
	if os.Getenv(mark) != "" {
		os.Exit(m.Run())
	}
	if err := atHome(mark); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// atHome runs the tests again with a home directory that has a policy: this
// host may have none, and the libraries look for it only once per process.
func atHome(mark string) error {
	home, err := os.MkdirTemp("", "transfer-home")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	dir := filepath.Join(home, ".config/containers")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "policy.json"), []byte(acceptAll), 0o600)); err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "HOME="+home, mark+"=yes")
	return cmd.Run()
}

// place is a client with an empty store and settings of its own.
type place struct {
	*Client
	dir      string
	store    *image.Store
	progress *lockedBuffer
}

// lockedBuffer is a writer for several layers at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// homeEnv is the place of a test that runs alone.
const homeEnv = "CAROB_TEST_HOME"

const acceptAll = `{"default":[{"type":"insecureAcceptAnything"}]}`

func newPlace(t *testing.T, driver string) *place {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for the driver's mounts")
	}
	p := &place{dir: os.Getenv(homeEnv), progress: &lockedBuffer{}}
	if p.dir == "" {
		p.dir = t.TempDir()
	}
	t.Setenv("HOME", p.dir)
	t.Setenv("XDG_CONFIG_HOME", p.path(".config"))
	t.Setenv("XDG_RUNTIME_DIR", p.path("runtime"))
	t.Setenv("TMPDIR", p.path("tmp"))
	t.Setenv("CONTAINERS_REGISTRIES_CONF", p.path("registries.conf"))
	t.Setenv("CONTAINERS_STORAGE_CONF", p.path("storage.conf"))
	for _, d := range []string{".config/containers", "runtime", "tmp"} {
		check(t, os.MkdirAll(p.path(d), 0o700))
	}
	p.write(t, "registries.conf", "")
	p.write(t, "storage.conf", "[storage]\ndriver=\"overlay\"\n")
	p.write(t, ".config/containers/policy.json", acceptAll)
	s, err := image.Open(image.Options{GraphRoot: p.path("graph"), RunRoot: p.path("run"), Driver: driver})
	check(t, err)
	t.Cleanup(func() {
		_, err := s.Storage().Shutdown(true)
		_ = unix.Unmount(p.path("graph/"+driver), unix.MNT_DETACH)
		s.Storage().Free()
		check(t, err)
	})
	p.store, p.Client = s, New(s, p.progress, p.progress, "test")
	return p
}

// alone runs the test in a process of its own and returns true there: the
// libraries look for the user's directories only once per process.
func alone(t *testing.T) bool {
	t.Helper()
	const mark = "CAROB_TEST_ALONE"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root for the driver's mounts")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), mark+"="+t.Name(), homeEnv+"="+dir, "HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, ".config"))
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("--- SKIP")) {
		t.Skipf("%s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) write(t *testing.T, name, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(p.path(name)), 0o700))
	check(t, os.WriteFile(p.path(name), []byte(text), 0o600))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// empty fails unless nothing is in the store, visible or not.
func (p *place) empty(t *testing.T) {
	t.Helper()
	images, err := p.store.Images()
	check(t, err)
	layers, err := p.store.Storage().Layers()
	check(t, err)
	staged, err := filepath.Glob(p.path("graph/overlay/staging/*"))
	check(t, err)
	temporary, err := filepath.Glob(p.path("tmp/*"))
	check(t, err)
	if len(images)+len(layers)+len(staged)+len(temporary) > 0 {
		t.Errorf("left behind: %d images, %d layers, staging %v, temporary %v", len(images), len(layers), staged, temporary)
	}
}

// clear removes all images.
func (p *place) clear(t *testing.T) {
	t.Helper()
	images, err := p.store.Images()
	check(t, err)
	for _, i := range images {
		_, err := p.store.Storage().DeleteImage(i.ID, true)
		check(t, err)
	}
}

// memoryRegistry serves registry/v2 from memory, over plain HTTP.
func memoryRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

var plain = Access{TLSVerify: types.OptionalBoolFalse}

// entry is a member of a test layer.
type entry struct {
	name, text, link string
	kind             byte
}

func file(name, text string) entry { return entry{name: name, text: text, kind: tar.TypeReg} }

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		check(t, w.WriteHeader(&tar.Header{
			Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o755, Size: int64(len(e.text)), Devmajor: 1, Devminor: 3,
		}))
		_, err := w.Write([]byte(e.text))
		check(t, err)
	}
	check(t, w.Close())
	return b.Bytes()
}

func gz(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(raw)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

// ociDir writes an OCI layout with one image of the given layers, each as
// stored and as unpacked.
func (p *place) ociDir(t *testing.T, name string, layers ...[2][]byte) string {
	t.Helper()
	dir := p.path(name)
	blobs := filepath.Join(dir, "blobs/sha256")
	check(t, os.MkdirAll(blobs, 0o755))
	put := func(raw []byte) (digest.Digest, int) {
		d := digest.FromBytes(raw)
		check(t, os.WriteFile(filepath.Join(blobs, d.Encoded()), raw, 0o644))
		return d, len(raw)
	}
	var diffIDs, descriptors []string
	for _, l := range layers {
		d, n := put(l[0])
		diffIDs = append(diffIDs, fmt.Sprintf("%q", digest.FromBytes(l[1])))
		descriptors = append(descriptors, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":%d}`, d, n))
	}
	c, cn := put([]byte(`{"architecture":"amd64","os":"linux","config":{"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":[` + strings.Join(diffIDs, ",") + `]}}`))
	m, mn := put([]byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[%s]}`,
		c, cn, strings.Join(descriptors, ","))))
	check(t, os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "index.json"), []byte(fmt.Sprintf(
		`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d}]}`, m, mn)), 0o644))
	return dir
}

// read is a file of an image, mounted.
func (p *place) read(t *testing.T, name, path string) string {
	t.Helper()
	i, err := p.store.Lookup(name)
	check(t, err)
	root, err := i.Mount()
	check(t, err)
	defer func() { check(t, i.Unmount(true)) }()
	raw, err := os.ReadFile(filepath.Join(root, path))
	check(t, err)
	return string(raw)
}

// importTree makes an image of one file.
func (p *place) importFile(t *testing.T, name, text string) string {
	t.Helper()
	id, err := p.Import(context.Background(), "-", bytes.NewReader(tarOf(t, file("file", text))), ImportOptions{Name: name})
	check(t, err)
	return id
}

func TestPushPullRoundTrip(t *testing.T) {
	for _, driver := range []string{"overlay", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			ctx := context.Background()
			p := newPlace(t, driver)
			host := memoryRegistry(t)
			lower := tarOf(t, entry{name: "d", kind: tar.TypeDir}, file("d/gone", "x"), file("kept", "lower"))
			upper := tarOf(t, entry{name: "d", kind: tar.TypeDir}, file("d/.wh.gone", ""), file("changed", "upper"))
			dir := p.ociDir(t, "two", [2][]byte{gz(t, lower), lower}, [2][]byte{gz(t, upper), upper})
			ids, err := p.Pull(ctx, "oci:"+dir, PullOptions{})
			check(t, err)
			d, err := p.Push(ctx, ids[0], host+"/team/two:1", PushOptions{Access: plain})
			check(t, err)
			p.clear(t)
			p.empty(t)
			again, err := p.Pull(ctx, host+"/team/two:1", PullOptions{Access: plain})
			check(t, err)
			if again[0] != ids[0] {
				t.Errorf("ID changed from %s to %s", ids[0], again[0])
			}
			i, err := p.store.Lookup(host + "/team/two@" + d.String())
			check(t, err)
			if i.ID != ids[0] {
				t.Errorf("found %s by digest", i.ID)
			}
			if p.read(t, ids[0], "kept") != "lower" || p.read(t, ids[0], "changed") != "upper" {
				t.Error("wrong content")
			}
			root, err := i.Mount()
			check(t, err)
			if _, err := os.Lstat(filepath.Join(root, "d/gone")); !os.IsNotExist(err) {
				t.Errorf("the whiteout did not work: %v", err)
			}
			check(t, i.Unmount(true))
			// What comes back out is the same byte for byte.
			var saved bytes.Buffer
			check(t, p.SaveTo(ctx, []string{ids[0]}, &saved, SaveOptions{Format: DockerArchive}))
			if !hasMember(t, saved.Bytes(), digest.FromBytes(upper)) || !hasMember(t, saved.Bytes(), digest.FromBytes(lower)) {
				t.Error("the saved layers are others")
			}
			p.clear(t)
			p.empty(t)
		})
	}
}

func hasMember(t *testing.T, archive []byte, d digest.Digest) bool {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return false
		}
		check(t, err)
		sum := sha256.New()
		_, err = io.Copy(sum, r)
		check(t, err)
		if h.Typeflag == tar.TypeReg && digest.NewDigest(digest.SHA256, sum) == d {
			return true
		}
	}
}

func TestSaveLoadFormats(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t, "overlay")
	id := p.importFile(t, "localhost/one:1", "content")
	for format, name := range map[string]string{DockerArchive: "a.tar", OCIArchive: "o:c.tar", OCIDir: "odir", DockerDir: "ddir"} {
		t.Run(format, func(t *testing.T) {
			if strings.Contains(name, ":") {
				name = strings.ReplaceAll(name, ":", "") // the OCI syntax has no way to quote it
			}
			check(t, p.Save(ctx, []string{"one:1"}, p.path(name), SaveOptions{Format: format}))
			q := newPlace(t, "overlay")
			names, err := q.Load(ctx, p.path(name), Access{})
			check(t, err)
			if len(names) != 1 || format != DockerDir && names[0] != "localhost/one:1" {
				t.Errorf("loaded %v", names)
			}
			if q.read(t, names[0], "file") != "content" {
				t.Error("wrong content")
			}
			if i, err := q.store.Lookup(names[0]); err != nil || format != DockerDir && format != DockerArchive && i.ID != id {
				t.Errorf("ID %v %v, was %s", i, err, id)
			}
		})
	}
	t.Run("several names", func(t *testing.T) {
		p.importFile(t, "localhost/two:2", "other")
		check(t, p.Save(ctx, []string{"one:1", "two:2"}, p.path("m.tar"), SaveOptions{Format: DockerArchive, Tags: []string{"more"}}))
		raw, err := os.ReadFile(p.path("m.tar"))
		check(t, err)
		q := newPlace(t, "overlay")
		names, err := q.LoadFrom(ctx, bytes.NewReader(gz(t, raw)), Access{})
		check(t, err)
		if strings.Join(names, " ") != "localhost/one:1 localhost/more:latest localhost/two:2" {
			t.Errorf("loaded %v", names)
		}
	})
}

func TestImportKeepsWhatWasAsked(t *testing.T) {
	p := newPlace(t, "overlay")
	for _, raw := range [][]byte{tarOf(t, file("f", "x")), gz(t, tarOf(t, file("f", "x")))} {
		id, err := p.Import(context.Background(), "-", bytes.NewReader(raw), ImportOptions{
			Name: "base", Message: "why", Arch: "arm64", Changes: []string{"CMD [\"run\"]", "LABEL a=b"},
		})
		check(t, err)
		i, err := p.store.Lookup("localhost/base:latest")
		check(t, err)
		c, err := i.Config()
		check(t, err)
		if i.ID != id || c.Architecture != "arm64" || c.Config.Cmd[0] != "run" || c.Config.Labels["a"] != "b" || c.History[0].Comment != "why" {
			t.Errorf("%+v", c)
		}
	}
	if _, err := p.Import(context.Background(), "-", strings.NewReader("no tar"), ImportOptions{}); err == nil {
		t.Error("nonsense was imported")
	}
	if _, err := p.Import(context.Background(), p.path("nosuch"), nil, ImportOptions{}); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("got %v", err)
	}
	p.clear(t)
	p.empty(t)
}

func TestCorner51PolicyAndRegistriesConf(t *testing.T) {
	if !alone(t) {
		return
	}
	ctx := context.Background()
	p := newPlace(t, "overlay")
	host := memoryRegistry(t)
	p.importFile(t, "localhost/x:latest", "x")
	_, err := p.Push(ctx, "x", host+"/team/x", PushOptions{Access: plain})
	check(t, err)
	p.clear(t)
	pullAs := func(name string, a Access) error {
		_, err := p.Pull(ctx, name, PullOptions{Access: a})
		p.clear(t)
		return err
	}

	p.write(t, "registries.conf", fmt.Sprintf("[[registry]]\nlocation=%q\ninsecure=true\n", host))
	resetRegistries()
	check(t, pullAs(host+"/team/x", Access{}))
	p.write(t, "registries.conf", fmt.Sprintf("[[registry]]\nlocation=\"far.example\"\n[[registry.mirror]]\nlocation=%q\ninsecure=true\n", host))
	resetRegistries()
	check(t, pullAs("far.example/team/x", Access{}))
	p.write(t, "registries.conf", fmt.Sprintf("[[registry]]\nlocation=%q\nblocked=true\n", host))
	resetRegistries()
	if err := pullAs(host+"/team/x", plain); err == nil || !strings.Contains(err.Error(), "blocked") {
		t.Errorf("blocked: %v", err)
	}
	p.write(t, "registries.conf", "")
	resetRegistries()

	p.write(t, ".config/containers/policy.json", `{"default":[{"type":"reject"}]}`)
	if err := pullAs(host+"/team/x", plain); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("rejected: %v", err)
	}
	p.empty(t)
	missing := plain
	missing.SignaturePolicy = p.path("nosuch.json")
	err = pullAs(host+"/team/x", missing)
	var h interface{ Hint() string }
	if err == nil || !strings.Contains(err.Error(), "nosuch.json") || strings.Contains(err.Error(), "\n") || !asHint(err, &h) || !strings.Contains(h.Hint(), "policy.json") {
		t.Errorf("no policy: %v", err)
	}
	p.empty(t)
}

func TestCorner52PullPolicy(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t, "overlay")
	host := memoryRegistry(t)
	name := host + "/x:latest"
	publish := func(text string) string {
		id := p.importFile(t, "localhost/x:latest", text)
		_, err := p.Push(ctx, "localhost/x", name, PushOptions{Access: plain})
		check(t, err)
		return id
	}
	pull := func(policy string) (string, error) {
		ids, err := p.Pull(ctx, name, PullOptions{Access: plain, Policy: policy})
		if err != nil {
			return "", err
		}
		return ids[0], nil
	}
	want := func(policy, id string) {
		t.Helper()
		got, err := pull(policy)
		if err != nil || got != id {
			t.Errorf("%s: %s %v, want %s", policy, got, err, id)
		}
	}
	old := publish("old")
	if _, err := pull(PullNever); err == nil || err.Error() != name+": image not known" {
		t.Errorf("never: %v", err)
	}
	want(PullMissing, old)
	newer := publish("new")
	want(PullNever, old)
	want(PullMissing, old)
	want(PullNewer, newer)
	want(PullNewer, newer)
	newest := publish("newest")
	want(PullAlways, newest)
	name = "127.0.0.1:1/x:latest" // nobody listens there
	check(t, p.store.Storage().AddNames(newest, []string{name}))
	want(PullNewer, newest)
	if _, err := pull(PullAlways); err == nil {
		t.Error("always pulled from nowhere")
	}
}

func TestCorner53TwoPullsOfOneImage(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t, "overlay")
	host := memoryRegistry(t)
	p.importFile(t, "localhost/x:latest", strings.Repeat("x", 1<<20))
	_, err := p.Push(ctx, "x", host+"/x:latest", PushOptions{Access: plain})
	check(t, err)
	p.clear(t)
	done := make(chan error)
	const pulls = 4
	for range pulls {
		go func() {
			_, err := New(p.store, nil, io.Discard, "test").Pull(ctx, host+"/x", PullOptions{Access: plain})
			done <- err
		}()
	}
	for range pulls {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	layers, err := p.store.Storage().Layers()
	check(t, err)
	if len(layers) != 1 {
		t.Errorf("%d layers", len(layers))
	}
	p.clear(t)
	p.empty(t)
}

func TestPlatformWarning(t *testing.T) {
	p := newPlace(t, "overlay")
	host := memoryRegistry(t)
	_, err := p.Import(context.Background(), "-", bytes.NewReader(tarOf(t, file("f", "x"))), ImportOptions{Name: "x", Arch: "s390x"})
	check(t, err)
	_, err = p.Push(context.Background(), "x", host+"/x", PushOptions{Access: plain})
	check(t, err)
	_, err = p.Pull(context.Background(), host+"/x", PullOptions{Access: plain})
	check(t, err)
	if !strings.Contains(p.progress.String(), "WARNING: image platform (linux/s390x) does not match") {
		t.Errorf("said: %s", p.progress)
	}
}

func TestInterruptedPullLeavesNothing(t *testing.T) {
	p := newPlace(t, "overlay")
	layer := tarOf(t, file("big", strings.Repeat("y", 1<<20)))
	dir := p.ociDir(t, "img", [2][]byte{gz(t, layer), layer})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Pull(ctx, "oci:"+dir, PullOptions{})
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
	p.empty(t)
}

func TestOneLineErrors(t *testing.T) {
	p := newPlace(t, "overlay")
	host := memoryRegistry(t)
	for name, want := range map[string]string{
		host + "/nosuch":             "unknown",
		"nosuch.invalid/x":           "cannot find host nosuch.invalid",
		"127.0.0.1:1/x":              "connection refused",
		"short":                      "short",
		"Bad":                        "lower case",
		"oci:" + p.path("nosuch"):    "nosuch",
		"docker-archive:/nosuch.tar": "/nosuch.tar",
		"dir:/nosuch":                "nosuch",
	} {
		_, err := p.Pull(context.Background(), name, PullOptions{Access: plain})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without the flag a registry that speaks no TLS gets the hint.
	_, err := p.Pull(context.Background(), host+"/x", PullOptions{})
	var h interface{ Hint() string }
	if err == nil || !asHint(err, &h) || !strings.Contains(h.Hint(), "--tls-verify=false") {
		t.Errorf("plain HTTP: %v", err)
	}
	p.empty(t)
}

func TestAllTags(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t, "overlay")
	host := memoryRegistry(t)
	p.importFile(t, "localhost/x:latest", "x")
	for _, tag := range []string{"a", "b"} {
		_, err := p.Push(ctx, "x", host+"/x:"+tag, PushOptions{Access: plain})
		check(t, err)
	}
	ids, err := p.Pull(ctx, host+"/x", PullOptions{Access: plain, AllTags: true})
	check(t, err)
	if len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("got %v", ids)
	}
	tags, err := p.Tags(ctx, host+"/x", 1, plain)
	check(t, err)
	if len(tags) != 1 || tags[0].Tag != "a" {
		t.Errorf("tags: %v", tags)
	}
}

func asHint(err error, h *interface{ Hint() string }) bool { return errors.As(err, h) }

// resetRegistries makes containers/image read registries.conf again.
func resetRegistries() { sysregistriesv2.InvalidateCache() }
