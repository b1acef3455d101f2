package libpod

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FilteredVolumes are those for which the KEY=VALUE words hold: of several of
// one key any, of every key one.
func (rt *Runtime) FilteredVolumes(ctx context.Context, filters []string) ([]*Volume, error) {
	all, err := rt.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	for _, f := range filters {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, fmt.Errorf("cannot use filter %q: it must be KEY=VALUE", f)
		}
		keys[key] = append(keys[key], value)
	}
	var wrong error
	out := slices.DeleteFunc(all, func(v *Volume) bool {
		keep, err := v.match(ctx, keys)
		wrong = errors.Join(wrong, err)
		return !keep
	})
	return out, firstError(wrong)
}

// firstError is one of errors that are all the same complaint.
func firstError(err error) error {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) && len(many.Unwrap()) > 0 {
		return many.Unwrap()[0]
	}
	return err
}

func (v *Volume) match(ctx context.Context, filters map[string][]string) (bool, error) {
	for key, values := range filters {
		ok := false
		for _, value := range values {
			one, err := v.matchOne(ctx, key, value)
			if err != nil {
				return false, err
			}
			ok = ok || one
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

func (v *Volume) matchOne(ctx context.Context, key, value string) (bool, error) {
	switch key {
	case "name":
		return regexpMatch(value, v.Name), nil
	case "driver":
		return v.Driver == value, nil
	case "scope":
		return value == "local", nil
	case "label":
		return labelMatch(v.Labels, value), nil
	case "label!":
		return !labelMatch(v.Labels, value), nil
	case "opt":
		return labelMatch(v.Options, value), nil
	case "dangling":
		want, err := strconv.ParseBool(value)
		if err != nil {
			return false, fmt.Errorf("cannot use filter dangling=%s: it must be true or false", value)
		}
		return (len(v.Users) == 0) == want, nil
	case "anonymous":
		want, err := strconv.ParseBool(value)
		return v.Anonymous == want, err
	case "until":
		t, err := ParseTime(value, time.Now())
		return v.Created.Before(t), err
	case "since", "after":
		other, err := v.rt.Volume(ctx, value)
		if err != nil {
			return false, err
		}
		return v.Created.After(other.Created), nil
	}
	return false, fmt.Errorf("%q is an invalid volume filter", key)
}

// CheckPruneFilters refuses filters that prune does not take, and values that
// mean nothing: before anybody is asked, and however little there is to prune.
func CheckPruneFilters(filters []string) error {
	for _, f := range filters {
		switch key, value, _ := strings.Cut(f, "="); key {
		case "until":
			if _, err := ParseTime(value, time.Now()); err != nil {
				return fmt.Errorf("cannot use filter %q: %w", f, err)
			}
		case "label", "label!", "all", "anonymous":
		default:
			return fmt.Errorf("cannot use filter %q: prune takes label and until", f)
		}
	}
	return nil
}

// PruneVolumes removes the volumes that no container has. A filter until=
// leaves out those made since.
func (rt *Runtime) PruneVolumes(ctx context.Context, filters []string) ([]string, error) {
	filters = slices.DeleteFunc(slices.Clone(filters), func(f string) bool { return f == "all" || strings.HasPrefix(f, "all=") })
	list, err := rt.FilteredVolumes(ctx, append(filters, "dangling=true"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range list {
		err := rt.eraseVolume(ctx, v.Volume)
		var used *VolumeInUseError
		if errors.As(err, &used) {
			continue // by a container made just now
		}
		if err != nil {
			return names, err
		}
		names = append(names, v.Name)
	}
	return names, rt.sweepGoneVolumes()
}
