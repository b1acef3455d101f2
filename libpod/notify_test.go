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
		inside := slices.Contains(c.monitorEnv([]string{"A=1", "NOTIFY_SOCKET=/x", "LISTEN_FDS=1", "LISTEN_PID=2"}, false), "NOTIFY_SOCKET=/x")
		if inside != (mode == "" || mode == "container") {
			t.Errorf("%q: the OCI runtime gets the socket: %v", mode, inside)
		}
		inside = slices.Contains(c.monitorEnv([]string{"NOTIFY_SOCKET=/x"}, true), "NOTIFY_SOCKET=/x")
		if inside != (mode == "container") {
			t.Errorf("%q: one that something else needs gets the socket: %v", mode, inside)
		}
	}
}

func TestCorner43ListenVariablesAreNotCountedTwice(t *testing.T) {
	c := &Container{Container: &spec.Container{}}
	if got := c.monitorEnv([]string{"A=1", "LISTEN_FDS=1", "LISTEN_PID=2", "LISTEN_FDNAMES=x"}, false); !slices.Equal(got, []string{"A=1"}) {
		t.Errorf("got %v", got)
	}
}
