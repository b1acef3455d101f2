package monitor

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// stream is one of the container's outputs: stdout (or the terminal), stderr.
type stream struct {
	s       *supervisor
	fd      int // -1: closed
	kind    Kind
	bit     byte
	reading bool // epoll watches it
	retry   *timer
	line    lineState
}

// openStreams makes the container's stdin, stdout and stderr and returns the
// runtime's descriptors from 0 on, with those to be preserved behind them.
func (s *supervisor) openStreams() ([]uintptr, error) {
	s.streams = [2]stream{
		{s: s, fd: -1, kind: MsgStdout, bit: Stdout},
		{s: s, fd: -1, kind: MsgStderr, bit: Stderr},
	}
	s.stdin.fd = -1
	files := []uintptr{0, 1, 2}
	var err error
	switch {
	case s.cfg.Terminal:
		if err = s.console.listen(s); err == nil {
			err = s.nullFiles(files)
		}
	case s.cfg.LogDriver == "passthrough":
	default:
		err = s.pipeFiles(files)
	}
	for i := range s.cfg.PreserveFDs {
		files = append(files, uintptr(RecordFD+1+i))
	}
	if err != nil {
		s.closeChildEnds()
	}
	return files, err
}

func (s *supervisor) nullFiles(files []uintptr) error {
	null, err := openNull()
	if err != nil {
		return err
	}
	s.ends = append(s.ends, int(null))
	files[0], files[1], files[2] = null, null, null
	return nil
}

func (s *supervisor) pipeFiles(files []uintptr) error {
	if err := s.nullFiles(files); err != nil {
		return err
	}
	if s.cfg.Stdin {
		r, w, err := s.pipe(0)
		if err != nil {
			return err
		}
		s.ends = append(s.ends, r)
		files[0] = uintptr(r)
		s.stdin.open(w)
		s.stdin.flush(s)
	}
	for i := range s.streams {
		end, err := s.streams[i].pipe()
		if err != nil {
			return err
		}
		files[1+i] = uintptr(end)
	}
	return nil
}

// pipe makes st's pipe and returns the container's end. That end can be read
// as well: so the pipe has a reader even when the monitor dies, the
// container gets no SIGPIPE, and what it writes waits for the next monitor.
func (st *stream) pipe() (int, error) {
	r, w, err := st.s.pipe(unix.O_NONBLOCK)
	if err != nil {
		return -1, err
	}
	st.fd = r
	end, err := unix.Open("/proc/self/fd/"+strconv.Itoa(w), unix.O_RDWR|unix.O_CLOEXEC, 0)
	unix.Close(w)
	if err != nil {
		return -1, wrap("cannot open a pipe", err)
	}
	st.s.ends = append(st.s.ends, end)
	return end, nil
}

// closeChildEnds closes what only the runtime and the container need. The
// preserved descriptors stay for as long as there may be another run.
func (s *supervisor) closeChildEnds() {
	for _, fd := range s.ends {
		unix.Close(fd)
	}
	s.ends = nil
	if !s.keepsPreserved() {
		for i := range s.cfg.PreserveFDs {
			unix.Close(RecordFD + 1 + i)
		}
	}
}

// keepsPreserved tells that there are descriptors which another run will need.
func (s *supervisor) keepsPreserved() bool {
	return s.cfg.PreserveFDs > 0 && s.cfg.RestartPolicy != "" && s.cfg.RestartPolicy != "no"
}

// startReading begins to pump, once the container is there.
func (s *supervisor) startReading() { s.throttle() }

// throttle reads the container's output while all attached clients keep up,
// and lets it wait in its pipe while one does not.
func (s *supervisor) throttle() {
	if s.state == creating && s.rec.PID == 0 {
		return // the runtime's own words may be in there
	}
	blocked := s.blocked()
	if s.state == draining {
		if !blocked && s.drainer == nil {
			s.drainer = s.after(0, s.drain)
		}
		return
	}
	for i := range s.streams {
		st := &s.streams[i]
		if st.fd >= 0 && st.reading == blocked && st.retry == nil {
			st.watch(!blocked)
		}
	}
}

// blocked tells whether an attached client has not taken its output yet.
func (s *supervisor) blocked() bool {
	for _, c := range s.clients {
		if c.streams&(Stdout|Stderr) != 0 && len(c.queue) > 0 {
			return true
		}
	}
	return false
}

// watch adds st to the loop or takes it out: a hang-up is reported as long
// as it is in.
func (st *stream) watch(on bool) {
	if on {
		on = st.s.loop.add(st.fd, unix.EPOLLIN, func(uint32) { st.pumpSome() }) == nil
	} else {
		st.s.loop.remove(st.fd)
	}
	st.reading = on
}

// pumpSome moves what is there, but lets others have their turn.
func (st *stream) pumpSome() {
	for range 8 {
		if !st.pump() || !st.reading {
			return
		}
	}
}

// pump moves one chunk of output and tells whether there may be more.
func (st *stream) pump() bool {
	s := st.s
	packet := s.io.packet()
	n, err := read(st.fd, packet[1:])
	if err == unix.EAGAIN {
		return false
	}
	if err == unix.EIO && s.cfg.Terminal && s.state != draining {
		st.lookAgain()
		return false
	}
	if err != nil || n == 0 { // a terminal ends with EIO
		st.close()
		return false
	}
	packet[0] = byte(st.kind)
	s.watchForExec(packet[1 : 1+n])
	s.output(st, packet[:1+n])
	s.idleSoon()
	return true
}

// reopenTime is how long a terminal is left alone that nobody in the container
// has open: an init closes its console and opens it again.
const reopenTime = 100 * time.Millisecond

func (st *stream) lookAgain() {
	st.watch(false)
	if st.retry == nil {
		st.retry = st.s.after(reopenTime, func() {
			st.retry = nil
			st.s.throttle()
		})
	}
}

// output hands a chunk to the log and to the clients, or keeps it for the next.
func (s *supervisor) output(st *stream, packet []byte) {
	if s.log != nil {
		s.log.write(st, packet[1:])
	}
	if !s.attachedTo(Stdout | Stderr) {
		s.backlog.keep(packet)
		return
	}
	for i := len(s.clients) - 1; i >= 0; i-- {
		if c := s.clients[i]; c.streams&st.bit != 0 {
			c.sendPacket(packet, true)
		}
	}
}

func (st *stream) close() {
	if st.fd < 0 {
		return
	}
	st.s.loop.remove(st.fd)
	st.s.cancel(st.retry)
	unix.Close(st.fd)
	st.fd, st.reading, st.retry = -1, false, nil
	if st.s.log != nil {
		st.s.log.end(st)
	}
}

// drain moves what the ended process left in its pipes. Others may still
// hold them open (a container in the host's pid namespace): what they write
// from now on is nobody's.
func (s *supervisor) drain() {
	s.drainer = nil
	for i := range s.streams {
		st := &s.streams[i]
		for st.fd >= 0 {
			if s.blocked() {
				return // throttle comes back here
			}
			if !st.pump() {
				break
			}
		}
	}
	if s.blocked() {
		return
	}
	s.closeStreams()
	s.endRun()
}

func (s *supervisor) closeStreams() {
	for i := range s.streams {
		s.streams[i].close()
	}
	s.stdin.close(s)
	s.console.close(s)
}
