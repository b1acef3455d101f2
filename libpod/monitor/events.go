package monitor

import (
	"maps"
	"time"

	"github.com/carob-containers/carob/pkg/eventlog"
)

// event notes what happened to the container, with more attributes: names and
// values in turn. An event that cannot be written (a full disk) is none the
// container dies of.
func (s *supervisor) event(status string, more ...string) {
	log := eventlog.Log{Path: s.cfg.Events, Journal: s.cfg.EventJournal} // begun anew by commands only
	if log == (eventlog.Log{}) {
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
	log.Write(eventlog.Event{
		Time: time.Now().UTC(), Type: "container", Status: status,
		ID: s.cfg.ID, Name: s.cfg.Name, Image: s.cfg.Image, Pod: s.cfg.Pod, Attributes: attributes,
	})
}
