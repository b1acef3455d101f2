package crash

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/carob-containers/carob/test/rig"
)

// crowd runs n commands at once and returns their results in order.
func (s *site) crowd(n int, argv func(i int) []string) []rig.Result {
	results := make([]rig.Result, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { results[i] = s.carob(argv(i)...) })
	}
	all.Wait()
	return results
}

// Test64AtOnce: no "database is locked", no lost write.
func Test64AtOnce(t *testing.T) {
	s := newSite(t, "c64")
	for i, r := range s.crowd(64, func(i int) []string {
		return []string{"run", "-d", "--network=none", "--name", fmt.Sprintf("c%d", i), "busybox", "sleep", "1000"}
	}) {
		if r.Code != 0 {
			t.Errorf("c%d: exit code %d: %s", i, r.Code, r.Stderr)
		}
	}
	if n := len(s.ps()); n != 64 {
		t.Errorf("ps shows %d containers, not 64", n)
	}
	for i, r := range s.crowd(64, func(i int) []string {
		return []string{"rm", "-f", "-t", "0", fmt.Sprintf("c%d", i)}
	}) {
		if r.Code != 0 {
			t.Errorf("rm c%d: exit code %d: %s", i, r.Code, r.Stderr)
		}
	}
	s.inspect("64 at once")
}

// Test30OnOneName: one gets the name, the others are told so.
func Test30OnOneName(t *testing.T) {
	s := newSite(t, "c30")
	won := 0
	for _, r := range s.crowd(30, func(int) []string {
		return append([]string{"run", "-d", "--network=none", "--name", "victim", "busybox"}, strings.Fields(payload)...)
	}) {
		switch {
		case r.Code == 0:
			won++
		case r.Code != 125 || !strings.Contains(r.Stderr, "in use"):
			t.Errorf("exit code %d: %s", r.Code, r.Stderr)
		}
	}
	if won != 1 {
		t.Errorf("%d got the name", won)
	}
	s.inspect("30 on one name")
}

// Test30OnOneContainer: all kinds of commands at once on the same container;
// each succeeds or is refused in words, none hangs.
func Test30OnOneContainer(t *testing.T) {
	s := newSite(t, "c1")
	s.runVictim()
	kinds := [][]string{
		{"stop", "-t", "0", "victim"}, {"start", "victim"}, {"restart", "-t", "0", "victim"}, {"exec", "victim", "true"},
		{"inspect", "victim"}, {"ps", "-a"}, {"kill", "victim"}, {"logs", "victim"}, {"pause", "victim"}, {"unpause", "victim"},
	}
	for i, r := range s.crowd(30, func(i int) []string { return kinds[i%len(kinds)] }) {
		killed := kinds[i%len(kinds)][0] == "exec" && r.Code == 137 // with the container
		if r.Code != 0 && !killed && strings.TrimSpace(r.Stderr) == "" {
			t.Errorf("%s: exit code %d and no word", strings.Join(kinds[i%len(kinds)], " "), r.Code)
		}
		if strings.Contains(r.Stderr, "locked") || strings.Contains(r.Stderr, "panic") {
			t.Errorf("%s: %s", strings.Join(kinds[i%len(kinds)], " "), r.Stderr)
		}
	}
	s.inspect("30 on one container")
}

// TestFirstCommandsAtOnce: no keeper, no database, no storage yet.
func TestFirstCommandsAtOnce(t *testing.T) {
	place, err := host.NewPlace(host.Root + "/first")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{place, t}
	t.Cleanup(func() {
		for _, leak := range place.Close() {
			t.Error("left behind at the end: " + leak)
		}
	})
	for _, r := range s.crowd(20, func(int) []string { return []string{"ps", "-a"} }) {
		if r.Code != 0 {
			t.Errorf("exit code %d: %s", r.Code, r.Stderr)
		}
	}
	if _, err := os.Stat(s.Storage()); err != nil {
		t.Error(err)
	}
}
