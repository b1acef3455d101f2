package monitor

import (
	"encoding/json"
	"time"

	"golang.org/x/sys/unix"
)

// Event is one line of the events file, with podman's names of the keys.
type Event struct {
	ContainerExitCode *int              `json:"ContainerExitCode,omitempty"`
	ID                string            `json:"ID,omitempty"`
	Image             string            `json:"Image,omitempty"`
	Name              string            `json:"Name,omitempty"`
	Network           string            `json:"Network,omitempty"`
	HealthStatus      string            `json:"HealthStatus,omitempty"`
	Status            string            `json:"Status"` // create, start, died, ...
	Time              time.Time         `json:"Time"`
	Type              string            `json:"Type"` // container, image, pod, volume, system
	Attributes        map[string]string `json:"Attributes"`
}

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

func (s *supervisor) event(status string) { s.appendEvent(&Event{Status: status}) }

func (s *supervisor) eventDied() {
	code := s.rec.ExitCode
	s.appendEvent(&Event{Status: "died", ContainerExitCode: &code})
}

// appendEvent fills in what all of the container's events have in common. An
// event that cannot be written (a full disk) is none the container dies of.
func (s *supervisor) appendEvent(e *Event) {
	if s.cfg.Events == "" {
		return
	}
	e.ID, e.Name, e.Image, e.Type = s.cfg.ID, s.cfg.Name, s.cfg.Image, "container"
	e.Time, e.Attributes = time.Now().UTC(), s.cfg.EventBase
	_ = AppendEvent(s.cfg.Events, e)
}
