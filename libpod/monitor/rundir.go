package monitor

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// pidFile is where the runtime leaves the container's pid, in RunDir.
const pidFile = "pidfile"

// makeRunDir makes the runtime directory and listens in it.
func (s *supervisor) makeRunDir() error {
	if err := mkdirAll(s.cfg.RunDir); err != nil {
		return err
	}
	return s.listen()
}

func (s *supervisor) listen() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return wrap("cannot make a socket", err)
	}
	_ = unix.Unlink(s.cfg.RunDir + "/" + SocketFile) // of a dead predecessor: we hold the lock
	path, done := shortPath(s.cfg.RunDir, SocketFile)
	defer done()
	_ = unix.Fchmod(fd, 0o600) // bind gives the file this mode
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err == nil {
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		unix.Close(fd)
		return wrap("cannot listen at "+s.cfg.RunDir+"/"+SocketFile, err)
	}
	s.closeListener()
	s.listener = fd
	return s.loop.add(fd, unix.EPOLLIN, s.onConnect)
}

func (s *supervisor) closeListener() {
	if s.listener >= 0 {
		s.loop.remove(s.listener)
		unix.Close(s.listener)
		s.listener = -1
	}
}

// rebuildRunDir makes again what a wiped runtime directory had (SIGHUP).
func (s *supervisor) rebuildRunDir() {
	if s.state == removing || s.state == ended {
		return
	}
	if err := s.makeRunDir(); err != nil {
		s.note("carob: " + err.Error())
		return
	}
	if s.rec.PID != 0 {
		_ = writeFile(s.cfg.RunDir+"/"+pidFile, strconv.AppendInt(nil, int64(s.rec.PID), 10), 0o600)
	}
}
