package image

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// Filter tells which images of a listing are wanted. Several of one kind must
// all hold, except for references and IDs, where one is enough.
type Filter struct {
	all  []func(*Item) (bool, error)
	refs []string
	ids  []string
}

// ParseFilter reads the KEY=VALUE and KEY!=VALUE of --filter. Images that are
// named as a moment in time (before, since) are looked up in l.
func ParseFilter(l *Listing, filters []string) (*Filter, error) {
	f := &Filter{}
	for _, text := range filters {
		if err := f.add(l, text); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// FilterError is a filter that is not understood.
type FilterError struct{ Filter, Why string }

func (e *FilterError) Error() string {
	return fmt.Sprintf("cannot filter images by %q: %s", e.Filter, e.Why)
}

func (f *Filter) add(l *Listing, text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return &FilterError{text, "it is not KEY=VALUE"}
	}
	key, negated := strings.CutSuffix(key, "!")
	switch {
	case key == "reference" && !negated:
		f.refs = append(f.refs, value)
		return nil
	case key == "id" && !negated:
		f.ids = append(f.ids, strings.TrimPrefix(value, "sha256:"))
		return nil
	}
	test, err := l.test(text, key, value)
	if err != nil {
		return err
	}
	f.all = append(f.all, func(i *Item) (bool, error) {
		ok, err := test(i)
		return ok != negated, err
	})
	return nil
}

// test is one filter as a function.
func (l *Listing) test(text, key, value string) (func(*Item) (bool, error), error) {
	switch key {
	case "reference":
		return func(i *Item) (bool, error) { return i.matches(value) }, nil
	case "id":
		return func(i *Item) (bool, error) { return strings.HasPrefix(i.ID, strings.TrimPrefix(value, "sha256:")), nil }, nil
	case "label":
		return func(i *Item) (bool, error) { return i.hasLabel(value) }, nil
	case "digest":
		return func(i *Item) (bool, error) { return strings.HasPrefix(i.Digest.String(), value), nil }, nil
	case "before", "after", "since":
		return l.relativeTo(value, key == "before")
	case "until":
		until, err := parseUntil(value)
		if err != nil {
			return nil, &FilterError{text, err.Error()}
		}
		return func(i *Item) (bool, error) { return i.Created.Before(until), nil }, nil
	}
	is := flags()[key]
	if is == nil {
		return nil, &FilterError{text, "filters are after, before, containers, dangling, digest, id, intermediate, label, manifest, readonly, reference, since, until"}
	}
	want, err := strconv.ParseBool(value)
	if err != nil {
		return nil, &FilterError{text, "it is neither true nor false"}
	}
	return func(i *Item) (bool, error) { return is(i) == want, nil }, nil
}

// relativeTo compares times of creation with that of another image.
func (l *Listing) relativeTo(name string, before bool) (func(*Item) (bool, error), error) {
	pivot, err := l.find(name)
	if err != nil {
		return nil, err
	}
	return func(i *Item) (bool, error) {
		if before {
			return i.Created.Before(pivot.Created), nil
		}
		return i.Created.After(pivot.Created), nil
	}, nil
}

func flags() map[string]func(*Item) bool {
	return map[string]func(*Item) bool{
		"containers":   func(i *Item) bool { return i.Containers > 0 },
		"dangling":     func(i *Item) bool { return i.Dangling() },
		"intermediate": (*Item).Intermediate,
		"readonly":     func(i *Item) bool { return i.ReadOnly },
		"manifest":     func(i *Item) bool { return i.IsList() },
	}
}

// Match tells whether i is wanted.
func (f *Filter) Match(i *Item) (bool, error) {
	for _, test := range f.all {
		if ok, err := test(i); !ok || err != nil {
			return false, err
		}
	}
	if len(f.ids) > 0 {
		found := false
		for _, id := range f.ids {
			found = found || strings.HasPrefix(i.ID, id)
		}
		if !found {
			return false, nil
		}
	}
	for _, ref := range f.refs {
		if ok, err := i.matches(ref); ok || err != nil {
			return ok, err
		}
	}
	return len(f.refs) == 0, nil
}

func (l *Listing) find(name string) (*Item, error) {
	img, err := l.store.Lookup(name)
	if err != nil {
		return nil, err
	}
	for _, i := range l.Items {
		if i.ID == img.ID {
			return i, nil
		}
	}
	return nil, &NotFoundError{name}
}

// matches compares a pattern with the image's names: whole, without the tag,
// and with leading parts left out. A name that finds the image matches too.
func (i *Item) matches(pattern string) (bool, error) {
	for _, name := range i.Names {
		r, err := ParseReference(name)
		if err != nil {
			continue
		}
		for base := r.Name(); ; {
			for _, text := range []string{base, base + ":" + r.Tag} {
				ok, err := path.Match(pattern, text)
				if err != nil {
					return false, &FilterError{"reference=" + pattern, "it is not a pattern"}
				}
				if ok {
					return true, nil
				}
			}
			_, rest, more := strings.Cut(base, "/")
			if !more {
				break
			}
			base = rest
		}
	}
	if strings.ContainsAny(pattern, "*?[") {
		return false, nil
	}
	img, err := i.store.Lookup(pattern)
	return err == nil && img.ID == i.ID, nil
}

// hasLabel tests KEY or KEY=VALUE.
func (i *Item) hasLabel(label string) (bool, error) {
	config, err := i.Config()
	if err != nil {
		return false, nil // a manifest list has no labels
	}
	key, want, exact := strings.Cut(label, "=")
	has, ok := config.Config.Labels[key]
	return ok && (!exact || has == want), nil
}

// parseUntil reads a duration back from now, an RFC 3339 time or date, or
// seconds since 1970.
func parseUntil(text string) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Unix(0, int64(n*1e9)), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a duration nor a time", text)
}
