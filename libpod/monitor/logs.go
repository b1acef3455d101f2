package monitor

import (
	"bytes"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// logger keeps the container's output. write gets it as it comes, end is
// told that a stream brings no more in this run. settled tells that it has
// nothing still to say.
type logger interface {
	write(st *stream, chunk []byte)
	end(st *stream)
	settled() bool
	close()
}

// lineState is what a logger remembers of a stream between two chunks.
type lineState struct {
	open  bool // the last piece had no newline
	carry [utf8.UTFMax]byte
	kept  int // bytes in carry: the start of a character (json-file)
}

func (s *supervisor) openLog() error {
	switch s.cfg.LogDriver {
	case "none", "passthrough", "":
		return nil
	case "journald":
		s.log = newJournal(&s.cfg, &s.io)
		return nil
	case "k8s-file":
		return s.openFileLog(appendK8sLine, false)
	case "json-file":
		return s.openFileLog(appendJSONLine, true)
	}
	return errors.New("cannot log with driver " + s.cfg.LogDriver + ": the monitor does not know it")
}

func (s *supervisor) openFileLog(format lineFormat, text bool) error {
	l := &fileLog{
		path: s.cfg.LogPath, fd: -1, max: s.cfg.LogMaxSize, keep: max(s.cfg.LogMaxFile, 1),
		format: format, text: text, io: &s.io,
	}
	if err := l.open(); err != nil {
		return err
	}
	s.log = l
	return nil
}

// note writes a line of our own among the container's stderr, for what its
// owner has to know and cannot be told otherwise.
func (s *supervisor) note(text string) {
	if s.log != nil {
		own := stream{s: s, fd: -1, kind: MsgStderr}
		s.log.write(&own, append([]byte(text), '\n'))
	}
}

// lineFormat appends one record to dst. whole is false for the part of a
// line that did not come with its newline.
type lineFormat func(dst, stamp []byte, kind Kind, text []byte, whole bool) []byte

// maxPiece is the longest text of one record: six times as much, written as
// JSON, still fits the buffer.
const maxPiece = 8 << 10

// fileLog writes records to a file that it rotates (rotate.go).
type fileLog struct {
	path   string
	fd     int
	size   int64 // of the file: only we write to it
	max    int64 // rotate when a record would make it larger; 0: never
	keep   int
	format lineFormat
	text   bool // records must be UTF-8: do not cut characters
	io     *ioBuffer

	buf     []byte // records to be written
	lost    int    // records that could not be
	lostWhy error
}

// stampFormat is conmon's, which the tools that read k8s-file expect; always UTC.
const stampFormat = "2006-01-02T15:04:05.000000000+00:00"

func (l *fileLog) write(st *stream, chunk []byte) {
	var room [len(stampFormat)]byte
	stamp := time.Now().UTC().AppendFormat(room[:0], stampFormat)
	l.buf = l.io.lines()[:0]
	if st.line.kept > 0 {
		chunk = append(st.line.carry[:st.line.kept:st.line.kept], chunk...)
		st.line.kept = 0
	}
	for len(chunk) > 0 {
		text, rest, whole := l.nextPiece(st, chunk)
		if whole || len(text) > 0 {
			l.add(stamp, st.kind, text, whole)
			st.line.open = !whole
		}
		chunk = rest
	}
	l.flush()
}

// nextPiece cuts the text of the next record from chunk.
func (l *fileLog) nextPiece(st *stream, chunk []byte) (text, rest []byte, whole bool) {
	if i := bytes.IndexByte(chunk[:min(len(chunk), maxPiece+1)], '\n'); i >= 0 {
		return chunk[:i], chunk[i+1:], true
	}
	n := min(len(chunk), maxPiece)
	if l.text {
		n -= cutCharacter(chunk[:n])
		if len(chunk) <= maxPiece { // the rest of the character may come with the next chunk
			st.line.kept = copy(st.line.carry[:], chunk[n:])
			return chunk[:n], nil, false
		}
	}
	return chunk[:n], chunk[n:], false
}

// cutCharacter returns how many bytes at the end of p begin a UTF-8
// character that is not complete.
func cutCharacter(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		tail := p[len(p)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}

// add appends a record to the buffer, rotating and writing as needed.
func (l *fileLog) add(stamp []byte, kind Kind, text []byte, whole bool) {
	before := len(l.buf)
	l.buf = l.format(l.buf, stamp, kind, text, whole)
	size := int64(len(l.buf) - before)
	if l.max > 0 && l.size+int64(len(l.buf)) > l.max && l.size+int64(before) > 0 {
		record := l.buf[before:]
		l.buf = l.buf[:before]
		l.flush()
		l.rotate()
		l.buf = append(l.buf, record...) // further ahead in the same memory
		size = 0
	}
	if size > 0 && len(l.buf) > textSize-7*maxPiece {
		l.flush()
	}
}

func (l *fileLog) end(st *stream) {
	if st.line.kept > 0 { // a character that was never finished
		tail := st.line.carry[:st.line.kept]
		st.line.kept = 0
		l.buf = l.io.lines()[:0]
		l.add(time.Now().UTC().AppendFormat(nil, stampFormat), st.kind, tail, false)
		l.flush()
	}
	st.line.open = false
}

func (l *fileLog) settled() bool { return l.lost == 0 }

func (l *fileLog) close() {
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
}

// appendK8sLine makes a record of the Kubernetes container log format:
// time, stream, F for a full line or P for a part of one, text.
func appendK8sLine(dst, stamp []byte, kind Kind, text []byte, whole bool) []byte {
	dst = append(append(dst, stamp...), ' ')
	dst = append(append(dst, streamName(kind)...), " P "...)
	if whole {
		dst[len(dst)-2] = 'F'
	}
	return append(append(dst, text...), '\n')
}

func streamName(kind Kind) string {
	if kind == MsgStderr {
		return "stderr"
	}
	return "stdout"
}

// appendJSONLine makes a record of docker's json-file format. A part of a
// line is one whose log does not end in a newline.
func appendJSONLine(dst, stamp []byte, kind Kind, text []byte, whole bool) []byte {
	dst = append(dst, `{"log":"`...)
	dst = appendEscaped(dst, text)
	if whole {
		dst = append(dst, `\n`...)
	}
	dst = append(append(dst, `","stream":"`...), streamName(kind)...)
	dst = append(append(dst, `","time":"`...), stamp[:len(stamp)-len("+00:00")]...)
	return append(dst, "Z\"}\n"...)
}

// appendEscaped appends text as the inside of a JSON string. Bytes that are
// not UTF-8 become the replacement character.
func appendEscaped(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	for len(text) > 0 {
		c := text[0]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text)
			dst = utf8.AppendRune(dst, r)
			text = text[n:]
			continue
		}
		text = text[1:]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// lostNote says that records are missing.
func (l *fileLog) lostNote() []byte {
	return []byte("carob: " + strconv.Itoa(l.lost) + " log records are missing here: " + l.lostWhy.Error())
}
