package monitor

import (
	"golang.org/x/sys/unix"
)

// console receives the terminal's master from the runtime over a socket,
// whose protocol is runc's: one message with one descriptor (runc,
// docs/terminals.md).
type console struct {
	path     string
	listener int
	done     func()
	master   int // 0: none yet
	rows     uint16
	cols     uint16
}

const consoleFile = "console"

func (t *console) listen(s *supervisor) error {
	if t.rows == 0 && t.cols == 0 {
		t.rows, t.cols = s.cfg.Rows, s.cfg.Cols
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return wrap("cannot make the console socket", err)
	}
	_ = unix.Unlink(s.cfg.RunDir + "/" + consoleFile)
	path, done := shortPath(s.cfg.RunDir, consoleFile)
	_ = unix.Fchmod(fd, 0o600)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err == nil {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		done()
		unix.Close(fd)
		return wrap("cannot listen at "+path, err)
	}
	t.path, t.done, t.listener = path, done, fd
	return s.loop.add(fd, unix.EPOLLIN, func(uint32) { t.accept(s) })
}

// accept takes the master, if it has been sent, and closes the socket.
func (t *console) accept(s *supervisor) {
	if t.listener <= 0 {
		return
	}
	conn, _, err := unix.Accept4(t.listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return
	}
	master := receiveFD(conn)
	unix.Close(conn)
	t.stopListening(s)
	if master < 0 {
		return
	}
	_ = unix.SetNonblock(master, true)
	t.master = master
	t.resize(t.rows, t.cols)
	s.streams[0].fd = master
	s.streams[0].reading = false
	if in, err := unix.FcntlInt(uintptr(master), unix.F_DUPFD_CLOEXEC, 0); err == nil && s.cfg.Stdin {
		s.stdin.open(in)
		s.stdin.terminal = true
		s.stdin.flush(s)
	} else if err == nil {
		unix.Close(in)
	}
}

func receiveFD(conn int) int {
	var data [64]byte
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(conn, data[:], oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) == 0 {
		return -1
	}
	for _, fd := range fds[1:] {
		unix.Close(fd)
	}
	return fds[0]
}

// resize sets the terminal's size, or remembers it for when there is one.
func (t *console) resize(rows, cols uint16) {
	t.rows, t.cols = rows, cols
	if t.master > 0 && (rows != 0 || cols != 0) {
		_ = unix.IoctlSetWinsize(t.master, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
}

func (t *console) stopListening(s *supervisor) {
	if t.listener > 0 {
		s.loop.remove(t.listener)
		unix.Close(t.listener)
		t.listener = 0
		_ = unix.Unlink(s.cfg.RunDir + "/" + consoleFile)
		t.done()
	}
}

// close forgets the terminal of a run; the stream that shares its
// descriptor has closed it.
func (t *console) close(s *supervisor) {
	t.stopListening(s)
	t.master = 0
}
