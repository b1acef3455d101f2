package libpod

import (
	"net"
	"path/filepath"
	"slices"
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
		if err := c.Announce(7); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
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

func TestCorner43ListenVariablesAreNotCountedTwice(t *testing.T) {
	if got := monitorEnv([]string{"A=1", "LISTEN_FDS=1", "LISTEN_PID=2", "LISTEN_FDNAMES=x", "NOTIFY_SOCKET=/x", "WATCHDOG_USEC=1"}); !slices.Equal(got, []string{"A=1"}) {
		t.Errorf("got %v", got)
	}
}
