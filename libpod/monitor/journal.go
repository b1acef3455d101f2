package monitor

import (
	"bytes"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	native "github.com/carob-containers/carob/pkg/journal"
)

// journal sends each line as one datagram.
type journal struct {
	socket string
	fd     int
	fields []byte // those every entry carries
	io     *ioBuffer
	lost   int
}

func newJournal(c *Config, io *ioBuffer) *journal {
	j := &journal{socket: native.Socket, fd: -1, io: io}
	short := c.ID[:min(12, len(c.ID))]
	tag := c.LogTag
	j.fields = native.AppendField(j.fields, "CONTAINER_NAME", c.Name)
	j.fields = native.AppendField(j.fields, "CONTAINER_ID", short)
	j.fields = native.AppendField(j.fields, "CONTAINER_ID_FULL", c.ID)
	j.fields = native.AppendField(j.fields, "IMAGE_NAME", c.Image)
	if tag != "" {
		j.fields = native.AppendField(j.fields, "CONTAINER_TAG", tag)
		j.fields = native.AppendField(j.fields, "SYSLOG_IDENTIFIER", tag)
	} else {
		j.fields = native.AppendField(j.fields, "SYSLOG_IDENTIFIER", c.Name)
	}
	return j
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
	if j.fd < 0 {
		var err error
		if j.fd, err = native.Dial(j.socket); err != nil {
			return false
		}
	}
	patience := time.Second
	if j.lost > 0 {
		patience = time.Millisecond
	}
	err := native.SendTo(j.fd, entry, patience)
	if err != nil && err != unix.EAGAIN { // it restarted perhaps
		j.close()
	}
	return err == nil
}

func (j *journal) end(st *stream) { st.line.open = false }

func (j *journal) settled() bool { return j.lost == 0 }

func (j *journal) close() {
	if j.fd >= 0 {
		unix.Close(j.fd)
		j.fd = -1
	}
}
