package libpod

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/store"
)

// Event is one line of the events file. The monitor writes the same lines for
// what it sees (libpod/monitor/events.go).
type Event struct {
	Time       time.Time         `json:"time"`
	Type       string            `json:"type"` // container, image, volume, pod, system, network, secret
	Status     string            `json:"status"`
	ID         string            `json:"id,omitempty"`
	Name       string            `json:"name,omitempty"`
	Image      string            `json:"image,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// event notes what was done to a container. An event that cannot be written
// (a full disk) must not fail what it tells of.
func (rt *Runtime) event(c *Container, status string, more map[string]string) {
	attrs := maps.Clone(c.Labels)
	if attrs == nil {
		attrs = map[string]string{}
	}
	maps.Copy(attrs, more)
	rt.WriteEvent(Event{Type: "container", Status: status, ID: c.ID, Name: c.Name, Image: c.ImageName, Attributes: attrs})
}

// WriteEvent appends e, with the present time unless it has one. One write
// with O_APPEND: lines of many writers do not mix.
func (rt *Runtime) WriteEvent(e Event) {
	if rt.opts.NoEvents {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	f, err := os.OpenFile(rt.dirs.Events(), os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	f.Write(append(line, '\n'))
	info, err := f.Stat()
	f.Close()
	if err == nil && rt.opts.EventMax > 0 && info.Size() > rt.opts.EventMax {
		rt.rotateEvents(info)
	}
}

// rotateEvents begins a new file of events; the one before is kept for those
// who read on in it. A monitor that has just opened it may still write to it.
func (rt *Runtime) rotateEvents(full os.FileInfo) {
	path := rt.dirs.Events()
	lock, err := store.TryAcquire(rt.dirs.EventLock())
	if err != nil || lock == nil {
		return // somebody else does it
	}
	defer lock.Release()
	if now, err := os.Stat(path); err == nil && os.SameFile(now, full) {
		_ = os.Rename(path, path+".1") // the next event tries again
	}
}

// lastEvent finds the newest event of a container with that status, nil when
// there is none.
func (rt *Runtime) lastEvent(id, status string) (*Event, error) {
	for _, path := range []string{rt.dirs.Events(), rt.dirs.Events() + ".1"} {
		body, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if e := lastIn(body, id, status); e != nil {
			return e, nil
		}
	}
	return nil, nil
}

func lastIn(body []byte, id, status string) *Event {
	lines := bytes.Split(body, []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- {
		if !bytes.Contains(lines[i], []byte(id)) {
			continue
		}
		var e Event
		if json.Unmarshal(lines[i], &e) == nil && e.ID == id && e.Status == status {
			return &e
		}
	}
	return nil
}
