package workload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/test/rig"
)

// pid reads one of the process ids of a container, named as in the YAML.
func (s *site) pid(name, field string) int {
	s.t.Helper()
	return s.pidOf(s.containers[name], field)
}

func (s *site) pidOf(container, field string) int {
	s.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(s.must("container", "inspect", "--format", "{{."+field+"}}", container)))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// pod is that of the Deployment.
func (s *site) pod() string { return strings.TrimSuffix(s.containers["web"], "-web") }

func (s *site) infra() string {
	s.t.Helper()
	return strings.TrimSpace(s.must("pod", "inspect", "--format", "{{.InfraContainerID}}", s.pod()))
}

// helper is the pod's network helper.
func (s *site) helper() int {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Run, "carob/c", s.infra(), "pasta.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// sendSignals are shell words: a process that has just ended is as good as
// one that got the signal.
const sendSignals = `signal=$1; shift
for pid; do kill -"$signal" "$pid" || test ! -e "/proc/$pid" || exit 1; done`

// signal sends a signal from inside the keeper's user namespace: servers run
// under subordinate ids, and over those the account has power only there.
func (s *site) signal(signal string, pids ...int) {
	s.t.Helper()
	keeper, err := s.KeeperPID()
	if err != nil {
		s.t.Fatal(err)
	}
	args := []string{"--user", "--preserve-credentials", "--target", strconv.Itoa(keeper), "sh", "-c", sendSignals, "sh", signal}
	for _, pid := range pids {
		if pid <= 1 {
			s.t.Fatalf("no process to send SIG%s", signal)
		}
		args = append(args, strconv.Itoa(pid))
	}
	if out, err := s.Command("nsenter", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("cannot send SIG%s: %v: %s", signal, err, out)
	}
}

// kill sends SIGKILL and waits for the end.
func (s *site) kill(pids ...int) {
	s.t.Helper()
	s.signal("KILL", pids...)
	for _, pid := range pids {
		s.until(fmt.Sprintf("process %d ends", pid), func() bool { return !rig.Alive(pid) })
	}
}

// processes are all of the site, the keeper among them.
func (s *site) processes() []int {
	s.t.Helper()
	found, err := s.Processes(0)
	if err != nil {
		s.t.Fatal(err)
	}
	var pids []int
	for _, p := range found {
		pids = append(pids, p.PID)
	}
	// What runs under subordinate ids shows nothing that Processes looks at.
	for name := range s.containers {
		if pid := s.pid(name, "State.Pid"); pid > 0 {
			pids = append(pids, s.tree(pid)...)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// tree is a process and what descends from it.
func (s *site) tree(pid int) []int {
	pids := []int{pid}
	for _, child := range s.children(pid) {
		pids = append(pids, s.tree(child)...)
	}
	return pids
}

// child is a process below parent that has args among its arguments.
func (s *site) child(parent int, args string) int {
	s.t.Helper()
	pid := 0
	s.until(fmt.Sprintf("process %d has a child %q", parent, args), func() bool {
		pid = s.findChild(parent, args)
		return pid != 0
	})
	return pid
}

// findChild is 0 where there is no such child.
func (s *site) findChild(parent int, args string) int {
	s.t.Helper()
	for _, pid := range s.children(parent) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(line), args) {
			return pid
		}
	}
	return 0
}

// children are those of a process's first thread, which starts all of a
// server's; none when it is gone.
func (s *site) children(pid int) (pids []int) {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	for _, word := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			s.t.Fatal(err)
		}
		pids = append(pids, child)
	}
	return pids
}
