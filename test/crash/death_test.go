package crash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/test/rig"
)

// kill sends SIGKILL and waits for the end.
func (s *site) kill(pid int) {
	s.t.Helper()
	if pid <= 1 {
		s.t.Fatalf("no process to kill")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); rig.Alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("process %d does not end", pid)
		}
	}
}

// pid reads one of a container's process ids.
func (s *site) pid(container, field string) int {
	s.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(s.must("container", "inspect", "--format", "{{."+field+"}}", container)))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

func (s *site) runVictim(flags ...string) {
	s.t.Helper()
	args := append([]string{"run", "-d", "--name", "victim"}, flags...)
	s.must(append(append(args, "busybox"), strings.Fields(payload)...)...)
}

func TestMonitorDiesWhileContainerRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t, "mon-idle")
	s.runVictim()
	s.kill(s.pid("victim", "State.ConmonPid"))
	s.must("exec", "victim", "true") // whoever watches it now, it runs on
	s.must("stop", "-t", "1", "victim")
	s.inspect("monitor killed while its container ran")

	s.runVictim()
	s.kill(s.pid("victim", "State.ConmonPid"))
	s.inspect("monitor killed, then rm -f")
}

func TestMonitorAndContainerDie(t *testing.T) {
	t.Parallel()
	s := newSite(t, "mon-both")
	s.runVictim()
	pid := s.pid("victim", "State.Pid")
	s.kill(s.pid("victim", "State.ConmonPid"))
	s.kill(pid)
	s.inspect("monitor and container killed")
}

// TestMonitorDiesWhileStarting: the monitor is killed when the runtime is just
// about to start the process, and the runtime goes on, or dies with it.
func TestMonitorDiesWhileStarting(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]string{"runtime goes on": "sleep 0.3", "runtime dies too": "exit 1"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "mon-start-"+strings.Fields(name)[1])
			done := filepath.Join(s.Home, "done")
			crun := filepath.Join(s.Home, "crun")
			script := "#!/bin/sh\ncase \" $* \" in *\" start \"*) if ! [ -e " + done + " ]; then touch " + done +
				"; kill -9 $PPID; " + then + "; fi;; esac\nexec /usr/bin/crun \"$@\"\n"
			if err := os.WriteFile(crun, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			s.must(words("create --name victim busybox " + payload)...)
			s.must("--runtime", crun, "init", "victim")
			r := s.carob("--runtime", crun, "start", "victim")
			if _, err := os.Stat(done); err != nil || r.Code == 0 {
				t.Fatalf("the monitor was not killed: %v %s", err, r.Stderr)
			}
			for tries := 0; ; tries++ {
				if all := s.ps(); len(all) != 1 || all[0].State != "running" {
					t.Errorf("ps shows %v", all)
				}
				if r = s.carob("exec", "victim", "true"); r.Code == 0 || tries == 50 {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if r.Code != 0 {
				t.Errorf("the process was told to run and does not: %s", r.Stderr)
			}
			s.inspect("a monitor killed while the runtime was to start its container: " + name)
		})
	}
}

// TestContainerEndsUnderExec: crun says nothing and 255 when the process was
// killed, with all others of its container, before it had become the user's.
func TestContainerEndsUnderExec(t *testing.T) {
	t.Parallel()
	s := newSite(t, "exec-end")
	s.runVictim("--network=none")
	pid := strconv.Itoa(s.pid("victim", "State.Pid"))
	crun := filepath.Join(s.Home, "crun")
	script := "#!/bin/sh\nkill -9 " + pid + "\nwhile [ -e /proc/" + pid + " ]; do sleep 0.01; done\nexit 255\n"
	if err := os.WriteFile(crun, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r := s.carob("--runtime", crun, "exec", "victim", "true")
	if r.Code != 137 || !strings.Contains(r.Stderr, "cannot exec in container victim: it ended") {
		t.Errorf("exit code %d: %q", r.Code, r.Stderr)
	}
	s.inspect("a container ended while exec entered it")
}

func TestKeeperDies(t *testing.T) {
	t.Parallel()
	s := newSite(t, "keeper")
	s.runVictim()
	keeper, err := s.KeeperPID()
	if err != nil {
		t.Fatal(err)
	}
	s.kill(keeper)
	s.must("exec", "victim", "true")
	s.must("run", "--rm", "-v", "precious:/p", "busybox", "cat", "/p/file")
	s.must("stop", "-t", "1", "victim")
	s.inspect("keeper killed while a container ran")
}

func TestNetworkHelperDies(t *testing.T) {
	t.Parallel()
	s := newSite(t, "net-helper")
	s.runVictim()
	processes, err := s.Processes(0)
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, p := range processes {
		if strings.Contains(p.Args, "pasta") || strings.Contains(p.Args, "slirp4netns") {
			s.kill(p.PID)
			killed++
		}
	}
	if killed == 0 {
		t.Error("no network helper found")
	}
	s.inspect("network helper killed")
}

// TestNetworkHelperDiesAtStart kills it as soon as it is seen, and ever later.
// What run makes of that is its affair, but it must come to an end.
func TestNetworkHelperDiesAtStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, "net-start")
	killed := 0
	for delay := time.Duration(0); delay < 30*time.Millisecond; delay += 3 * time.Millisecond {
		ended := make(chan rig.Result, 1)
		go func() { ended <- s.carob(append(words("run -d --name victim busybox"), words(payload)...)...) }()
		var r rig.Result
		for over := false; !over; {
			select {
			case r = <-ended:
				over = true
			default:
				if pid := s.find("slirp4netns-"); pid != 0 || s.find("pasta-") != 0 {
					time.Sleep(delay)
					s.kill(max(pid, s.find("pasta-")))
					killed++
					r, over = <-ended, true
				}
			}
		}
		if r.Code != 0 && r.Code != 125 {
			t.Errorf("run without its network helper: exit code %d: %s", r.Code, r.Stderr)
		}
		s.inspect(fmt.Sprintf("network helper killed %s after its start", delay))
		if t.Failed() {
			return
		}
	}
	if killed == 0 {
		t.Error("no network helper was seen: the test tests nothing")
	}
}

