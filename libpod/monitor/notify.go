package monitor

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notify says who speaks to systemd for the container, see sd_notify(3).
// Nobody: the zero value.
type Notify struct {
	// Socket is systemd's, with @ for an abstract one.
	Socket string `json:"socket"`
	// Inside: the container does. What it sends to NotifyFile in the directory
	// NotifyDir of RunDir, made before the monitor, is handed on.
	Inside bool `json:"inside,omitempty"`
	// Healthy: the monitor does, once the container is healthy.
	Healthy bool `json:"healthy,omitempty"`
}

// NotifyDir is in the runtime directory and mounted in the container, so that
// the next monitor's socket appears there, too.
const (
	NotifyDir  = "notify"
	NotifyFile = "notify.sock"
)

// notifyMax is the longest message that systemd takes, in bytes.
const notifyMax = 4096

// notifyPause is how long we wait for room in systemd's queue.
const notifyPause = 100 * time.Millisecond

// notifier receives what the container tells systemd.
type notifier struct {
	fd     int // 0: none
	paused *timer
}

// voice is a message on its way to systemd.
type voice struct {
	text string
	fds  []int // of BARRIER=1: closed when systemd has read what came before
}

// hearContainer makes the socket that the container speaks to.
func (s *supervisor) hearContainer() error {
	if !s.cfg.Notify.Inside {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return wrap("cannot make a socket", err)
	}
	dir := s.cfg.RunDir + "/" + NotifyDir
	if err := mkdirAll(dir); err != nil {
		unix.Close(fd)
		return err
	}
	_ = unix.Unlink(dir + "/" + NotifyFile) // of a dead predecessor
	path, done := shortPath(dir, NotifyFile)
	defer done()
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = unix.Chmod(path, 0o666) // any user of the container may speak
	}
	if err != nil {
		unix.Close(fd)
		return wrap("cannot listen at "+dir+"/"+NotifyFile, err)
	}
	s.notifier.fd = fd
	return s.loop.add(fd, unix.EPOLLIN, s.onNotify)
}

// onNotify hands on what the container has said.
func (s *supervisor) onNotify(uint32) {
	for range 8 { // others have their turn
		// Looked at first and taken once systemd has it: while its queue is full
		// ours fills, and whoever speaks waits.
		v, ok := s.peekVoice()
		if !ok {
			return
		}
		err := v.tell(s.cfg.Notify.Socket)
		v.close()
		if err == unix.EAGAIN {
			s.pauseNotify()
			return
		}
		if err != nil {
			s.note("carob: " + wrap("cannot hand on to systemd what the container says", err).Error())
		}
		// Without room for them, text and descriptors are dropped.
		_, _, _ = unix.Recvfrom(s.notifier.fd, s.io.packet()[:1], 0)
		s.idleSoon()
	}
}

func (s *supervisor) pauseNotify() {
	s.loop.remove(s.notifier.fd)
	s.notifier.paused = s.after(notifyPause, func() {
		s.notifier.paused = nil
		_ = s.loop.add(s.notifier.fd, unix.EPOLLIN, s.onNotify)
	})
}

// peekVoice is the next message, which stays where it is. Its descriptors are
// copies.
func (s *supervisor) peekVoice() (voice, bool) {
	buf, rights := s.io.packet()[:notifyMax], make([]byte, unix.CmsgSpace(4))
	n, rn, got, _, err := unix.Recvmsg(s.notifier.fd, buf, rights, unix.MSG_PEEK|unix.MSG_CMSG_CLOEXEC|unix.MSG_TRUNC)
	if err != nil {
		return voice{}, false
	}
	v := voice{}
	if messages, err := unix.ParseSocketControlMessage(rights[:rn]); err == nil {
		for i := range messages {
			if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
				v.fds = append(v.fds, fds...)
			}
		}
	}
	if got&unix.MSG_TRUNC == 0 {
		v.text = heeded(string(buf[:n]))
	}
	s.garbage += 2*n + len(rights)
	return v, true
}

// heeded is what of a message the container may say. Which process is the main
// one it does not know, and systemd's store of descriptors is not for it: the
// next container would not get them.
func heeded(message string) string {
	var out []string
	for line := range strings.SplitSeq(message, "\n") {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "READY", "RELOADING", "STOPPING", "MONOTONIC_USEC", "STATUS", "ERRNO", "BUSERROR", "WATCHDOG", "WATCHDOG_USEC",
			"EXTEND_TIMEOUT_USEC", "BARRIER":
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// tell sends v. Who may speak for a service systemd decides by its NotifyAccess.
func (v *voice) tell(socket string) error {
	if v.text == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if socket[0] == '@' { // an abstract socket, see unix(7)
		socket = "\x00" + socket[1:]
	}
	var rights []byte
	if v.text == "BARRIER=1" && len(v.fds) == 1 {
		rights = unix.UnixRights(v.fds[0])
	}
	return unix.Sendmsg(fd, []byte(v.text), rights, &unix.SockaddrUnix{Name: socket}, unix.MSG_NOSIGNAL)
}

func (v *voice) close() {
	for _, fd := range v.fds {
		unix.Close(fd)
	}
}

// notifyReady tells systemd, once, that the container is healthy.
func (s *supervisor) notifyReady() {
	if !s.cfg.Notify.Healthy || s.health.ready {
		return
	}
	v := voice{text: "READY=1"}
	if err := v.tell(s.cfg.Notify.Socket); err != nil {
		s.note("carob: " + wrap("cannot tell systemd that the container is healthy", err).Error())
		return // the next healthy answer tries again
	}
	s.health.ready = true
}
