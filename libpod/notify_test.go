package libpod

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
)

func TestCorner42WhoTellsSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	for mode, want := range map[string]string{"": "MAINPID=7", "container": "MAINPID=7", "conmon": "MAINPID=7\nREADY=1", "ignore": ""} {
		c := &Container{Container: &spec.Container{Process: spec.Process{SdNotify: mode}}}
		c.Announce(7)
		if err := socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, _ := socket.Read(buf)
		if string(buf[:n]) != want {
			t.Errorf("%q says %q, want %q", mode, buf[:n], want)
		}
		if inside := c.monitorNotify(false).Inside; inside != (mode == "" || mode == "container") {
			t.Errorf("%q: the container may speak: %v", mode, inside)
		}
		if inside := c.monitorNotify(true).Inside; inside != (mode == "container") {
			t.Errorf("%q: one that something else needs may speak: %v", mode, inside)
		}
	}
}

// TestNobodyListens: a container is not held up by a socket that is gone.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	told := ""
	c := &Container{Container: &spec.Container{Name: "web"}, rt: &Runtime{opts: Options{Warn: func(line string) { told = line }}}}
	c.Announce(7)
	if !strings.HasPrefix(told, "systemd was not told that container web runs: ") {
		t.Errorf("told %q", told)
	}
}

func TestCorner43ListenVariablesAreNotCountedTwice(t *testing.T) {
	if got := monitorEnv([]string{"A=1", "LISTEN_FDS=1", "LISTEN_PID=2", "LISTEN_FDNAMES=x", "NOTIFY_SOCKET=/x", "WATCHDOG_USEC=1"}); !slices.Equal(got, []string{"A=1"}) {
		t.Errorf("got %v", got)
	}
}