func TestRuntimeDirectoryWiped(t *testing.T) {
	t.Parallel()
	s := newSite(t, "wiped")
	s.runVictim()
	s.wipeRun()
	s.refused(255, "carob restart victim", "exec", "victim", "true")
	s.must("restart", "-t", "0", "victim")
	s.must("exec", "victim", "true")
	s.inspect("runtime directory wiped while a container ran, then restart")

	s.runVictim()
	s.wipeRun()
	s.inspect("runtime directory wiped while a container ran")
}

func (s *site) wipeRun() {
	s.t.Helper()
	if r := s.run("unshare", "--map-root-user", "--map-auto", "sh", "-c", "rm -rf "+s.Run+"/* "+s.Run+"/.[!.]*"); r.Code != 0 {
		s.t.Fatalf("cannot wipe the runtime directory: %s", r.Stderr)
	}
}

// TestReboot makes the place look as after a power cut: every process gone at
// once, the runtime directory empty, another boot id in what was written.
func TestReboot(t *testing.T) {
	t.Parallel()
	s := newSite(t, "reboot")
	s.runVictim()
	s.must("run", "-d", "--name", "other", "--restart", "always", "--network=none", "busybox", "sleep", "1000")
	s.powerCut()
	for _, c := range s.ps() {
		if c.State != "exited" && c.State != "stopped" && c.State != "created" {
			t.Errorf("%s is called %s after a reboot", c.Names, c.State)
		}
	}
	s.must("start", "victim")
	s.must("exec", "victim", "true")
	s.inspect("reboot")
}

func (s *site) powerCut() {
	s.t.Helper()
	processes, err := s.Processes(0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range processes {
		_ = syscall.Kill(p.PID, syscall.SIGSTOP) // so that none sees another die
	}
	for _, p := range processes {
		s.kill(p.PID)
	}
	s.wipeRun()
	records, err := filepath.Glob(filepath.Join(s.Storage(), "carob/containers/*", monitor.RecordFile))
	if err != nil || len(records) == 0 {
		s.t.Fatalf("no records: %v", err)
	}
	for _, file := range records {
		s.otherBoot(file)
	}
	keeper := filepath.Join(s.Storage(), "carob/keeper")
	b, err := os.ReadFile(keeper)
	if err != nil {
		s.t.Fatal(err)
	}
	fields := strings.Fields(string(b))
	fields[len(fields)-1] = "00000000-0000-4000-8000-000000000000"
	if err := os.WriteFile(keeper, []byte(strings.Join(fields, " ")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) otherBoot(file string) {
	s.t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	r, err := monitor.ReadRecord(int(f.Fd()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.BootID = "00000000-0000-4000-8000-000000000000"
	if err := monitor.WriteRecord(int(f.Fd()), r); err != nil {
		s.t.Fatal(err)
	}
}

// TestSlowDeath kills a command after ever longer times: what no syscall list
// thought of.
func TestSlowDeath(t *testing.T) {
	t.Parallel()
	s := newSite(t, "times")
	for delay := 2 * time.Millisecond; delay < 150*time.Millisecond; delay += 6 * time.Millisecond {
		cmd := s.Command("carob", append([]string{"run", "-d", "--name", "victim", "busybox"}, strings.Fields(payload)...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		_ = cmd.Process.Kill() // it may be through
		_ = cmd.Wait()
		s.inspect(fmt.Sprintf("run killed after %s", delay))
		if t.Failed() {
			return
		}
	}
}

// TestKeeperRace: the first commands of a session come at once, and one of
// those that make the keeper dies.
func TestKeeperRace(t *testing.T) {
	t.Parallel()
	s := newSite(t, "race")
	for delay := time.Millisecond; delay < 30*time.Millisecond; delay += 2 * time.Millisecond {
		s.must("system", "migrate") // ends the keeper
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				cmd := s.Command("carob", "ps")
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				if i < 2 {
					time.Sleep(delay)
					_ = cmd.Process.Kill() // it may be through
				}
				if err := cmd.Wait(); err != nil && i >= 2 {
					t.Errorf("ps beside a dying keeper: %v", err)
				}
			})
		}
		all.Wait()
	}
	s.inspect("keepers killed while they were made")
}
