package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/carob-containers/carob/pkg/quadlet"
)

// TestServicesOfUnitsWithMistakesAreLookedFor: a service runs on when its unit
// can no longer be read.
func TestServicesOfUnitsWithMistakesAreLookedFor(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"good.container": "[Container]\nImage=quay.io/x/y\nServiceName=other\n",
		"bad.container":  "[Container\n", "bad@.pod": "[Pod\n", "bad@1.volume": "nonsense\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := quadlet.Load(quadlet.Place{Getenv: func(name string) string {
		if name == "QUADLET_UNIT_DIRS" {
			return dir
		}
		return ""
	}})
	if err == nil || len(set.Units) != 1 {
		t.Fatalf("%d units, %v", len(set.Units), err)
	}
	got := servicePatterns(set, []string{"good.container", "bad.container", "bad@.pod", "bad@1.volume"})
	if want := []string{"other.service", "bad.service", "bad-pod@*.service", "bad-volume@1.service"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// fakeServices are running services, and the files they were made of.
type fakeServices map[string]string

func (f fakeServices) ListUnitsByPatternsContext(_ context.Context, _, patterns []string) ([]systemd.UnitStatus, error) {
	var list []systemd.UnitStatus
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok }) {
			list = append(list, systemd.UnitStatus{Name: name})
		}
	}
	return list, nil
}

func (f fakeServices) GetUnitPropertyContext(_ context.Context, unit, _ string) (*systemd.Property, error) {
	if f[unit] == "gone" {
		return nil, errors.New("no such unit")
	}
	return &systemd.Property{Name: "SourcePath", Value: dbus.MakeVariant(f[unit])}, nil
}

// TestServicesOfUnitsThatWereRenamedAreLookedFor: a unit's ServiceName= was
// changed, and systemd runs the service of before.
func TestServicesOfUnitsThatWereRenamedAreLookedFor(t *testing.T) {
	services := fakeServices{
		"web.service": "/units/web.container", "before.service": "/units/web.container", "before@1.service": "/units/web.container",
		"other.service": "/units/other.container", "hand.service": "", "ended.service": "gone",
	}
	running, err := runningServices(t.Context(), services, []string{"web.service", "unread.service"}, []string{"/units/web.container", ""})
	var got []string
	for _, u := range running {
		got = append(got, u.Name)
	}
	if want := []string{"web.service", "before.service", "before@1.service"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, not %q", got, err, want)
	}
}

func TestSystemdThatGivesNoAnswer(t *testing.T) {
	var told bytes.Buffer
	a := &app{err: &told}
	broken := errors.New("the bus is broken")
	if err := a.notAsked(broken, true, false); err != nil || told.Len() > 0 {
		t.Errorf("where no systemd is: %v, %s", err, &told)
	}
	if err := a.notAsked(broken, false, false); !errors.Is(err, broken) || !strings.Contains(err.Error(), "systemd could not be asked") {
		t.Errorf("without --force: %v", err)
	}
	if err := a.notAsked(broken, false, true); err != nil || !strings.Contains(told.String(), "nothing was stopped: the bus is broken") {
		t.Errorf("with --force: %v, %s", err, &told)
	}
}
