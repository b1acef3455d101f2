// Package workload plays the guest book of docs/tutorials: PostgreSQL, redis, an
// application and nginx in one pod, a visitor in another. While notes are
// written all the time, every process of it is killed with SIGKILL, one after
// the other. After each the guest book answers again, by itself where carob's
// monitors are there to see to it, and otherwise after the one command that
// the test then gives; and every note that was acknowledged is there.
package workload

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	}, "guestbook-images.sh"))
}

// servers are the containers that a guest book is made of.
var servers = []string{"db", "cache", "app", "web"}

func TestGuestbook(t *testing.T) {
	s := newSite(t)
	s.play()
	s.answersAfter("play")
	s.step("by itself", func() {
		for _, name := range servers {
			s.killPayload(name)
		}
		s.killPayload("visitor")
		s.killChild("db", "walwriter")
		s.killChild("db", "checkpointer")
		s.killChild("web", "worker process")
	})
	s.step("stopped servers", s.stopServers)
	s.step("monitors", s.killMonitors)
	s.step("monitor and server", func() { s.killMonitorAndServer("app") })
	s.step("sandbox, network helper, keeper", func() {
		s.killSandbox()
		s.killHelper()
		s.killKeeper()
	})
	s.step("all at once", s.killAll)
	s.step("down and play", s.downAndPlay)
	s.step("down --force", s.downForGood)
}

// step is a part that is not begun when one before has failed.
func (s *site) step(name string, part func()) {
	s.t.Helper()
	if s.t.Failed() {
		s.t.FailNow()
	}
	begin := time.Now()
	part()
	s.t.Logf("%s: %.1f s, %d notes", name, time.Since(begin).Seconds(), len(s.acknowledged()))
}

// killPayload kills the first process of a container, and waits for its
// monitor to start another, without a command that could help.
func (s *site) killPayload(name string) {
	s.t.Helper()
	old := s.pid(name, "State.Pid")
	s.kill(old)
	s.answersAfter("the first process of " + name + " killed")
	s.replaced(name, old)
}

// replaced waits for a container to run again: the guest book may not have
// missed it. inspect helps nobody whose monitor lives.
func (s *site) replaced(name string, old int) {
	s.t.Helper()
	s.until(name+" runs again", func() bool {
		pid := s.pid(name, "State.Pid")
		return pid > 0 && pid != old && rig.Alive(pid)
	})
}

// killChild kills a process below a server's first one, which replaces it.
func (s *site) killChild(name, args string) {
	s.t.Helper()
	child := s.child(s.pid(name, "State.Pid"), args)
	s.kill(child)
	s.answersAfter("a process of " + name + " killed: " + args)
	s.until(args+" of "+name+" runs again", func() bool {
		now := s.findChild(s.pid(name, "State.Pid"), args)
		return now != 0 && now != child
	})
}

// stopServers stops what probes can find stopped: nginx's first process does
// not serve, so its workers go on without it.
func (s *site) stopServers() {
	s.t.Helper()
	stopped := map[string]int{}
	for _, name := range []string{"db", "cache", "app"} {
		stopped[name] = s.pid(name, "State.Pid")
	}
	s.signal("STOP", slices.Collect(maps.Values(stopped))...)
	for name, pid := range stopped {
		s.replaced(name, pid)
	}
	s.answersAfter("db, cache and app stopped")
}

// killMonitors: the servers run on; the next command gives them new monitors,
// which do for them what the old ones did.
func (s *site) killMonitors() {
	s.t.Helper()
	old := map[string]int{}
	for _, name := range servers {
		old[name] = s.pid(name, "State.ConmonPid")
	}
	s.kill(slices.Collect(maps.Values(old))...)
	s.answersAfter("all monitors killed")
	s.must("ps")
	for _, name := range servers {
		if now := s.pid(name, "State.ConmonPid"); now == old[name] || !rig.Alive(now) {
			s.t.Errorf("the new monitor of %s is said to be %d, the killed one was %d", name, now, old[name])
		}
		s.killPayload(name)
	}
}

