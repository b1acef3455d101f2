package transfer

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/image"
)

const killedEnv = "CAROB_TEST_KILLED"

// TestKilledImportIsCleanedUp kills a process in the middle of unpacking. What
// it leaves is in no list, and the next command takes it away.
func TestKilledImportIsCleanedUp(t *testing.T) {
	if dir := os.Getenv(killedEnv); dir != "" {
		importForEver(dir)
		return
	}
	p := newPlace(t, "overlay")
	raw := tarOf(t, file("first", strings.Repeat("x", 1<<20)), file("second", strings.Repeat("y", 1<<20)))
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), killedEnv+"="+p.dir)
	stdin, err := cmd.StdinPipe()
	check(t, err)
	check(t, cmd.Start())
	_, err = stdin.Write(raw[:len(raw)*3/4])
	check(t, err)
	for !exists(p.path("graph/overlay/staging/*/dir/first")) {
		time.Sleep(10 * time.Millisecond)
	}
	check(t, cmd.Process.Kill())
	_ = cmd.Wait()

	p.noImages(t)
	if n, err := p.store.CleanStaging(); err != nil || n != 0 {
		t.Errorf("%d removed while it may still be in the making, %v", n, err)
	}
	then := time.Now().Add(-time.Minute)
	left, err := filepath.Glob(p.path("graph/overlay/staging/*"))
	check(t, err)
	for _, dir := range left {
		check(t, os.Chtimes(dir, then, then))
	}
	p.importFile(t, "localhost/x:latest", "x")
	p.clear(t)
	p.empty(t)
}

func exists(pattern string) bool {
	found, err := filepath.Glob(pattern)
	return err == nil && len(found) > 0
}

func importForEver(dir string) {
	s, err := image.Open(image.Options{GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Driver: "overlay"})
	if err == nil {
		_, err = New(s, nil, io.Discard, "test").Import(context.Background(), "-", os.Stdin, ImportOptions{})
	}
	panic(err) // it is to be killed before
}

func TestFullDiskLeavesNothing(t *testing.T) {
	p := newPlace(t, "overlay")
	small := p.path("small")
	check(t, os.Mkdir(small, 0o700))
	check(t, unix.Mount("tmpfs", small, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { check(t, unix.Unmount(small, unix.MNT_DETACH)) })
	s, err := image.Open(image.Options{GraphRoot: filepath.Join(small, "graph"), RunRoot: p.path("run2"), Driver: "overlay"})
	check(t, err)
	t.Cleanup(func() {
		_, _ = s.Storage().Shutdown(true)
		_ = unix.Unmount(filepath.Join(small, "graph/overlay"), unix.MNT_DETACH)
		s.Storage().Free()
	})
	c := New(s, nil, io.Discard, "test")
	raw := tarOf(t, file("big", strings.Repeat("z", 20<<20)))
	dir := p.ociDir(t, "img", [2][]byte{gz(t, raw), raw})
	_, err = c.Pull(context.Background(), "oci:"+dir, PullOptions{})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || strings.Contains(err.Error(), "\n") {
		t.Errorf("pull: %v", err)
	}
	_, err = c.Import(context.Background(), "-", bytes.NewReader(raw), ImportOptions{})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("import: %v", err)
	}
	layers, err := s.Storage().Layers()
	check(t, err)
	if len(layers) > 0 || exists(filepath.Join(small, "graph/overlay/staging/*")) {
		t.Errorf("left: %v", layers)
	}
	// There is room again at once.
	if _, err := c.Import(context.Background(), "-", bytes.NewReader(tarOf(t, file("f", "x"))), ImportOptions{}); err != nil {
		t.Error(err)
	}
}
