package crash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPullDoesNotStopRun: a container starts while a big layer is unpacked.
func TestPullDoesNotStopRun(t *testing.T) {
	s := newSite(t, "pull-run")
	archive := s.bigArchive(1 << 30)
	pull := s.Command("carob", "pull", "--quiet", "docker-archive:"+archive)
	start := time.Now()
	if err := pull.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- pull.Wait() }()
	var took []time.Duration
	for over := false; !over; {
		began := time.Now()
		s.must("run", "--rm", "--network=none", "busybox", "true")
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("pull: %v", err)
			}
			over = true
		default:
			took = append(took, time.Since(began))
		}
	}
	whole := time.Since(start)
	if len(took) == 0 {
		t.Fatalf("no run came through while the pull went on for %s", whole)
	}
	slices.Sort(took)
	t.Logf("pull of 1 GiB: %s; %d runs meanwhile: median %s, longest %s", whole, len(took), took[len(took)/2], took[len(took)-1])
	if longest := took[len(took)-1]; longest > 2*time.Second && longest > whole/2 {
		t.Errorf("a run waited %s for a pull of %s", longest, whole)
	}
	s.must("rmi", "-a", "-f")
	s.inspectStorage("a pull beside runs")
}

// TestInterruptedPull: SIGINT and SIGKILL at any time of a pull leave no
// layer that nobody knows, and the next pull works.
func TestInterruptedPull(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pull-int")
	archive := s.bigArchive(48 << 20)
	for i, delay := 0, 10*time.Millisecond; delay < 700*time.Millisecond; i, delay = i+1, delay*5/4 {
		signal := []syscall.Signal{syscall.SIGINT, syscall.SIGKILL}[i%2]
		pull := s.Command("carob", "pull", "--quiet", "docker-archive:"+archive)
		if err := pull.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		_ = pull.Process.Signal(signal) // it may be through
		_ = pull.Wait()
		s.inspectStorage("pull ended by " + signal.String() + " after " + delay.String())
		if t.Failed() {
			return
		}
	}
	s.must("pull", "--quiet", "docker-archive:"+archive)
	s.inspect("interrupted pulls")
}

// inspectStorage: what a killed pull left is gone after the commands that
// promise to clean up, and the images that were there still work.
func (s *site) inspectStorage(when string) {
	s.t.Helper()
	before := s.t.Failed()
	s.ageStaging()
	s.must("image", "prune", "-f")
	keeper, _ := s.KeeperPID() // 0: none
	for _, leak := range s.Leaks(keeper) {
		s.t.Error("left behind: " + leak)
	}
	if !strings.Contains(s.must("images", "--format", "{{.Repository}}"), "busybox") {
		s.t.Log("busybox is gone too") // a test may have removed all
	} else {
		s.must("run", "--rm", "--network=none", "busybox", "true")
	}
	if s.t.Failed() && !before {
		s.t.Errorf("... after: %s", when)
	}
}

// ageStaging: what looks as if it had just been begun is spared for seconds.
func (s *site) ageStaging() {
	s.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.Storage(), "overlay/staging/*"))
	if err != nil {
		s.t.Fatal(err)
	}
	links, err := filepath.Glob(filepath.Join(s.Storage(), "overlay/l/*"))
	if err != nil {
		s.t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Minute)
	for _, link := range links {
		at := unix.NsecToTimespec(old.UnixNano())
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, link, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	for _, dir := range dirs {
		if err := os.Chtimes(dir, old, old); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
}

// TestKilledPullOfRun: run has the image pulled by another program; the death
// of either is the end of both, in words.
func TestKilledPullOfRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pull-of-run")
	archive := "docker-archive:" + s.bigArchive(48<<20)
	argv := []string{"run", "--rm", "--network=none", "--name", "victim", archive, "/nosuch"}
	for delay := 5 * time.Millisecond; delay < 300*time.Millisecond; delay = delay * 3 / 2 {
		for _, child := range []bool{true, false} {
			s.killPullOfRun(argv, delay, child)
			s.inspect(fmt.Sprintf("run killed (its helper: %t) after %s of pulling", child, delay))
			if t.Failed() {
				return
			}
			s.must("rmi", "-f", "-i", "localhost/big")
		}
	}
}

// killPullOfRun kills run or its child carob-image once that has run so long.
func (s *site) killPullOfRun(argv []string, delay time.Duration, child bool) {
	s.t.Helper()
	said, err := os.CreateTemp(s.Home, "said")
	if err != nil {
		s.t.Fatal(err)
	}
	defer said.Close()
	run := s.Command("carob", argv...)
	run.Stderr = said
	if err := run.Start(); err != nil {
		s.t.Fatal(err)
	}
	puller := 0
	for deadline := time.Now().Add(10 * time.Second); puller == 0; puller = childOf(run.Process.Pid, "carob-image") {
		if time.Now().After(deadline) {
			s.t.Fatal("no carob-image was seen")
		}
	}
	time.Sleep(delay)
	if !child {
		_ = run.Process.Kill() // it may be through
		_ = run.Wait()
		return
	}
	late := syscall.Kill(puller, syscall.SIGKILL) != nil
	_ = run.Wait()
	words, err := os.ReadFile(said.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	if code := run.ProcessState.ExitCode(); !late && code != 127 && (code != 125 || !strings.Contains(string(words), "cannot pull image")) {
		s.t.Errorf("carob-image killed: exit code %d: %s", code, words)
	}
}

// childOf is a child of a process by its name, 0: none.
func childOf(pid int, name string) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, list := range lists {
		b, _ := os.ReadFile(list) // its thread may have ended
		for _, word := range strings.Fields(string(b)) {
			comm, _ := os.ReadFile("/proc/" + word + "/comm") // so may the child
			if child, err := strconv.Atoi(word); err == nil && strings.TrimSpace(string(comm)) == name {
				return child
			}
		}
	}
	return 0
}

// find is a process of this place by a part of its arguments, 0: none.
func (s *site) find(part string) int {
	s.t.Helper()
	processes, err := s.Processes(0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range processes {
		if strings.Contains(p.Args, part) {
			return p.PID
		}
	}
	return 0
}

// TestInterruptedRun: SIGINT at any time of a run in the foreground.
func TestInterruptedRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, "run-int")
	for delay := time.Millisecond; delay < 200*time.Millisecond; delay += 7 * time.Millisecond {
		run := s.Command("carob", "run", "--rm", "--name", "victim", "busybox", "sh", "-c", "trap 'exit 3' INT; while :; do sleep 0.05; done")
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		ended := make(chan error, 1)
		go func() { ended <- run.Wait() }()
		// The first may reach a shell that has not set its trap yet, and the
		// kernel spares a first process that has no handler.
		for tries := 0; ; tries++ {
			_ = run.Process.Signal(syscall.SIGINT) // it may be through
			select {
			case <-ended:
			case <-time.After(500 * time.Millisecond):
				if tries < 20 {
					continue
				}
				t.Errorf("SIGINT after %s and 20 more were lost: run goes on", delay)
				_ = run.Process.Kill() // the container is removed below
				<-ended
			}
			break
		}
		s.inspect("run interrupted after " + delay.String())
		if t.Failed() {
			return
		}
	}
}
