// Package eventlog writes the file of events: one JSON object a line. Monitors
// write the same lines without it (libpod/monitor/events.go).
package eventlog

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Event is one line.
type Event struct {
	Time       time.Time         `json:"time"`
	Type       string            `json:"type"` // container, image, volume, pod, system, network, secret
	Status     string            `json:"status"`
	ID         string            `json:"id,omitempty"`
	Name       string            `json:"name,omitempty"`
	Image      string            `json:"image,omitempty"`
	Pod        string            `json:"pod,omitempty"` // a container's, its ID
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Log is where events go. The zero value, and nil, drop them.
type Log struct {
	Path string
	Lock string // file that is locked while Path is begun anew
	Max  int64  // size in bytes at which that is done; 0: never
}

// Options say where the log is.
type Options struct {
	StateDir         string // carob's directory below the graph root
	File             string // in place of the one in StateDir
	Flag, Configured string // backends, see Off
	Max              int64  // as Log's
}

// Open returns the log, which exists with its first event. nil is one that is
// switched off.
func Open(o Options) (*Log, error) {
	off, err := Off(o.Flag, o.Configured)
	if off || err != nil {
		return nil, err
	}
	path := o.File
	if path == "" {
		path = filepath.Join(o.StateDir, FileName)
	}
	return &Log{Path: path, Lock: filepath.Join(o.StateDir, LockName), Max: o.Max}, os.MkdirAll(o.StateDir, 0o700)
}

// Names in carob's directory, see docs/STATE.md.
const (
	FileName = "events.log"
	LockName = "events.lock"
)

// Write appends e, with the present time unless it has one. One write with
// O_APPEND: lines of many writers do not mix. An event that cannot be written
// (a full disk) must not fail what it tells of.
func (l *Log) Write(e Event) {
	if l == nil || l.Path == "" {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	f, err := os.OpenFile(l.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write(append(line, '\n'))
	info, err := f.Stat()
	f.Close()
	if err == nil && l.Max > 0 && info.Size() > l.Max {
		l.rotate(info)
	}
}

// rotate begins a new file; the one before is kept for those who read on in
// it. A monitor that has just opened it may still write to it.
func (l *Log) rotate(full os.FileInfo) {
	lock, err := os.OpenFile(l.Lock, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return // somebody else does it
	}
	if now, err := os.Stat(l.Path); err == nil && os.SameFile(now, full) {
		_ = os.Rename(l.Path, l.Path+".1") // the next event tries again
	}
}

// DefaultMax is the size of the file where nobody says otherwise.
const DefaultMax = 1 << 20

// Off reads a backend's name, the flag's or else the configuration's: file
// (or "") writes, none does not. A journald of the configuration is taken for
// file; whoever reads that tells of it.
func Off(flag, configured string) (bool, error) {
	switch flag {
	case "file":
		return false, nil
	case "none":
		return true, nil
	case "":
	case "journald":
		return false, errors.New("cannot use --events-backend journald: carob's events are in a file, or with none nowhere")
	default:
		return false, errors.New("cannot use --events-backend \"" + flag + "\": it is neither file nor none")
	}
	switch configured {
	case "", "file", "journald":
		return false, nil
	case "none":
		return true, nil
	}
	return false, errors.New("cannot use events_logger \"" + configured + "\" of containers.conf: it is none of file, journald, none")
}
