package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
