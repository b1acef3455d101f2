package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// afterwork is what an end entails: removal, the stop of a pod, the unmount of
// a volume.
type afterwork struct {
	name string
	make string               // the carob command that comes first, if any
	run  string               // has victim run, but for its command
	left func(s *site) string // what is not done yet, "" when all is
	undo []string             // carob command that undoes make
}

func afterworks() []afterwork {
	infraLives := func(s *site) string {
		if state := s.must("pod", "inspect", "--format", "{{.State}}", "q"); strings.TrimSpace(state) != "Exited" {
			return "the pod is " + state
		}
		return ""
	}
	listed := func(s *site) string {
		for _, c := range s.ps() {
			if c.Names[0] == "victim" && c.State != "created" { // it never ran, then
				return "victim is " + c.State
			}
		}
		return ""
	}
	both := func(s *site) string { return listed(s) + infraLives(s) }
	mounted := func(s *site) string {
		if mounts := s.must("unshare", "cat", "/proc/self/mountinfo"); strings.Contains(mounts, "/volumes/mem/_data") {
			return "the volume is mounted"
		}
		return ""
	}
	podCreate, podRm := "pod create --name q --network none --exit-policy stop", words("pod rm -f q")
	return []afterwork{
		{"rm", "", "run -d --rm --name victim --network none busybox", listed, nil},
		{"rm-in-pod", podCreate, "run -d --rm --pod q --name victim busybox", both, podRm},
		{"volume", "volume create -o type=tmpfs -o device=tmpfs mem", "run -d --name victim --network none -v mem:/m busybox", mounted, words("volume rm -f mem")},
	}
}

// finished wants the next listings to do what the end entails.
func (s *site) finished(w afterwork, when string) {
	s.t.Helper()
	before := s.t.Failed()
	left := ""
	for range 50 { // what survives the kill works on
		s.must("ps", "-a")
		if left = w.left(s) + s.unsettled(); left == "" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if left != "" {
		s.t.Errorf("not done at the end: %s", left)
	}
	s.must("rm", "-f", "--ignore", "victim")
	if len(w.undo) > 0 {
		s.must(w.undo...)
	}
	if s.t.Failed() && !before {
		s.t.Errorf("... after: %s", when)
	}
}

// unsettled lists the ends that somebody still has to see to.
func (s *site) unsettled() string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Storage(), "carob/ends/*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(files, " ")
}

// killSteps has kill kill somebody at each of the calls, each for the first time,
// the second, and so on until most, and looks at what becomes of that. It tells
// how many kills there were.
func (s *site) killSteps(w afterwork, calls []string, most int, kill func(calls string, n int)) (hits int) {
	for _, some := range calls {
		for n := 1; n <= most; n++ {
			if len(w.make) > 0 {
				s.must(words(w.make)...)
			}
			kill(some, n)
			s.finished(w, fmt.Sprintf("call %d of %s", n, some))
			if s.t.Failed() {
				s.showTrace()
				return hits
			}
			if !s.wasHit() {
				break
			}
			hits++
		}
	}
	return hits
}

// TestKillMonitorAtEnd kills the monitor of a container that ends at once, at
// each step it takes.
func TestKillMonitorAtEnd(t *testing.T) {
	for _, w := range afterworks() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "end-mon-"+w.name)
			hits := s.killSteps(w, []string{"pwrite64", "unlink,unlinkat", "clone,clone3,fork,vfork"}, depth(4), func(calls string, n int) {
				s.killHelper("carob-monitor", calls, n, operation{argv: words(w.run + " true")})
			})
			s.inspect("monitors killed at the end of their containers")
			if hits < 6 {
				t.Errorf("only %d kills: the test tests little", hits)
			}
		})
	}
}

// TestKillWhoFinishesTheEnd: monitor and container are gone, and whoever looks
// next dies over writing that down and doing what follows.
func TestKillWhoFinishesTheEnd(t *testing.T) {
	for _, w := range afterworks() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "end-cli-"+w.name)
			hits := s.killSteps(w, []string{"pwrite64", "unlink,unlinkat", "umount2"}, depth(usually), func(calls string, n int) {
				s.must(words(w.run + " " + payload)...)
				pid := s.pid("victim", "State.Pid")
				s.kill(s.pid("victim", "State.ConmonPid"))
				s.kill(pid)
				if err := os.RemoveAll(s.trace()); err != nil {
					t.Fatal(err)
				}
				s.killCommand(calls, n, operation{argv: words("ps -a")})
			})
			s.inspect("ps killed over what others left")
			if hits < 3 {
				t.Errorf("only %d kills: the test tests little", hits)
			}
		})
	}
}

// TestKillWhoRunsItAgain: monitor and container are gone, the restart policy
// wants it to run, and whoever sees to that dies: the command that looks, or
// the monitor that it starts and what that starts in turn. The looks that
// follow bring it about.
func TestKillWhoRunsItAgain(t *testing.T) {
	run, look := "run -d --restart always --name victim --network none -v precious:/p busybox "+payload, words("ps -a")
	for who, kill := range map[string]func(s *site, calls string, n int, op operation){
		"command": (*site).killCommand, "monitor": killHelper("carob-monitor"),
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			everyStep(t, "again-"+who, operation{"run again, " + who, nil, look}, inPods, func(s *site, calls string, n int, op operation) {
				s.must(words(run)...)
				pid := s.pid("victim", "State.Pid")
				s.kill(s.pid("victim", "State.ConmonPid"))
				s.kill(pid)
				if err := os.RemoveAll(s.trace()); err != nil {
					t.Fatal(err)
				}
				kill(s, calls, n, op)
			}, func(s *site, when string) {
				s.runsAgain(when)
				s.inspect(when)
			})
		})
	}
}

// runsAgain wants looks to have the victim run.
func (s *site) runsAgain(when string) {
	s.t.Helper()
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		all := s.ps()
		if len(all) == 1 && all[0].State == "running" && s.carob("exec", "victim", "true").Code == 0 {
			return
		}
		if time.Since(begin) > 10*time.Second {
			s.t.Errorf("%s: it does not run again: %v: %s", when, all, s.must("container", "inspect", "--format", "{{.State.Error}}", "victim"))
			return
		}
	}
}

// TestNeverRun: a --rm container stays until it has run, whoever looks at it.
func TestNeverRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, "never-run")
	s.must("create", "--rm", "--name", "victim", "--network=none", "busybox", "true")
	s.must("ps", "-a")
	if all := s.ps(); len(all) != 1 || all[0].State != "created" {
		t.Errorf("a container that never ran is gone: %v", all)
	}
	s.must("init", "victim")
	s.kill(s.pid("victim", "State.ConmonPid"))
	s.must("ps", "-a")
	if all := s.ps(); len(all) != 1 {
		t.Errorf("a container that never ran is gone with its monitor: %v", all)
	}
	s.must("start", "victim")
	for range 50 {
		if len(s.ps()) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("it ran and is still there: %v", s.ps())
}
