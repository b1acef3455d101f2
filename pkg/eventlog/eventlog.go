// Package eventlog writes events: to a file of carob's, one JSON object a
// line, or to the journal. Monitors write with it, too.
package eventlog

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/journal"
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
	Journal string // journald's socket; "": to Path
	Path    string // file of events
	Lock    string // file that is locked while Path is begun anew
	Max     int64  // size in bytes at which that is done; 0: never
}

// Options say where the log is.
type Options struct {
	StateDir         string // carob's directory below the graph root
	File             string // in place of the one in StateDir
	Flag, Configured string // backends, see Choose
	Max              int64  // as Log's
}

// Open returns the log, which exists with its first event. nil is one that is
// switched off.
func Open(o Options) (*Log, error) {
	backend, err := Choose(o.Flag, o.Configured)
	if err != nil || backend == None {
		return nil, err
	}
	if backend == Journald {
		return &Log{Journal: journal.Socket}, nil
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

// Write appends e, with the present time unless it has one. An event that
// cannot be written (a full disk) must not fail what it tells of.
func (l *Log) Write(e Event) {
	if l == nil || l.Journal == "" && l.Path == "" {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if l.Journal != "" {
		_ = journal.Send(l.Journal, e.entry())
		return
	}
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	l.append(append(line, '\n'))
}

// append is one write with O_APPEND: lines of many writers do not mix. It
// leaves os.File aside, which would cost each monitor an epoll.
func (l *Log) append(line []byte) {
	fd, err := unix.Open(l.Path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	for {
		if _, err = unix.Write(fd, line); err != unix.EINTR {
			break
		}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	unix.Close(fd)
	if err == nil && l.Max > 0 && st.Size > l.Max {
		l.rotate(&st)
	}
}

// rotate begins a new file; the one before is kept for those who read on in
// it. A monitor that has just opened it may still write to it.
func (l *Log) rotate(full *unix.Stat_t) {
	lock, err := unix.Open(l.Lock, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	defer unix.Close(lock)
	if err := unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return // somebody else does it
	}
	var now unix.Stat_t
	if unix.Stat(l.Path, &now) == nil && now.Dev == full.Dev && now.Ino == full.Ino {
		_ = unix.Rename(l.Path, l.Path+".1") // the next event tries again
	}
}

// DefaultMax is the size of the file where nobody says otherwise.
const DefaultMax = 1 << 20

// Backends by their names in containers.conf.
const (
	File     = "file"
	Journald = "journald"
	None     = "none"
)

// Choose reads a backend's name, the flag's or else the configuration's; ""
// is a file. A journald of the configuration is a file where no journald is,
// and whoever reads that tells of it; a flag's is an error there.
func Choose(flag, configured string) (backend string, err error) {
	switch flag {
	case "":
	case File, None:
		return flag, nil
	case Journald:
		if !journal.Here() {
			return "", errors.New("cannot use --events-backend journald: there is no journald here (" + journal.Socket + ")")
		}
		return flag, nil
	default:
		return "", errors.New("cannot use --events-backend \"" + flag + "\": it is none of file, journald, none")
	}
	switch {
	case configured == Journald && journal.Here(), configured == None:
		return configured, nil
	case configured == "", configured == File, configured == Journald:
		return File, nil
	}
	return "", errors.New("cannot use events_logger \"" + configured + "\" of containers.conf: it is none of file, journald, none")
}
