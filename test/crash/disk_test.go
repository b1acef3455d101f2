package crash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk: with ever less room left, commands fail in words and leave
// nothing behind, and the volume keeps its data.
func TestFullDisk(t *testing.T) {
	smallOrSkip(t)
	s := newSite(t, "small/full")
	for _, left := range []int64{0, 4 << 10, 32 << 10, 128 << 10, 512 << 10, 3 << 20} {
		full := s.fill(left)
		for _, argv := range [][]string{
			{"load", "--quiet", "--input", filepath.Join(host.Images, "layers.tar")},
			{"pull", "--quiet", "oci-archive:" + filepath.Join(host.Images, "httpd.oci.tar")},
			{"create", "--network=none", "--name", "made", "busybox", "true"},
			{"run", "-d", "--network=none", "--name", "victim", "busybox", "sleep", "27182"},
			{"volume", "create", "more"},
		} {
			r := s.carob(argv...)
			if r.Code != 0 && !strings.Contains(r.Stderr, "space") && !strings.Contains(r.Stderr, "full") {
				t.Errorf("%s with %d bytes left: exit code %d without a word about space: %s", argv[0], left, r.Code, r.Stderr)
			}
		}
		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
		s.carob("volume", "rm", "more")
		s.inspect(fmt.Sprintf("a disk with %d bytes left", left))
		if t.Failed() {
			return
		}
	}
}

// TestFullDiskIsEmptied: on a disk without a byte left, things are ended and
// removed, which takes a little room by itself.
func TestFullDiskIsEmptied(t *testing.T) {
	smallOrSkip(t)
	s := newSite(t, "small/emptied")
	s.must("load", "--quiet", "--input", filepath.Join(host.Images, "alice.tar"))
	s.must("volume", "create", "more")
	s.runVictim()
	s.must(append(words("run -d --network=none --pod new:group busybox"), words(payload)...)...)
	full := s.fill(0)
	for _, argv := range []string{"ps", "stop -t 0 victim", "rm victim", "pod rm -f -t 0 group", "volume rm more", "rmi alice", "system prune --force"} {
		s.must(words(argv)...)
	}
	if left := s.ps(); len(left) > 0 {
		t.Errorf("%v is still there", left)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	s.inspect("a full disk emptied")
}

// TestFullRuntimeDirectory: the same for the tmpfs of sockets and pid files.
func TestFullRuntimeDirectory(t *testing.T) {
	smallOrSkip(t)
	s := newSite(t, "full-run")
	s.must("system", "migrate")
	old := s.Run
	s.moveRun(filepath.Join(host.Small, "run"))
	for _, left := range []int64{0, 4 << 10, 16 << 10, 64 << 10} {
		full := s.fill(left)
		r := s.carob(append(words("run -d --network=none --name victim busybox"), words(payload)...)...)
		// crun has words of its own, and they do not always tell.
		if r.Code != 0 && !strings.Contains(r.Stderr, "space") && !strings.Contains(r.Stderr, "crun: ") {
			t.Errorf("run with %d bytes left: exit code %d without a word about space: %s", left, r.Code, r.Stderr)
		}
		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
		s.inspect(fmt.Sprintf("a runtime directory with %d bytes left", left))
		if t.Failed() {
			return
		}
	}
	s.must("system", "migrate")
	if err := os.RemoveAll(s.Run); err != nil {
		t.Fatal(err)
	}
	s.moveRun(old)
}

// moveRun gives the place another runtime directory.
func (s *site) moveRun(dir string) {
	s.t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.Run = dir
	s.Env = append(s.Env, "XDG_RUNTIME_DIR="+dir)
}

// TestFullDiskLogs: a log that has no room does not hurt the container, and
// its exit code is kept.
func TestFullDiskLogs(t *testing.T) {
	smallOrSkip(t)
	s := newSite(t, "small/logs")
	s.must("run", "-d", "--network=none", "--name", "victim", "busybox", "sh", "-c",
		"while ! test -e /go; do sleep 0.1; done; yes | head -c 300000; exit 42")
	full := s.fill(256 << 10)
	s.carob("exec", "victim", "touch", "/go") // may lack room itself
	if err := os.Truncate(full, 0); err != nil {
		t.Fatal(err)
	}
	s.carob("exec", "victim", "touch", "/go") // it may end meanwhile, of the first
	if got := strings.TrimSpace(s.must("wait", "victim")); got != "42" {
		t.Errorf("exit code %s, not 42", got)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	s.must("rm", "victim") // started again, it would fill the disk again
	s.inspect("a log on a full disk")
}

// smallOrSkip skips where the small file system cannot hold an overlay.
func smallOrSkip(t *testing.T) {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(host.Small, &fs); err != nil {
		t.Fatal(err)
	}
	if size := int64(fs.Blocks) * fs.Bsize; size > 100<<20 {
		t.Skip("no small file system: neither root nor sudo")
	}
	probe := filepath.Join(host.Small, "probe")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(probe)
	if err := unix.Setxattr(probe, "user.overlay.probe", []byte("y"), 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("this kernel's tmpfs has no user attributes (before 6.6), overlay needs them")
	}
}

// fill writes a file that leaves about so many bytes free.
func (s *site) fill(left int64) (file string) {
	s.t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(host.Small, &fs); err != nil {
		s.t.Fatal(err)
	}
	file = filepath.Join(host.Small, "filler")
	f, err := os.Create(file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	free := int64(fs.Bavail) * fs.Bsize
	if free > left {
		if err := unix.Fallocate(int(f.Fd()), 0, 0, free-left); err != nil {
			s.t.Fatal(err)
		}
	}
	return file
}
