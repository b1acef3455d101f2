package eventlog

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"
)

// asJSON is what journalctl makes of an entry without long fields.
func asJSON(t *testing.T, entry []byte) []byte {
	t.Helper()
	fields := map[string]string{"_UID": "1000", "__REALTIME_TIMESTAMP": "1700000000000001"}
	for line := range strings.Lines(string(entry)) {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !found {
			t.Fatalf("no field: %q", line)
		}
		fields[name] = value
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestEntriesAreReadAsTheyWereWritten(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 987654321, time.UTC)
	for _, e := range []Event{
		{Time: at, Type: "container", Status: "died", ID: "ab12", Name: "web", Image: "localhost/web:latest", Pod: "cd34",
			Attributes: map[string]string{"app": "a=b \"c\"", ExitCode: "137"}},
		{Time: at, Type: "container", Status: "health_status", ID: "ab12", Attributes: map[string]string{HealthStatus: "healthy", "health_log": "two\nlines"}},
		{Time: at, Type: "volume", Status: "create", Name: "data"},
		{Time: at, Type: "network", Status: "remove", ID: "ef", Name: "net"},
	} {
		got, err := ParseEntry(asJSON(t, e.entryWithoutMessage()))
		if err != nil {
			t.Fatal(err)
		}
		if !got.Time.Equal(e.Time) || !maps.Equal(got.Attributes, e.Attributes) {
			t.Errorf("got %+v, want %+v", got, e)
		}
		got.Attributes, got.Time, e.Attributes, e.Time = nil, time.Time{}, nil, time.Time{}
		if a, b := mustJSON(t, got), mustJSON(t, e); a != b {
			t.Errorf("got %s, want %s", a, b)
		}
	}
}

// entryWithoutMessage leaves out the field that may have newlines.
func (e *Event) entryWithoutMessage() []byte {
	entry := string(e.entry())
	return []byte(entry[strings.Index(entry, "PRIORITY="):])
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestPodmansFields(t *testing.T) {
	e := Event{Time: time.Unix(1, 0).UTC(), Type: "container", Status: "died", ID: "ab", Name: "web", Image: "i", Pod: "p",
		Attributes: map[string]string{"b": "2", "a": "1", ExitCode: "3"}}
	want := "MESSAGE=container died ab (image=i, name=web, a=1, b=2)\nPRIORITY=6\nSYSLOG_IDENTIFIER=carob\nPODMAN_EVENT=died\nPODMAN_TYPE=container\n" +
		"PODMAN_TIME=1970-01-01T00:00:01Z\nPODMAN_NAME=web\nPODMAN_ID=ab\nPODMAN_IMAGE=i\nPODMAN_POD_ID=p\nPODMAN_EXIT_CODE=3\nPODMAN_LABELS={\"a\":\"1\",\"b\":\"2\"}\n"
	if got := string(e.entry()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestForeignEntriesAreNoEvents(t *testing.T) {
	for _, line := range []string{"", "{}", "[]", `{"PODMAN_EVENT":"died"}`, `{"PODMAN_EVENT":"died","PODMAN_TYPE":"container","PODMAN_TIME":"yesterday"}`,
		`{"PODMAN_EVENT":"died","PODMAN_TYPE":"container","PODMAN_TIME":"2026-01-02T03:04:05Z","PODMAN_LABELS":"["}`, `{"PODMAN_EVENT":["a","b"]}`} {
		if e, err := ParseEntry([]byte(line)); err == nil {
			t.Errorf("%s is %+v", line, e)
		}
	}
}
