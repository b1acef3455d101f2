// Package crash kills carob, its monitor and the OCI runtime with SIGKILL at
// every step of what they do and looks at what the next command makes of it.
//
// A step is the n-th call of one of the syscalls that change something
// (strace --inject), counted in each thread. A test goes on to the next n
// until a run was not hit any more. After each kill:
//
//   - ps -a answers, and calls running what runs and nothing else;
//   - what does not run can be started;
//   - the volume keeps its data;
//   - rm -f removes whatever is listed;
//   - no process, mount, file, layer or row is left;
//   - a container of the same name runs.
package crash

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/test/rig"
)

// host is what TestMain was given.
var host *rig.Host

func TestMain(m *testing.M) {
	os.Exit(rig.Run([]rig.View{rig.Plain}, func(h *rig.Host) int {
		host = h
		return m.Run()
	}))
}

// site is a place with the image loaded and data in a volume.
type site struct {
	*rig.Place
	t *testing.T
}

const kept = "do not lose me"

func newSite(t *testing.T, name string) *site {
	t.Helper()
	place, err := host.NewPlace(filepath.Join(host.Root, name))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{place, t}
	t.Cleanup(func() {
		failed := t.Failed()
		for _, leak := range place.Close() {
			if !failed { // what failed has said what it left
				t.Error("left behind at the end: " + leak)
			}
		}
	})
	s.must("load", "--quiet", "--input", filepath.Join(host.Images, "busybox.tar"))
	s.must("run", "--rm", "--network=none", "-v", "precious:/p", "busybox", "sh", "-c", "echo "+kept+" >/p/file")
	return s
}

// run runs a command for at most 30 s. It may be called in a goroutine, so
// that it never ends the test.
func (s *site) run(argv ...string) rig.Result {
	s.t.Helper()
	r, err := s.try(argv)
	if err != nil {
		s.t.Errorf("%s: %v", strings.Join(argv, " "), err)
	}
	return r
}

// try keeps the output off a disk that a test fills.
func (s *site) try(argv []string) (rig.Result, error) {
	return s.Try(host.Root, 30*time.Second, argv[0], argv[1:]...)
}

func (s *site) carob(args ...string) rig.Result {
	s.t.Helper()
	return s.run(append([]string{"carob"}, args...)...)
}

// must is a command that works, after whatever happened before.
func (s *site) must(args ...string) string {
	s.t.Helper()
	r := s.carob(args...)
	if r.Code != 0 {
		s.t.Errorf("carob %s: exit code %d: %s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// listed is what ps says of a container.
type listed struct {
	ID    string `json:"Id"`
	Names []string
	State string
	Pid   int
}

func (s *site) ps() (all []listed) {
	s.t.Helper()
	out := s.must("ps", "--all", "--format", "json")
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		s.t.Errorf("ps --format json: %v: %s", err, out)
	}
	return all
}

// inspect asks the questions of the package comment. when says what died.
func (s *site) inspect(when string) {
	s.t.Helper()
	before := s.t.Failed()
	keeper, _ := s.KeeperPID() // 0: none
	running := map[int]bool{}
	for _, c := range s.ps() {
		alive := c.Pid > 0 && rig.Alive(c.Pid)
		switch c.State {
		case "running", "paused":
			if !alive {
				s.t.Errorf("%s is called %s, but process %d is gone", c.Names, c.State, c.Pid)
			}
			running[c.Pid] = true
		case "created", "configured", "exited", "stopped":
			if alive {
				s.t.Errorf("%s is called %s, but process %d lives", c.Names, c.State, c.Pid)
			}
		default:
			s.t.Errorf("%s is called %q after a kill: the next command should have settled it", c.Names, c.State)
		}
	}
	s.noStrayPayload(running)
	s.startAgain()
	for _, leak := range s.RemoveContainers() {
		s.t.Error(leak)
	}
	s.ageStaging()
	s.must("image", "prune", "-f") // layers of a killed create are found by who cleans up images
	leaks := s.Leaks(keeper)
	if len(leaks) > 0 { // what was begun a moment ago is spared for a second
		time.Sleep(1100 * time.Millisecond)
		s.must("ps", "-a")
		leaks = s.Leaks(keeper)
	}
	for _, leak := range append(leaks, s.RowLeaks()...) {
		s.t.Error("left behind: " + leak)
	}
	got := s.must("run", "--rm", "--network=none", "--name", "victim", "-v", "precious:/p", "busybox", "cat", "/p/file")
	if strings.TrimSpace(got) != kept {
		s.t.Errorf("the volume holds %q", got)
	}
	if s.t.Failed() && !before {
		s.t.Errorf("... after: %s", when)
	}
}

// startAgain starts the victim, if it is there and does not run: whatever a
// start or an end that was killed has left must not be in the way.
func (s *site) startAgain() {
	s.t.Helper()
	for _, c := range s.ps() {
		if len(c.Names) == 1 && c.Names[0] == "victim" && c.State != "running" && c.State != "paused" {
			r := s.carob("start", "victim")
			if r.Code != 0 && !strings.Contains(r.Stderr, "no such container") { // one with --rm may go by itself
				s.t.Errorf("start victim: exit code %d: %s", r.Code, r.Stderr)
			}
		}
	}
}

// payload is what victims run; no other process has these arguments.
const payload = "sleep 27182"

// noStrayPayload: a payload that no command shows is the worst leak. A start
// that was under way may have come to its end since ps looked, so ps is asked
// again before it is blamed.
func (s *site) noStrayPayload(running map[int]bool) {
	s.t.Helper()
	for tries := 0; ; tries++ {
		stray := s.strayPayload(running)
		if stray == "" {
			return
		}
		if tries == 5 {
			s.t.Errorf("%s runs, but ps does not say so", stray)
			return
		}
		time.Sleep(200 * time.Millisecond)
		for _, c := range s.ps() {
			running[c.Pid] = true
		}
	}
}

// strayPayload is a payload that is not among running, "" when there is none.
func (s *site) strayPayload(running map[int]bool) string {
	s.t.Helper()
	processes, err := s.Processes(0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range processes {
		if p.Args == payload && !running[p.PID] {
			return p.String()
		}
	}
	return ""
}
