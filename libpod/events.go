package libpod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"

	"github.com/carob-containers/carob/pkg/eventlog"
	native "github.com/carob-containers/carob/pkg/journal"
)

// Event is what happened to something of carob's.
type Event = eventlog.Event

// event notes what was done to a container.
func (rt *Runtime) event(c *Container, status string, more map[string]string) {
	attrs := maps.Clone(c.Labels)
	if attrs == nil {
		attrs = map[string]string{}
	}
	maps.Copy(attrs, more)
	rt.WriteEvent(Event{Type: "container", Status: status, ID: c.ID, Name: c.Name, Image: c.ImageName, Pod: c.Pod, Attributes: attrs})
}

// WriteEvent notes an event.
func (rt *Runtime) WriteEvent(e Event) { rt.eventLog().Write(e) }

func (rt *Runtime) eventLog() *eventlog.Log {
	switch rt.opts.EventBackend {
	case eventlog.None:
		return nil
	case eventlog.Journald:
		return &eventlog.Log{Journal: native.Socket}
	}
	return &eventlog.Log{Path: rt.dirs.Events(), Lock: rt.dirs.EventLock(), Max: rt.opts.EventMax}
}

// lastEvent finds the newest event of a container with that status, nil when
// there is none.
func (rt *Runtime) lastEvent(ctx context.Context, id, status string) (*Event, error) {
	if rt.opts.EventBackend == eventlog.Journald {
		return rt.lastJournalEvent(ctx, id, status)
	}
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
