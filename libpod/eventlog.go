package libpod

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/carob-containers/carob/pkg/eventlog"
)

// EventOptions choose events.
type EventOptions struct {
	Since, Until time.Time // zero: no bound
	// OnlyNew leaves out what the log has already.
	OnlyNew bool
	// Follow goes on until ctx is done or Until is reached.
	Follow  bool
	Filters []string // KEY=VALUE: container, event, image, label, pod, volume, type
}

// eventFilters are filters by key: any value of a key, and every key, must fit.
type eventFilters map[string][]string

func parseEventFilters(words []string) (eventFilters, error) {
	f := eventFilters{}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("cannot use filter %q: it must be KEY=VALUE", w)
		}
		switch key = strings.ToLower(key); key { // as podman
		case "event", "status":
			key = "event"
		case "container", "image", "label", "pod", "volume", "type":
		default:
			return nil, fmt.Errorf("cannot use filter %q: %s is an invalid filter", w, key)
		}
		f[key] = append(f[key], value)
	}
	return f, nil
}

func (f eventFilters) match(e *Event) bool {
	for key, values := range f {
		ok := false
		for _, v := range values {
			ok = ok || matchEvent(e, key, v)
		}
		if !ok {
			return false
		}
	}
	return true
}

func matchEvent(e *Event, key, v string) bool {
	named := e.Name == v || v != "" && strings.HasPrefix(e.ID, v)
	switch key {
	case "event":
		return e.Status == v || v == "die" && e.Status == "died" // docker's word
	case "type":
		return e.Type == v
	case "container", "pod", "volume":
		return e.Type == key && named
	case "image":
		if e.Type == "image" {
			return named || imageNamed(e.Name, v)
		}
		return imageNamed(e.Image, v)
	case "label":
		return labelMatch(e.Attributes, v)
	}
	return false
}

// imageNamed takes the last part of a name, and a name without its tag, too.
func imageNamed(name, v string) bool {
	short := name[strings.LastIndexByte(name, '/')+1:]
	bare, _, _ := strings.Cut(short, ":")
	return name == v || short == v || bare == v || strings.TrimSuffix(name, ":latest") == v
}

// eventLogger is file, journald or none.
func (rt *Runtime) eventLogger() string { return cmp.Or(rt.opts.EventBackend, eventlog.File) }

// Events calls each for the events wanted, oldest first.
func (rt *Runtime) Events(ctx context.Context, o EventOptions, each func(*Event) error) error {
	filters, err := parseEventFilters(o.Filters)
	if err != nil {
		return err
	}
	if rt.opts.EventBackend == eventlog.None {
		return WithHint(errors.New("cannot read events: with events_logger \"none\" there are none"), "set events_logger to \"file\" in containers.conf")
	}
	if o.Follow && !o.Until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, o.Until)
		defer cancel()
	}
	wanted := func(e *Event) error {
		if !o.wants(e.Time) || !filters.match(e) {
			return nil
		}
		return each(e)
	}
	if rt.opts.EventBackend == eventlog.Journald {
		return journalEvents(ctx, &o, wanted)
	}
	f, err := os.OpenFile(rt.dirs.Events(), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot read the events: %w", err)
	}
	// The file is followed as logs are, and rotated as they are.
	files := &logFiles{path: rt.dirs.Events(), list: []*os.File{f}, watch: -1}
	defer func() { files.close() }()
	if o.OnlyNew {
		if _, err := f.Seek(0, io.SeekEnd); err != nil {
			return err
		}
	} else {
		f.Close()
		if files, err = openLogFiles(rt.dirs.Events()); err != nil {
			return fmt.Errorf("cannot read the events: %w", err)
		}
	}
	return readEvents(ctx, files, o.Follow, wanted)
}

func readEvents(ctx context.Context, files *logFiles, follow bool, each func(*Event) error) error {
	buf := make([]byte, 64<<10)
	var part []byte
	for {
		n, err := files.read(buf)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read the events: %w", err)
		}
		if n == 0 {
			if !follow || errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			files.wait(ctx)
			continue
		}
		part = append(part, buf[:n]...)
		for {
			line, rest, whole := bytes.Cut(part, []byte("\n"))
			if !whole {
				break
			}
			part = rest
			var e Event
			if json.Unmarshal(line, &e) != nil {
				continue
			}
			if err := each(&e); err != nil {
				return err
			}
		}
	}
}

func (o *EventOptions) wants(t time.Time) bool {
	return !t.Before(o.Since) && (o.Until.IsZero() || !t.After(o.Until))
}
