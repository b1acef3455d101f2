package monitor_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
)

// systemdSocket is one as systemd's, with room for some messages.
func systemdSocket(t *testing.T) (path string, fd int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "systemd")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}))
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	return path, fd
}

// notifying is a container that speaks to systemd, whose socket is returned.
func notifying(t *testing.T) (b *box, c *client.Conn, systemd int) {
	t.Helper()
	path, systemd := systemdSocket(t)
	b = newBox(t, "sleep", "1000")
	b.cfg.Notify = monitor.Notify{Socket: path, Inside: true}
	b.cfg.StopSignal = int(unix.SIGKILL)
	c = b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	return b, c, systemd
}

// speaks sends as the container would.
func (b *box) speaks(text string, fds ...int) {
	b.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(b.t, err)
	defer unix.Close(fd)
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	to := &unix.SockaddrUnix{Name: filepath.Join(b.cfg.RunDir, monitor.NotifyDir, monitor.NotifyFile)}
	if err := unix.Sendmsg(fd, []byte(text), rights, to, 0); err != nil {
		b.t.Errorf("cannot say %.20q: %v", text, err)
	}
}

func hears(t *testing.T, fd int, want string) (rights []byte) {
	t.Helper()
	buf, oob := make([]byte, 200), make([]byte, 64)
	n, on, _, _, err := unix.Recvmsg(fd, buf, oob, 0)
	if err != nil || string(buf[:n]) != want {
		t.Fatalf("systemd hears %q %v, want %q", buf[:max(n, 0)], err, want)
	}
	return oob[:on]
}

func TestCorner42HandsOnWhatSystemdIsTold(t *testing.T) {
	b, c, systemd := notifying(t)
	b.speaks("READY=1\nMAINPID=1\nSTATUS=up")
	hears(t, systemd, "READY=1\nSTATUS=up")
	b.speaks("FDSTORE=1") // nothing of it is the container's to say
	b.speaks(strings.Repeat("x", 5000))
	b.speaks("WATCHDOG=1")
	hears(t, systemd, "WATCHDOG=1")

	// a barrier: our end hangs up once systemd has closed its copy, not before
	var p [2]int
	must(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	b.speaks("BARRIER=1", p[1])
	unix.Close(p[1])
	rights := hears(t, systemd, "BARRIER=1")
	if n, err := unix.Read(p[0], make([]byte, 1)); err != unix.EAGAIN {
		t.Errorf("the barrier is open: %d %v", n, err)
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	must(t, err)
	fds, err := unix.ParseUnixRights(&messages[0])
	must(t, err)
	unix.Close(fds[0])
	hung := []unix.PollFd{{Fd: int32(p[0]), Events: unix.POLLIN}}
	if n, err := unix.Poll(hung, 5000); n != 1 || err != nil {
		t.Errorf("the barrier never opens: %v", err)
	}

	b.speaks("STOPPING=1")
	hears(t, systemd, "STOPPING=1")
	stop(t, c)
}

// TestNotifyWaitsForRoom: what systemd has no room for comes later, in order.
func TestNotifyWaitsForRoom(t *testing.T) {
	b, c, systemd := notifying(t)
	const many = 60 // more than both queues hold, net.unix.max_dgram_qlen
	go func() {
		for n := range many {
			b.speaks("STATUS=" + strconv.Itoa(n))
		}
	}()
	time.Sleep(300 * time.Millisecond)
	for n := range many {
		hears(t, systemd, "STATUS="+strconv.Itoa(n))
	}
	stop(t, c)
}

// TestNotifySurvivesTheMonitor: the next monitor's socket is where the first's was.
func TestNotifySurvivesTheMonitor(t *testing.T) {
	b, c, systemd := notifying(t)
	b.killMonitor()
	c.Close()
	c = b.adopt()
	must(t, c.Attach(outputs))
	_, err := c.Until(nil, nil, monitor.MsgStatus)
	must(t, err)
	b.speaks("WATCHDOG=1")
	hears(t, systemd, "WATCHDOG=1")
	stop(t, c)
}
