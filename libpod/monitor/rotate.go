package monitor

import (
	"bytes"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// open opens the log file to go on at its end.
func (l *fileLog) open() error {
	fd, err := unix.Open(l.path, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return wrap("cannot open the log "+l.path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil {
		l.size = st.Size
	}
	l.close()
	l.fd = fd
	return nil
}

// flush writes the buffered records. A disk that is full costs the records
// that do not fit, never a part of one, and is told of once there is room.
func (l *fileLog) flush() {
	if len(l.buf) == 0 {
		return
	}
	if l.lost > 0 && !l.tellLost() {
		l.lost += bytes.Count(l.buf, newline)
	} else if kept, err := l.writeRecords(l.buf); err != nil {
		l.lost += bytes.Count(l.buf[kept:], newline)
		l.lostWhy = err
	}
	l.buf = l.buf[:0]
}

var newline = []byte{'\n'}

// tellLost tries to write the note on what is missing.
func (l *fileLog) tellLost() bool {
	stamp := time.Now().UTC().AppendFormat(nil, stampFormat)
	note := l.format(nil, stamp, MsgStderr, l.lostNote(), true)
	if _, err := l.writeRecords(note); err != nil {
		return false
	}
	l.lost = 0
	return true
}

// writeRecords writes p, or as many whole records of it as the disk takes.
func (l *fileLog) writeRecords(p []byte) (kept int, err error) {
	n, err := write(l.fd, p)
	if n == len(p) {
		l.size += int64(n)
		return n, nil
	}
	if err == nil { // cut short: the next byte would have failed
		err = unix.ENOSPC
	}
	kept = bytes.LastIndexByte(p[:n], '\n') + 1
	l.size += int64(kept)
	if kept < n {
		_ = unix.Ftruncate(l.fd, l.size)
	}
	return kept, err
}

// rotate moves the full file to PATH.1, that one to PATH.2, and so on up to
// keep files, and begins a new one. Readers that follow keep the old file
// open by its name PATH.1. When a step fails the present file goes on: no
// record is lost, and the next attempt comes after as much output again.
func (l *fileLog) rotate() {
	for i := l.keep; i > 1; i-- {
		_ = unix.Rename(l.path+"."+strconv.Itoa(i-1), l.path+"."+strconv.Itoa(i))
	}
	err := unix.Rename(l.path, l.path+".1")
	if err == nil {
		err = l.open()
	}
	if err != nil {
		l.size = 0
	}
}
