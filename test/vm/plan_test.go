package vm

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// group is a directory of scripts and the account they run as.
type group struct{ name, account string }

// phase is one boot of a machine.
type phase struct {
	groups []group
	kernel string // words of the kernel's command line
}

// machine has a disk of its own. It is booted for one of its phases after the
// other; between two of them it reboots in good order.
type machine struct {
	name   string
	cpus   int
	phases []phase
}

// machines are those that run scripts. Those that take longest come first. One
// processor each: two emulated ones wait for each other, and cost the host more
// than they gain. user has two for --cpuset-cpus 1, powerCut because it takes
// longest of all.
var machines = []machine{
	{name: "units", cpus: 1, phases: []phase{{groups: []group{{"units", "ct"}}, kernel: noSecurity}}},
	{name: "user", cpus: 2, phases: []phase{{groups: []group{{"user", "ct"}, {"wide", "wide"}, {"root", "root"}}, kernel: noSecurity}}},
	{name: "reboot", cpus: 1, phases: []phase{
		{groups: []group{{"before-reboot", "ct"}, {"before-reboot-units", "wide"}}, kernel: noSecurity},
		{groups: []group{{"after-reboot", "ct"}, {"after-reboot-units", "wide"}}, kernel: noSecurity},
	}},
	{name: "quadlet", cpus: 1, phases: []phase{{groups: []group{{"quadlet", "ct"}}, kernel: noSecurity}}},
	// Files that were made without SELinux have no labels. The scripts switch
	// to enforcing, as it is not the machine's boot that is tested.
	{name: "selinux", cpus: 1, phases: []phase{
		{groups: []group{{"selinux", "ct"}}, kernel: "security=selinux selinux=1 enforcing=0"},
	}},
	{name: "apparmor", cpus: 1, phases: []phase{{groups: []group{{"apparmor", "ct"}, {"apparmor-root", "root"}}, kernel: noAudit}}},
}

// nextPhase is the first one from n on that something is wanted of; the number
// of phases when there is none.
func (m machine) nextPhase(n int) int {
	for n < len(m.phases) && !slices.ContainsFunc(m.phases[n].groups, group.wanted) {
		n++
	}
	return n
}

// wanted tells whether there is anything to run in the group: a script, and
// -test.run does not leave it out.
func (g group) wanted() bool {
	scripts, _ := filepath.Glob(filepath.Join("scripts", g.name, "*.txtar")) // the pattern is good
	return len(scripts) > 0 && wanted(g.name)
}

// wanted tells whether -test.run leaves a group in.
func wanted(group string) bool {
	for _, arg := range os.Args[1:] {
		pattern, found := strings.CutPrefix(arg, "-test.run=")
		parts := strings.Split(pattern, "/")
		if !found || len(parts) < 2 {
			continue
		}
		if match, err := regexp.MatchString(parts[1], group); err == nil && !match {
			return false
		}
	}
	return true
}

// runMachines runs machines side by side, one more than there are processors, as
// each waits now and then: on two of the host's, three of them took 690 s for
// all, two of them, with two processors each, 750 s.
func runMachines(t *testing.T) {
	d, err := makeDisks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	jobs := make(chan func(), len(machines)+1)
	if wanted(powerCut) {
		jobs <- func() { cutPower(t, d.of(powerCut, 2)) }
	}
	for _, m := range machines {
		if m.nextPhase(0) < len(m.phases) {
			jobs <- func() { m.run(t, d.of(m.name, m.cpus)) }
		}
	}
	close(jobs)
	var workers sync.WaitGroup
	for range runtime.NumCPU() + 1 {
		workers.Go(func() {
			for job := range jobs {
				job()
			}
		})
	}
	workers.Wait()
}
