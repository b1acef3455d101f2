package monitor

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"
)

// journalSocket is where journald takes entries in its native protocol
// (systemd, docs/JOURNAL_NATIVE_PROTOCOL.md).
const journalSocket = "/run/systemd/journal/socket"

// journal sends each line as one datagram.
type journal struct {
	socket string
	fd     int
	fields []byte // those every entry carries
	io     *ioBuffer
	lost   int
}

func newJournal(c *Config, io *ioBuffer) *journal {
	j := &journal{socket: journalSocket, fd: -1, io: io}
	short := c.ID[:min(12, len(c.ID))]
	tag := c.LogTag
	j.fields = appendField(j.fields, "CONTAINER_NAME", c.Name)
	j.fields = appendField(j.fields, "CONTAINER_ID", short)
	j.fields = appendField(j.fields, "CONTAINER_ID_FULL", c.ID)
	j.fields = appendField(j.fields, "IMAGE_NAME", c.Image)
	if tag != "" {
		j.fields = appendField(j.fields, "CONTAINER_TAG", tag)
		j.fields = appendField(j.fields, "SYSLOG_IDENTIFIER", tag)
	} else {
		j.fields = appendField(j.fields, "SYSLOG_IDENTIFIER", c.Name)
	}
	return j
}

// appendField appends one field. A value with a newline goes behind its
// length, as the protocol asks.
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	if bytes.IndexByte([]byte(value), '\n') >= 0 {
		dst = append(dst, '\n')
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(value)))
		return append(append(dst, value...), '\n')
	}
	return append(append(append(dst, '='), value...), '\n')
}

func (j *journal) write(st *stream, chunk []byte) {
	for len(chunk) > 0 {
		text, rest, whole := bytes.Cut(chunk, newline)
		j.entry(st.kind, text, whole)
		st.line.open = !whole
		chunk = rest
	}
}

// entry sends one line, or a part of one.
func (j *journal) entry(kind Kind, text []byte, whole bool) {
	if j.lost > 0 {
		note := "carob: " + strconv.Itoa(j.lost) + " log lines are missing here: the journal did not take them"
		if !j.send(j.build(MsgStderr, []byte(note), true)) {
			j.lost++
			return
		}
		j.lost = 0
	}
	if !j.send(j.build(kind, text, whole)) {
		j.lost++
	}
}

func (j *journal) build(kind Kind, text []byte, whole bool) []byte {
	b := append(j.io.lines()[:0], "MESSAGE="...)
	b = append(append(b, text...), '\n')
	if kind == MsgStderr {
		b = append(b, "PRIORITY=3\n"...)
	} else {
		b = append(b, "PRIORITY=6\n"...)
	}
	if !whole {
		b = append(b, "CONTAINER_PARTIAL_MESSAGE=true\n"...)
	}
	return append(b, j.fields...)
}

// send gives journald a second to take an entry. One that has not done so is
// not waited for again before it takes something.
func (j *journal) send(entry []byte) bool {
	if j.fd < 0 && !j.connect() {
		return false
	}
	wait := unix.NsecToTimeval(1e9)
	if j.lost > 0 {
		wait = unix.NsecToTimeval(1e3)
	}
	_ = unix.SetsockoptTimeval(j.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
	for {
		err := unix.Sendto(j.fd, entry, unix.MSG_NOSIGNAL, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil && err != unix.EAGAIN { // it restarted perhaps
			j.close()
		}
		return err == nil
	}
}

func (j *journal) connect() bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	if unix.Connect(fd, &unix.SockaddrUnix{Name: j.socket}) != nil {
		unix.Close(fd)
		return false
	}
	j.fd = fd
	return true
}

func (j *journal) end(st *stream) { st.line.open = false }

func (j *journal) settled() bool { return j.lost == 0 }

func (j *journal) close() {
	if j.fd >= 0 {
		unix.Close(j.fd)
		j.fd = -1
	}
}
