package crash

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func podOperations() []operation {
	member := "--pod new:p --network none --name victim -v precious:/p busybox " + payload
	created, running := words("create "+member), words("run -d "+member)
	return usual([]operation{
		{"pod-create", nil, words("pod create --name p --network none")},
		{"pod-run", nil, running},
		{"pod-start", created, words("pod start p")},
		{"pod-stop", running, words("pod stop -t 0 p")},
		{"pod-restart", running, words("pod restart -t 0 p")},
		{"pod-rm", running, words("pod rm -f -t 0 p")},
	})
}

func TestKillPodCommand(t *testing.T) {
	for _, op := range podOperations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			everyStep(t, "cli-"+op.name, op, inPods, (*site).killCommand, (*site).inspectPod)
		})
	}
}

// TestKillPodHelper kills the monitors, and the OCI runtimes, of members.
func TestKillPodHelper(t *testing.T) {
	for _, helper := range []string{"carob-monitor", "crun"} {
		for _, op := range podOperations() {
			if op.name == "pod-create" || op.name == "pod-run" && !thorough() {
				continue // neither takes part, or as it does in pod-start
			}
			t.Run(helper+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				everyStep(t, helper+"-"+op.name, op, inPods, killHelper(helper), (*site).inspectPod)
			})
		}
	}
}

// inspectPod is inspect, and before it: a pod that is there can be started,
// and what runs in it has the pod's network.
func (s *site) inspectPod(when string) {
	s.t.Helper()
	before := s.t.Failed()
	s.must("pod", "ps")
	if s.carob("pod", "exists", "p").Code == 0 {
		s.must("pod", "start", "p")
		s.must("run", "--rm", "--pod", "p", "busybox", "true")
	}
	s.podsGone(when)
	if s.t.Failed() && !before {
		s.t.Errorf("... with a pod after: %s", when)
	}
}

// podsGone is inspect, after which there is no pod and its name is free.
func (s *site) podsGone(when string) {
	s.t.Helper()
	s.inspect(when)
	if left := s.must("pod", "ps", "-q"); left != "" {
		s.t.Errorf("pods are left: %s", left)
	}
	s.must("pod", "create", "--name", "p", "--network", "none")
	s.must("pod", "rm", "p")
}

func (s *site) infra() string {
	s.t.Helper()
	return strings.TrimSpace(s.must("pod", "inspect", "--format", "{{.InfraContainerID}}", "p"))
}

func TestPodProcessesDie(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pod-deaths")
	s.runVictim("--pod", "new:p")
	started := s.must("container", "inspect", "--format", "{{.State.StartedAt}}", "victim")
	for _, victim := range []struct {
		what string
		pid  func() int
	}{
		{"sandbox", func() int { return s.pid(s.infra(), "State.Pid") }},
		{"monitor", func() int { return s.pid("victim", "State.ConmonPid") }},
		{"helper", s.helperPID},
		{"sandbox again", func() int { return s.pid(s.infra(), "State.Pid") }},
	} {
		s.kill(victim.pid())
		s.must("pod", "start", "p")
		if state := s.must("pod", "inspect", "--format", "{{.State}}", "p"); state != "Running\n" {
			t.Errorf("after the death of the %s the pod is %s", victim.what, state)
		}
		s.must("exec", "victim", "true")
		s.helperPID()
	}
	if now := s.must("container", "inspect", "--format", "{{.State.StartedAt}}", "victim"); now != started {
		t.Errorf("the member was started anew: %s, before %s", now, started)
	}
	s.podsGone("all of a pod's helpers killed")
}