// killMonitorAndServer leaves nobody to start the server again: pod start does.
func (s *site) killMonitorAndServer(name string) {
	s.t.Helper()
	monitor, payload := s.pid(name, "State.ConmonPid"), s.pid(name, "State.Pid")
	s.signal("STOP", monitor)
	s.signal("KILL", payload, monitor)
	s.must("pod", "start", s.pod())
	s.answersAfter("the monitor and the first process of " + name + " killed")
}

// killSandbox: decision 8. The guest book does not notice.
func (s *site) killSandbox() {
	s.t.Helper()
	old := s.pidOf(s.infra(), "State.Pid")
	s.kill(old)
	s.answersAfter("the sandbox killed")
	s.must("pod", "start", s.pod())
	if now := s.pidOf(s.infra(), "State.Pid"); now == old || !rig.Alive(now) {
		s.t.Errorf("the sandbox is %d, the killed one was %d", now, old)
	}
	s.podRuns()
	s.killPayload("app") // which joins namespaces that another sandbox holds
}

// killHelper cuts the pod off: nobody watches the network helper, so that
// there is no process for it.
func (s *site) killHelper() {
	s.t.Helper()
	s.kill(s.helper())
	if _, err := s.get("/healthz"); err == nil {
		s.t.Error("the guest book answers without its network helper: another process was killed")
	}
	s.must("pod", "start", s.pod())
	s.answersAfter("the network helper killed")
}

func (s *site) killKeeper() {
	s.t.Helper()
	old, err := s.KeeperPID()
	if err != nil {
		s.t.Fatal(err)
	}
	s.kill(old)
	s.answersAfter("the keeper killed")
	s.must("exec", s.containers["db"], "true")
	if now, err := s.KeeperPID(); err != nil || now == old || !rig.Alive(now) {
		s.t.Errorf("the keeper is %d (%v), the killed one was %d", now, err, old)
	}
}

// killAll kills every process of the site: a pod start of each pod brings all
// of it back.
func (s *site) killAll() {
	s.t.Helper()
	all := s.processes()
	s.signal("STOP", all...) // so that none sees another die
	s.kill(all...)
	s.must("pod", "start", "--all")
	s.answersAfter("every process killed")
	s.allHealthy()
}

// downAndPlay: the claim outlives the pods, and the counter in the emptyDir
// does not.
func (s *site) downAndPlay() {
	s.t.Helper()
	s.down()
	if got := strings.Fields(s.must("volume", "ls", "-q")); !slices.Equal(got, []string{"guestbook-db"}) {
		s.t.Errorf("volumes after kube down: %q", got)
	}
	s.play()
	s.answersAfter("kube down and kube play")
}

func (s *site) downForGood() {
	s.t.Helper()
	s.down("--force")
	for what, left := range map[string]string{
		"volumes": s.must("volume", "ls", "-q"),
		"secrets": s.must("secret", "ls", "-q"),
		"objects": s.must("kube", "ls", "-n"),
		"pods":    s.must("pod", "ps", "-q"),
	} {
		if left != "" {
			s.t.Errorf("%s after kube down --force: %s", what, left)
		}
	}
}

// down ends the pods: no process but the keeper, no mount, file or row is left.
func (s *site) down(flags ...string) {
	s.t.Helper()
	s.quiet()
	s.visited()
	before := s.processes()
	s.must(append(append([]string{"kube", "down"}, flags...), s.file)...)
	keeper, err := s.KeeperPID()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, pid := range before {
		if pid != keeper && rig.Alive(pid) {
			s.t.Errorf("process %d lives after kube down", pid)
		}
	}
	for _, leak := range append(s.Leaks(keeper), s.RowLeaks()...) {
		s.t.Error("left behind by kube down: " + leak)
	}
}

func (s *site) yaml() string { return filepath.Join(host.Source, "guestbook.yaml") }
