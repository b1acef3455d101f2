package monitor

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLabelledPipe runs as root, who may label files where SELinux is off.
func TestLabelledPipe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const label = "system_u:object_r:container_file_t:s0:c1,c2"
	path := filepath.Join(t.TempDir(), "pipe")
	for _, flags := range []int{0, unix.O_NONBLOCK} {
		if err := os.WriteFile(path, nil, 0o600); err != nil { // left behind
			t.Fatal(err)
		}
		r, w, err := Pipe(path, label, unix.O_CLOEXEC|flags)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Error("the path is still there:", err)
		}
		for _, fd := range []int{r, w} {
			buf := make([]byte, 100)
			n, err := unix.Fgetxattr(fd, "security.selinux", buf)
			if err != nil || string(buf[:n]) != label+"\x00" {
				t.Errorf("label %q, %v", buf[:max(n, 0)], err)
			}
			if got, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || got&unix.O_NONBLOCK != flags {
				t.Errorf("flags %#o, %v", got, err)
			}
		}
		if _, err := unix.Write(w, []byte("x")); err != nil {
			t.Fatal(err)
		}
		unix.Close(w)
		buf := make([]byte, 2)
		for _, want := range []int{1, 0} {
			if n, err := unix.Read(r, buf); n != want || err != nil {
				t.Errorf("read %d, %v; want %d", n, err, want)
			}
		}
		unix.Close(r)
	}
}
