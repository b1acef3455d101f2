package eventlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carob-containers/carob/pkg/journal"
)

// Identifier is the SYSLOG_IDENTIFIER of events in the journal. The other
// fields are podman's (podman-events(1)), for the programs that read them.
const Identifier = "carob"

// Attributes that are fields of their own in the journal.
const (
	ExitCode     = "containerExitCode"
	HealthStatus = "health_status"
)

// entry is the event in journald's native protocol.
func (e *Event) entry() []byte {
	b := journal.AppendField(nil, "MESSAGE", e.Words(e.ID))
	b = journal.AppendField(b, "PRIORITY", "6")
	b = journal.AppendField(b, "SYSLOG_IDENTIFIER", Identifier)
	b = journal.AppendField(b, "PODMAN_EVENT", e.Status)
	b = journal.AppendField(b, "PODMAN_TYPE", e.Type)
	b = journal.AppendField(b, "PODMAN_TIME", e.Time.Format(time.RFC3339Nano))
	name := "PODMAN_NAME"
	if e.Type == "network" {
		name = "PODMAN_NETWORK_NAME"
	}
	for _, f := range []struct{ name, value string }{
		{name, e.Name}, {"PODMAN_ID", e.ID}, {"PODMAN_IMAGE", e.Image}, {"PODMAN_POD_ID", e.Pod},
		{"PODMAN_EXIT_CODE", e.Attributes[ExitCode]}, {"PODMAN_HEALTH_STATUS", e.Attributes[HealthStatus]},
	} {
		if f.value != "" {
			b = journal.AppendField(b, f.name, f.value)
		}
	}
	labels := maps.Clone(e.Attributes)
	delete(labels, ExitCode)
	delete(labels, HealthStatus)
	if len(labels) > 0 {
		text, _ := json.Marshal(labels) // strings always become JSON
		b = journal.AppendField(b, "PODMAN_LABELS", string(text))
	}
	return b
}

// Words are the event as a sentence, but for its time: type, what happened,
// to whom, and in brackets the rest. id is e.ID as it is to be shown.
func (e *Event) Words(id string) string {
	text := e.Type + " " + e.Status
	if id != "" { // a volume has none
		text += " " + id
	}
	if e.Type != "container" && e.Type != "pod" {
		return strings.TrimRight(text+" "+e.Name, " ")
	}
	details := []string{"image=" + e.Image, "name=" + e.Name}
	if health := e.Attributes[HealthStatus]; health != "" {
		details = append(details, HealthStatus+"="+health)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Attributes)) {
		if key != ExitCode && key != HealthStatus {
			details = append(details, key+"="+e.Attributes[key])
		}
	}
	return text + " (" + strings.Join(details, ", ") + ")"
}

// ParseEntry reads an event from a line of journalctl's JSON.
func ParseEntry(line []byte) (*Event, error) {
	var j struct {
		Event   string `json:"PODMAN_EVENT"`
		Type    string `json:"PODMAN_TYPE"`
		Time    string `json:"PODMAN_TIME"`
		Name    string `json:"PODMAN_NAME"`
		Network string `json:"PODMAN_NETWORK_NAME"`
		ID      string `json:"PODMAN_ID"`
		Image   string `json:"PODMAN_IMAGE"`
		Pod     string `json:"PODMAN_POD_ID"`
		Code    string `json:"PODMAN_EXIT_CODE"`
		Health  string `json:"PODMAN_HEALTH_STATUS"`
		Labels  string `json:"PODMAN_LABELS"`
	}
	if err := json.Unmarshal(line, &j); err != nil {
		return nil, fmt.Errorf("cannot read an event of the journal: %w", err)
	}
	e := &Event{Type: j.Type, Status: j.Event, ID: j.ID, Name: j.Name + j.Network, Image: j.Image, Pod: j.Pod}
	if j.Event == "" || j.Type == "" {
		return nil, errors.New("cannot read an event of the journal: it has no PODMAN_EVENT or PODMAN_TYPE")
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339Nano, j.Time); err != nil {
		return nil, fmt.Errorf("cannot read an event of the journal: %w", err)
	}
	e.Attributes = map[string]string{}
	if j.Labels != "" {
		if err := json.Unmarshal([]byte(j.Labels), &e.Attributes); err != nil {
			return nil, fmt.Errorf("cannot read the labels of an event of the journal: %w", err)
		}
	}
	for key, value := range map[string]string{ExitCode: j.Code, HealthStatus: j.Health} {
		if value != "" {
			e.Attributes[key] = value
		}
	}
	return e, nil
}