// TestMemberRunsAgainWithoutSandbox: the monitor of a member needs no sandbox
// to run it again in the pod's namespaces, and not the one that it began with.
func TestMemberRunsAgainWithoutSandbox(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pod-again")
	s.runVictim("--pod", "new:p", "--restart", "always")
	namespaces := func() string {
		return s.must("exec", "victim", "sh", "-c", "cd /proc/1/ns; for i in net ipc uts; do readlink $i; done")
	}
	first := namespaces()
	s.kill(s.pid(s.infra(), "State.Pid"))
	for _, when := range []string{"without a sandbox", "with another sandbox"} {
		old := s.pid("victim", "State.Pid")
		s.kill(old)
		for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			if now := s.pid("victim", "State.Pid"); now != 0 && now != old && s.carob("exec", "victim", "true").Code == 0 {
				break
			}
			if time.Since(begin) > 20*time.Second {
				t.Fatalf("%s the member does not run again: %s", when, s.must("container", "inspect", "--format", "{{.State.Error}}", "victim"))
			}
		}
		if now := namespaces(); now != first {
			t.Errorf("%s the member is in other namespaces: %s, before %s", when, now, first)
		}
		s.must("pod", "start", "p")
	}
	s.podsGone("a member run again without its sandbox")
}

// helperPID is the pod's network helper, which lives.
func (s *site) helperPID() int {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Run, "carob/c", s.infra(), "pasta.pid"))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("no pid file of the network helper (%v)", err)
	}
	out := s.run("cat", files[0])
	pid, err := strconv.Atoi(strings.TrimSpace(out.Stdout))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// Test20OnOnePod: members come, go, start and stop at once; the pod is whole
// afterwards.
func Test20OnOnePod(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pod-crowd")
	s.must("pod", "create", "--name", "p", "--network", "none")
	for i, r := range s.crowd(20, func(i int) []string {
		switch i % 4 {
		case 0:
			return words("pod start p")
		case 1:
			return words(fmt.Sprintf("run -d --pod p --name m%d busybox sleep 1000", i))
		case 2:
			return words("run --rm --pod p busybox true")
		}
		return words("pod inspect p")
	}) {
		if r.Code != 0 {
			t.Errorf("command %d: exit code %d: %s", i, r.Code, r.Stderr)
		}
	}
	if n := strings.TrimSpace(s.must("pod", "inspect", "--format", "{{.NumContainers}}", "p")); n != "6" {
		t.Errorf("the pod has %s containers, not 6", n)
	}
	s.must("pod", "start", "p")
	gone := 0
	for _, r := range s.crowd(20, func(int) []string { return words("pod rm -f -t 0 p") }) {
		if r.Code == 0 && strings.TrimSpace(r.Stdout) != "" {
			gone++
		} else if r.Code > 1 {
			t.Errorf("pod rm: exit code %d: %s", r.Code, r.Stderr)
		}
	}
	if gone == 0 {
		t.Error("nobody removed the pod")
	}
	s.podsGone("20 at once on one pod")
}

// TestPodAfterReboot: the runtime directory is gone, and all processes are.
func TestPodAfterReboot(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pod-reboot")
	s.runVictim("--pod", "new:p")
	pids := []int{s.pid("victim", "State.ConmonPid"), s.pid("victim", "State.Pid"), s.pid(s.infra(), "State.Pid"), s.helperPID()}
	keeper, err := s.KeeperPID()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(pids, keeper) {
		s.kill(pid)
	}
	if r := s.run("sh", "-c", "rm -rf "+s.Run+"/*"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	if state := s.must("pod", "inspect", "--format", "{{.State}}", "p"); state != "Exited\n" {
		t.Errorf("the pod is %s", state)
	}
	s.must("pod", "start", "p")
	s.must("exec", "victim", "true")
	s.podsGone("reboot")
}

// TestPodWithoutRuntimeDir: somebody wiped it while the pod ran.
func TestPodWithoutRuntimeDir(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pod-wiped")
	s.runVictim("--pod", "new:p")
	if r := s.run("sh", "-c", "rm -rf "+s.Run+"/*"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	s.must("pod", "ps")
	s.must("pod", "start", "p")
	s.helperPID()
	s.must("run", "--rm", "--pod", "p", "busybox", "true")
	s.must("pod", "restart", "-t", "0", "p")
	s.must("exec", "victim", "true")
	s.podsGone("runtime directory wiped")
}
