package monitor

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// stdin is the writing end of the container's stdin, or of its terminal.
type stdin struct {
	fd       int
	terminal bool
	eof      bool // nothing more will come: close once the queue is written
	watched  bool
	queue    []stdinChunk
}

type stdinChunk struct {
	from *client
	data []byte
	done int // bytes written
}

func (in *stdin) open(fd int) {
	_ = unix.SetNonblock(fd, true)
	in.fd, in.terminal, in.watched = fd, false, false
}

// takeStdin obeys MsgStdin.
func (s *supervisor) takeStdin(c *client, p []byte) {
	in := &s.stdin
	c.unread += len(p)
	if c.unread > StdinWindow {
		c.refuse(MsgStdin, "the client sent more than its window")
		c.drop()
		return
	}
	waiting := s.state == creating && s.cfg.Stdin // the terminal is on its way
	if in.eof || in.fd < 0 && !waiting {
		s.credit(c, len(p)) // nobody reads it
		return
	}
	if len(in.queue) == 0 && in.fd >= 0 {
		n, _ := write(in.fd, p) // flush meets the error again
		s.credit(c, n)
		if p = p[n:]; len(p) == 0 {
			return
		}
	}
	in.queue = append(in.queue, stdinChunk{from: c, data: s.copyBytes(p)})
	in.flush(s)
}

// flush writes what the container takes.
func (in *stdin) flush(s *supervisor) {
	if in.fd < 0 {
		return
	}
	for len(in.queue) > 0 {
		head := &in.queue[0]
		n, err := write(in.fd, head.data[head.done:])
		s.credit(head.from, n)
		head.done += n
		if err == unix.EAGAIN {
			in.watch(s, true)
			return
		}
		if err == unix.EIO && in.terminal { // nobody has it open just now
			s.credit(head.from, len(head.data)-head.done)
			head.done = len(head.data)
		} else if err != nil {
			in.close(s)
			return
		}
		if head.done == len(head.data) {
			freeCopy(head.data)
			in.queue[0] = stdinChunk{}
			in.queue = in.queue[1:]
		}
	}
	in.queue = nil
	in.watch(s, false)
	if in.eof {
		in.end(s)
	}
}

func (in *stdin) watch(s *supervisor, on bool) {
	if in.watched == on {
		return
	}
	in.watched = on
	if !on {
		s.loop.remove(in.fd)
		return
	}
	if s.loop.add(in.fd, unix.EPOLLOUT, func(uint32) { in.flush(s) }) != nil {
		in.close(s)
	}
}

// credit lets c send n more bytes, told in portions.
func (s *supervisor) credit(c *client, n int) {
	c.unread -= n
	c.owed += n
	if c.owed >= StdinWindow/4 {
		c.send(MsgCredit, binary.LittleEndian.AppendUint32(nil, uint32(c.owed)))
		c.owed = 0
	}
}

// finish obeys MsgStdinEOF.
func (in *stdin) finish(s *supervisor) {
	in.eof = true
	in.flush(s)
}

// end closes a pipe; a terminal is sent its end-of-file character instead,
// as long as it is in the mode that knows one.
func (in *stdin) end(s *supervisor) {
	if !in.terminal {
		in.close(s)
		return
	}
	in.eof = false
	t, err := unix.IoctlGetTermios(in.fd, unix.TCGETS)
	if err == nil && t.Lflag&unix.ICANON != 0 {
		_, _ = write(in.fd, []byte{t.Cc[unix.VEOF]})
	}
}

// close forgets what was not written: the container does not read any more.
func (in *stdin) close(s *supervisor) {
	if in.fd >= 0 {
		s.loop.remove(in.fd)
		unix.Close(in.fd)
	}
	in.fd, in.watched = -1, false
	queue := in.queue
	in.queue = nil
	for _, chunk := range queue {
		s.credit(chunk.from, len(chunk.data)-chunk.done)
		freeCopy(chunk.data)
	}
}
