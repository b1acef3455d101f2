package libpod

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
)

// Filters are --filter words, parsed: of several values of one key any may
// hold (of labels all must), and every key must.
type Filters map[string][]string

// ParseFilters reads KEY=VALUE words, and label!=VALUE.
func ParseFilters(words []string) (Filters, error) {
	f := Filters{}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("cannot use filter %q: it must be KEY=VALUE", w)
		}
		if key == "label!" {
			f[key] = append(f[key], value)
			continue
		}
		if !slices.Contains(ContainerFilterKeys(), key) {
			return nil, fmt.Errorf("cannot use filter %q: %s is an invalid filter", w, key)
		}
		f[key] = append(f[key], value)
	}
	return f, nil
}

// ContainerFilterKeys are the keys ParseFilters knows, beside label!.
func ContainerFilterKeys() []string {
	return []string{
		"id", "name", "label", "exited", "status", "ancestor", "before", "since", "until", "volume", "health", "network",
		"restart-policy", "pod", "command", "should-start-on-boot",
	}
}

// Match tells whether the filters hold for c.
func (f Filters) Match(ctx context.Context, rt *Runtime, c *Container) (bool, error) {
	for key, values := range f {
		every := key == "label" || key == "label!" // podman's and docker's exception
		ok := every
		for _, v := range values {
			one, err := f.matchOne(ctx, rt, c, key, v)
			if err != nil {
				return false, err
			}
			if every {
				ok = ok && one
			} else {
				ok = ok || one
			}
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

func (f Filters) matchOne(ctx context.Context, rt *Runtime, c *Container, key, v string) (bool, error) {
	switch key {
	case "id":
		return strings.HasPrefix(c.ID, v) || regexpMatch(v, c.ID), nil
	case "name":
		return regexpMatch(v, c.Name), nil
	case "label":
		return labelMatch(c.Labels, v), nil
	case "label!":
		return !labelMatch(c.Labels, v), nil
	case "ancestor":
		return c.ancestorMatch(v)
	case "pod":
		return c.podMatch(ctx, v)
	case "command":
		return len(c.Process.Command) > 0 && c.Process.Command[0] == v, nil
	case "network":
		return firstOf(c.Network.Mode, "pasta") == v, nil
	case "volume":
		return c.hasVolume(v), nil
	case "restart-policy":
		return firstOf(c.Container.Restart.Policy, "no") == v, nil
	case "should-start-on-boot":
		want, err := strconv.ParseBool(v)
		if err != nil {
			return false, fmt.Errorf("cannot use filter should-start-on-boot=%s: it must be true or false", v)
		}
		should, err := c.startsOnBoot()
		return should == want, err
	case "before", "since", "until":
		return f.matchTime(ctx, rt, c, key, v)
	}
	return c.matchState(key, v)
}

// startsOnBoot tells whether the restart policy wants the container to run
// after a boot.
func (c *Container) startsOnBoot() (bool, error) {
	switch c.Container.Restart.Policy {
	case spec.RestartAlways:
		return true, nil
	case spec.RestartUnlessStopped:
		st, err := c.State()
		return err == nil && !st.StoppedByUser, err
	}
	return false, nil
}

func (c *Container) matchState(key, v string) (bool, error) {
	st, err := c.State()
	if err != nil {
		return false, err
	}
	switch key {
	case "exited":
		code, err := strconv.Atoi(v)
		if err != nil {
			return false, fmt.Errorf("cannot use filter exited=%s: it must be a number", v)
		}
		return st.Status == StateExited && st.ExitCode == code, nil
	case "health":
		return firstOf(st.Health, "none") == v, nil
	}
	switch v {
	case StateCreated, StateInitialized, StateRunning, StatePaused, StateStopping, StateRestarting, StateExited:
		return st.Status == v, nil
	case "stopped":
		return st.Status == StateExited, nil
	case "removing", "unknown", "dead", "configured":
		return false, nil
	}
	return false, fmt.Errorf("cannot use filter status=%s: %s is not a container state", v, v)
}

func (f Filters) matchTime(ctx context.Context, rt *Runtime, c *Container, key, v string) (bool, error) {
	if key == "until" {
		t, err := ParseTime(v, time.Now())
		return c.Created.Before(t), err
	}
	other, err := rt.Container(ctx, v)
	if err != nil {
		return false, fmt.Errorf("cannot use filter %s=%s: %w", key, v, err)
	}
	if key == "before" {
		return c.Created.Before(other.Created), nil
	}
	return c.Created.After(other.Created), nil
}

// ParseTime reads a point in time as users give it: RFC 3339 and shorter
// forms, Unix seconds, or a duration that lies back from now ("10m").
func ParseTime(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return time.Unix(0, int64(n*1e9)), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot understand the time %q", s)
}

// podMatch takes the start of the pod's ID, or its name.
func (c *Container) podMatch(ctx context.Context, v string) (bool, error) {
	if c.Pod == "" || strings.HasPrefix(c.Pod, v) {
		return c.Pod != "", nil
	}
	p, err := c.rt.Pod(ctx, c.Pod)
	if errors.Is(err, errNoPod) {
		return false, nil
	}
	return err == nil && p.Name == v, err
}

func (c *Container) ancestorMatch(v string) (bool, error) {
	if strings.HasPrefix(c.ImageID, v) || c.ImageName == v || c.Image == v {
		return true, nil
	}
	name, _, _ := strings.Cut(path.Base(c.ImageName), ":")
	if name == v || path.Base(c.ImageName) == v {
		return true, nil
	}
	return c.descendsFrom(v)
}

// descendsFrom tells whether the container's image is built on image v.
func (c *Container) descendsFrom(v string) (bool, error) {
	images, err := c.rt.Images()
	if err != nil || c.ImageID == "" {
		return false, err
	}
	base, err := images.Lookup(v)
	if err != nil {
		return false, nil // an image that is not there is nobody's ancestor
	}
	return images.Descends(c.ImageID, base)
}

func (c *Container) hasVolume(v string) bool {
	for _, m := range c.Mounts.List {
		if m.Source == v || m.Destination == v {
			return true
		}
	}
	return false
}

func regexpMatch(pattern, s string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return strings.Contains(s, pattern)
	}
	return re.MatchString(s)
}

func labelMatch(labels map[string]string, v string) bool {
	key, value, has := strings.Cut(v, "=")
	have, ok := labels[key]
	if strings.Contains(key, "*") {
		for k, val := range labels {
			if m, _ := path.Match(key, k); m && (!has || val == value) {
				return true
			}
		}
		return false
	}
	return ok && (!has || have == value)
}
