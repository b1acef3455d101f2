package monitor

import (
	"encoding/json"
	"maps"
	"time"

	"golang.org/x/sys/unix"
)

// Event is one line of the events file, as carob's commands write and read
// it (docs/STATE.md).
type Event struct {
	Time       time.Time         `json:"time"`
	Type       string            `json:"type"`
	Status     string            `json:"status"` // init, start, died, restart, cleanup, health_status, hook_failed
	ID         string            `json:"id,omitempty"`
	Name       string            `json:"name,omitempty"`
	Image      string            `json:"image,omitempty"`
	Pod        string            `json:"pod,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// exitCodeAttribute holds the exit code in the attributes of died.
const exitCodeAttribute = "containerExitCode"

// AppendEvent adds e to the events file at path in a single write, so that
// any number of writers may do so at once.
func AppendEvent(path string, e *Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return wrap("cannot write an event", err)
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return wrap("cannot open the events file "+path, err)
	}
	defer unix.Close(fd)
	if _, err := write(fd, append(line, '\n')); err != nil {
		return wrap("cannot write to the events file "+path, err)
	}
	return nil
}

// event notes what happened to the container, with more attributes: names and
// values in turn. An event that cannot be written (a full disk) is none the
// container dies of.
func (s *supervisor) event(status string, more ...string) {
	if s.cfg.Events == "" {
		return
	}
	attributes := s.cfg.EventBase
	if len(more) > 0 {
		attributes = maps.Clone(attributes)
		if attributes == nil {
			attributes = make(map[string]string, 1)
		}
		for i := 0; i+1 < len(more); i += 2 {
			attributes[more[i]] = more[i+1]
		}
	}
	_ = AppendEvent(s.cfg.Events, &Event{
		Time: time.Now().UTC(), Type: "container", Status: status,
		ID: s.cfg.ID, Name: s.cfg.Name, Image: s.cfg.Image, Pod: s.cfg.Pod, Attributes: attributes,
	})
}
