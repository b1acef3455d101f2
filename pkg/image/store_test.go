package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/containers/storage"
	"github.com/containers/storage/pkg/reexec"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	os.Exit(m.Run())
}

// testStore opens an empty store; the driver's mounts need root.
func testStore(t *testing.T, driver string) *Store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for the driver's mounts")
	}
	// Settings of the machine and its user must not matter.
	dir := t.TempDir()
	conf := filepath.Join(dir, "registries.conf")
	write(t, conf, "unqualified-search-registries = [\"quay.example\"]\n[aliases]\n\"tool\" = \"alias.example/deep/tool\"\n")
	t.Setenv("CONTAINERS_REGISTRIES_CONF", conf)
	t.Setenv("CONTAINERS_STORAGE_CONF", filepath.Join(dir, "none.conf"))
	write(t, filepath.Join(dir, "none.conf"), "[storage]\ndriver=\"overlay\"\n")
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("XDG_CACHE_HOME", dir)
	s, err := Open(Options{GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Driver: driver})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s *Store) {
	if _, err := s.store.Shutdown(true); err != nil {
		t.Error(err)
	}
	// The driver binds its home onto itself; temporary directories cannot be
	// removed while that lasts.
	_ = unix.Unmount(filepath.Join(s.paths.GraphRoot, s.paths.Driver), unix.MNT_DETACH)
	s.store.Free()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func backdate(t *testing.T, path string, age time.Duration) {
	t.Helper()
	then := time.Now().Add(-age)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

// layerTar is an uncompressed layer with the given files.
func layerTar(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// addImage puts an image with one layer into the store, as a pull would.
func addImage(t *testing.T, s *Store, content string, names ...string) *Image {
	t.Helper()
	layer, _, err := s.store.PutLayer("", "", nil, "", false, nil, bytes.NewReader(layerTar(t, map[string]string{"file": content})))
	if err != nil {
		t.Fatal(err)
	}
	created := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	config, err := json.Marshal(Config{
		Created: &created, Architecture: "amd64", OS: "linux",
		Config: Run{
			ImageConfig: v1.ImageConfig{Cmd: []string{"sh"}, Labels: map[string]string{"content": content}},
			Healthcheck: &Healthcheck{Test: []string{"CMD", "true"}, Interval: time.Second},
			Shell:       []string{"/bin/sh", "-c"},
			OnBuild:     []string{"RUN true"},
		},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.UncompressedDigest}},
		History: []v1.History{{CreatedBy: "ADD file", Created: &created}, {CreatedBy: "CMD sh", EmptyLayer: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cd := digest.FromBytes(config)
	manifest := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"digest":"` + cd.String() + `"},"layers":[]}`)
	md := digest.FromBytes(manifest)
	raw, err := s.store.CreateImage(cd.Encoded(), names, layer.ID, "", &storage.ImageOptions{
		CreationDate: created, Digest: md,
		BigData: []storage.ImageBigDataOption{
			{Key: cd.String(), Data: config, Digest: cd},
			{Key: "manifest", Data: manifest, Digest: md},
			{Key: "manifest-" + md.String(), Data: manifest, Digest: md},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.Lookup(raw.ID)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestContainerLayerIsMountedInAPrivateNamespace(t *testing.T) {
	for _, driver := range []string{"overlay", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			s := testStore(t, driver)
			img := addImage(t, s, "hello", "docker.io/library/a:latest")
			c, err := s.CreateContainer("", "one", img.ID, ContainerOptions{Volatile: true})
			if err != nil {
				t.Fatal(err)
			}
			mountpoints := filepath.Join(s.paths.RunRoot, driver+"-layers", "mountpoints.json")
			before, _ := os.ReadFile(mountpoints)
			done := make(chan error)
			go func() {
				runtime.LockOSThread() // never unlocked: the thread dies with its namespace
				done <- mountPrivately(s, c)
			}()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if after, _ := os.ReadFile(mountpoints); !bytes.Equal(before, after) {
				t.Errorf("mountpoints.json was written: %s", after)
			}
			if err := s.DeleteContainer(c.ID); err != nil {
				t.Fatal(err)
			}
			if err := s.DeleteContainer(c.ID); err != nil {
				t.Errorf("removing twice: %v", err)
			}
		})
	}
}

// A create that was killed between the layer and the record that names it.
func TestLayerWithoutItsContainerIsFound(t *testing.T) {
	s := testStore(t, "overlay")
	img := addImage(t, s, "hello", "docker.io/library/a:latest")
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	c, err := s.CreateContainer(id, "one", img.ID, ContainerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteContainer(id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.CreateLayer(c.LayerID, img.TopLayer, nil, "", true, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteContainer(id); err != nil {
		t.Fatal(err)
	}
	if s.store.Exists(c.LayerID) {
		t.Error("the layer is still there")
	}
}

func mountPrivately(s *Store, c *Container) error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	path, err := s.MountLayer(c.LayerID, c.MountOptions())
	if err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(path, "file"))
	if err != nil {
		return err
	}
	if string(got) != "hello" {
		return errors.New("wrong content " + string(got))
	}
	return os.WriteFile(filepath.Join(path, "new"), nil, 0o600)
}

func TestConfigKeepsDockersFields(t *testing.T) {
	s := testStore(t, "vfs")
	img := addImage(t, s, "x", "docker.io/library/a:latest")
	c, err := img.Config()
	if err != nil {
		t.Fatal(err)
	}
	if c.Config.Healthcheck == nil || c.Config.Healthcheck.Interval != time.Second || len(c.Config.OnBuild) != 1 || len(c.Config.Shell) != 2 {
		t.Errorf("config lost fields: %+v", c.Config)
	}
	h, err := img.History()
	if err != nil {
		t.Fatal(err)
	}
	if len(h) != 2 || h[0].ID != img.ID || h[0].Size != 0 || h[1].ID != "<missing>" || h[1].Size == 0 {
		t.Errorf("history: %+v", h)
	}
	size, err := img.Size()
	if err != nil || size < 1024 {
		t.Errorf("size %d, %v", size, err)
	}
}

func TestNameInUse(t *testing.T) {
	s := testStore(t, "vfs")
	img := addImage(t, s, "x")
	if _, err := s.CreateContainer("", "one", img.ID, ContainerOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateContainer("", "one", img.ID, ContainerOptions{}); !errors.Is(err, ErrNameInUse) {
		t.Errorf("got %v", err)
	}
}

func TestBrokenStorageConfIsOneLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"syntax":  {"[storage]\ndriver = overlay\n", "line 2"},
		"type":    {"[storage]\ndriver = 3\n", "storage.driver"},
		"driver":  {"[storage]\ndriver = \"aufs\"\n", "storage.driver"},
		"path":    {"[storage]\ndriver=\"overlay\"\ngraphroot = \"here\"\n", "storage.graphroot"},
		"options": {"[storage]\n[storage.options.overlay]\nmountopt = 7\n", "mountopt"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "storage.conf")
			write(t, path, c.text)
			t.Setenv("CONTAINERS_STORAGE_CONF", path)
			_, err := Locate(Options{})
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A store inside an overlay mount cannot use overlay itself.
func TestDriverFallsBackToCopies(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		mkdir(t, filepath.Join(dir, d))
	}
	merged := filepath.Join(dir, "merged")
	options := fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", dir, dir, dir)
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		t.Skip("no overlay here:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(merged, unix.MNT_DETACH) })
	write(t, filepath.Join(dir, "storage.conf"), "")
	t.Setenv("CONTAINERS_STORAGE_CONF", filepath.Join(dir, "storage.conf"))
	t.Setenv("PATH", "") // no fuse-overlayfs
	o := Options{GraphRoot: filepath.Join(merged, "graph"), RunRoot: filepath.Join(dir, "run")}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	if s.Paths().Driver != "vfs" {
		t.Errorf("driver is %s", s.Paths().Driver)
	}
	addImage(t, s, "x", "localhost/x:latest")
	// From now on the store's own driver is known without trying.
	if p, err := Locate(o); err != nil || p.Driver != "vfs" {
		t.Errorf("%+v %v", p, err)
	}
	o = Options{GraphRoot: filepath.Join(merged, "other"), RunRoot: filepath.Join(dir, "run2"), Driver: "overlay"}
	_, err = Open(o)
	var h interface{ Hint() string }
	if err == nil || !errors.As(err, &h) || !strings.Contains(h.Hint(), "fuse-overlayfs") {
		t.Errorf("overlay by name: %v", err)
	}
}
