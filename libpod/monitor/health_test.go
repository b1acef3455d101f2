package monitor_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
)

const untilStopped = "trap 'exit 0' TERM; while :; do sleep 0.05; done"

// checked is a box with one health check that asks every 100 ms.
func checked(t *testing.T, test string) *box {
	b := newBox(t, "sh", "-c", untilStopped)
	b.cfg.Health.Checks = []monitor.Check{{
		Role: monitor.RoleHealth, Action: monitor.Action{Exec: []string{"/bin/sh", "-c", test}},
		Period: 100 * time.Millisecond, Timeout: 10 * time.Second, Failures: 3,
	}}
	b.cfg.Health.LogCount = 5
	return b
}

func (b *box) check() *monitor.Check { return &b.cfg.Health.Checks[0] }

func (b *box) report() *monitor.HealthReport {
	b.t.Helper()
	data, err := os.ReadFile(b.path(monitor.HealthFile))
	must(b.t, err)
	r := new(monitor.HealthReport)
	must(b.t, json.Unmarshal(data, r))
	return r
}

func (b *box) waitHealth(want string) *monitor.Record {
	b.t.Helper()
	return b.waitRecord(want, func(r *monitor.Record) bool { return r.Health == want })
}

func (b *box) touch(name string) { must(b.t, os.WriteFile(b.path("rootfs/tmp/"+name), nil, 0o600)) }

func (b *box) countEvents(status string) int {
	data, _ := os.ReadFile(b.cfg.Events)
	return strings.Count(string(data), `"status":"`+status+`"`)
}

func stop(t *testing.T, c *client.Conn) {
	t.Helper()
	must(t, c.Stop(0, -1))
	must(t, c.WaitCleaned())
}

func TestHealthCheckFollowsTheContainer(t *testing.T) {
	b := checked(t, "echo asked; [ ! -e /tmp/bad ]")
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	if h := b.record().Health; h != monitor.HealthStarting && h != monitor.HealthHealthy {
		t.Errorf("just started it is %q", h)
	}
	b.waitHealth(monitor.HealthHealthy)
	b.touch("bad")
	b.waitHealth(monitor.HealthUnhealthy)
	r := b.report()
	last := r.Log[len(r.Log)-1]
	if r.Status != monitor.HealthUnhealthy || r.FailingStreak < 3 || last.ExitCode != 1 || last.Output != "asked" || last.End.Before(last.Start) {
		t.Errorf("%+v", r)
	}
	must(t, os.Remove(b.path("rootfs/tmp/bad")))
	b.waitHealth(monitor.HealthHealthy)
	time.Sleep(time.Second)
	if r = b.report(); len(r.Log) != 5 || r.FailingStreak != 0 {
		t.Errorf("%+v", r)
	}
	stop(t, c)
	if n := b.countEvents("health_status"); n != 3 {
		t.Errorf("%d events", n)
	}
	if r := b.record(); r.Health != monitor.HealthHealthy || !r.StoppedByUser {
		t.Errorf("%+v", r)
	}
}

func TestFailuresOfTheStartPeriodDoNotCount(t *testing.T) {
	b := checked(t, "[ -e /tmp/up ]")
	b.check().StartPeriod, b.check().Failures = 1500*time.Millisecond, 1
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(time.Second)
	if r := b.report(); r.Status != monitor.HealthStarting || len(r.Log) < 2 || r.FailingStreak != 0 {
		t.Errorf("%+v", r)
	}
	r := b.waitHealth(monitor.HealthUnhealthy)
	if age := time.Since(time.Unix(0, r.Started)); age < 1500*time.Millisecond {
		t.Errorf("unhealthy after %s", age)
	}
	stop(t, c)
}

func TestStartupCheckHoldsTheOtherBack(t *testing.T) {
	b := checked(t, "echo health; true")
	b.cfg.Health.Checks = append(b.cfg.Health.Checks, monitor.Check{
		Role: monitor.RoleStartup, Action: monitor.Action{Exec: []string{"/bin/sh", "-c", "[ -e /tmp/up ]"}},
		Period: 50 * time.Millisecond, Timeout: time.Second, Successes: 3,
	})
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(700 * time.Millisecond)
	for _, e := range b.report().Log {
		if e.Check != monitor.RoleStartup || e.ExitCode != 1 {
			t.Errorf("%+v", e)
		}
	}
	b.touch("up")
	b.waitHealth(monitor.HealthHealthy)
	r := b.report()
	startups := 0
	for _, e := range r.Log {
		if e.Check == monitor.RoleStartup && e.ExitCode == 0 {
			startups++
		}
	}
	if startups != 3 || r.Log[len(r.Log)-1].Output != "health" {
		t.Errorf("%+v", r)
	}
	stop(t, c)
}

func TestOnFailure(t *testing.T) {
	for action, want := range map[string]struct {
		policy string
		again  bool
		code   int
		byUser bool
	}{
		monitor.OnFailureKill:    {"", false, 137, false},
		monitor.OnFailureStop:    {"always", false, 3, true},
		monitor.OnFailureRestart: {"", true, 3, false},
		monitor.OnFailureReplace: {"always", true, 3, false},
	} {
		b := checked(t, "[ ! -e /tmp/bad ]")
		b.setProcess([]string{"sh", "-c", "trap 'exit 3' TERM; : > /tmp/bad; while :; do sleep 0.05; done"}, false)
		b.check().OnFailure, b.cfg.RestartPolicy = action, want.policy
		c := b.spawn()
		_, err := c.WaitStarted()
		must(t, err)
		m, err := c.Until(nil, nil, monitor.MsgExited)
		must(t, err)
		if m.Again != want.again || m.Code != want.code {
			t.Errorf("%s: %+v", action, m)
		}
		if want.again {
			_, err = c.Until(nil, nil, monitor.MsgStarted)
			must(t, err)
			if r := b.record(); r.Restarts != 1 || r.Health != monitor.HealthStarting {
				t.Errorf("%s: %+v", action, r)
			}
			must(t, c.Stop(unix.SIGKILL, 0))
		}
		must(t, c.WaitCleaned())
		if r := b.record(); !want.again && r.StoppedByUser != want.byUser {
			t.Errorf("%s: %+v", action, r)
		}
	}
}

// TestReplacedWithItsGrace: Kubernetes' way. The container ends well on
// SIGTERM, which no policy on-failure would take for a reason.
func TestReplacedWithItsGrace(t *testing.T) {
	b := checked(t, "false")
	b.check().Role, b.check().OnFailure = monitor.RoleLiveness, monitor.OnFailureReplace
	b.cfg.RestartPolicy = "on-failure"
	c := b.spawn()
	for range 2 {
		_, err := c.Until(nil, nil, monitor.MsgStarted)
		must(t, err)
		m, err := c.Until(nil, nil, monitor.MsgExited)
		must(t, err)
		if m.Code != 0 || !m.Again {
			t.Errorf("%+v", m)
		}
	}
	must(t, c.Stop(unix.SIGKILL, 0))
	must(t, c.WaitCleaned())

	b = checked(t, "false")
	b.setProcess([]string{"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"}, false)
	grace := uint(1)
	b.check().OnFailure, b.check().Grace, b.check().Failures = monitor.OnFailureReplace, &grace, 1
	c = b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	begin := time.Now()
	m, err := c.Until(nil, nil, monitor.MsgExited)
	must(t, err)
	if took := time.Since(begin); m.Code != 137 || m.Again || took < time.Second || took > 5*time.Second {
		t.Errorf("%+v after %s", m, took)
	}
	must(t, c.WaitCleaned())
}

func TestCheckThatHangsIsKilledInside(t *testing.T) {
	marker := "9" + itoa(os.Getpid()) + "1"
	b := checked(t, "echo hanging; sleep "+marker)
	b.check().Timeout, b.check().Failures = time.Second, 1
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(500 * time.Millisecond)
	if processWith(marker) == "" {
		t.Fatal("the check does not run")
	}
	b.waitHealth(monitor.HealthUnhealthy)
	b.check().Period = time.Hour
	r := b.report()
	if e := r.Log[0]; e.ExitCode != -1 || !strings.HasPrefix(e.Output, "hanging") || !strings.Contains(e.Output, "timeout of 1s") {
		t.Errorf("%+v", e)
	}
	stop(t, c)
	if pid := processWith(marker); pid != "" {
		t.Errorf("%s is left", pid)
	}
}

// TestHangingChecksDoNotPileUp looks while the container goes on.
func TestHangingChecksDoNotPileUp(t *testing.T) {
	marker := "9" + itoa(os.Getpid()) + "2"
	b := checked(t, "sleep "+marker)
	b.check().Timeout, b.check().Period = 200*time.Millisecond, 50*time.Millisecond
	c := b.spawn()
	b.waitRecord("unhealthy", func(r *monitor.Record) bool { return r.Health == monitor.HealthUnhealthy })
	time.Sleep(time.Second)
	if n := processesWith(marker); n > 3 { // sh, sleep, and crun before its execve
		t.Errorf("%d processes of hanging checks", n)
	}
	stop(t, c)
}

func processesWith(word string) int {
	n := 0
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if data, _ := os.ReadFile(path); strings.Contains(string(data), word) {
			n++
		}
	}
	return n
}

// TestCheckThatPrintsALot: far more than the monitor may have in its memory.
func TestCheckThatPrintsALot(t *testing.T) {
	b := checked(t, "yes | head -c 200000000; echo end")
	b.check().Timeout, b.cfg.Health.LogSize = 10*time.Minute, 100
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	peak := 0
	for b.record().Health == monitor.HealthStarting {
		peak = max(peak, rollup(t, b.pid, "Rss"))
		time.Sleep(20 * time.Millisecond)
	}
	if r := b.report(); len(r.Log[0].Output) > 100 || r.Log[0].ExitCode != 0 || !strings.HasPrefix(r.Log[0].Output, "y\ny\n") {
		t.Errorf("%+v", r.Log[0])
	}
	t.Logf("RSS at most %d kB", peak)
	if peak > 12000 {
		t.Errorf("RSS was %d kB", peak)
	}
	stop(t, c)
}

// TestCheckThatLeavesAProcessBehind: what goes on in the background does not
// hold the answer up.
func TestCheckThatLeavesAProcessBehind(t *testing.T) {
	b := checked(t, "sleep 50 & echo well")
	b.check().Period = time.Hour
	c := b.spawn()
	b.waitHealth(monitor.HealthHealthy)
	if r := b.report(); r.Log[0].Output != "well" || r.Log[0].End.Sub(r.Log[0].Start) > 5*time.Second {
		t.Errorf("%+v", r)
	}
	stop(t, c)
}

func TestChecksOfAMissingCommand(t *testing.T) {
	b := checked(t, "")
	b.check().Exec, b.check().Failures = []string{"nonsense"}, 1
	c := b.spawn()
	b.waitHealth(monitor.HealthUnhealthy)
	if e := b.report().Log[0]; e.ExitCode == 0 || !strings.Contains(e.Output, "nonsense") {
		t.Errorf("%+v", e)
	}
	stop(t, c)
}

func TestCheckOnDemand(t *testing.T) {
	b := checked(t, "[ ! -e /tmp/bad ]")
	b.check().Period = 0 // disabled
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	time.Sleep(300 * time.Millisecond)
	if r := b.report(); len(r.Log) != 0 || r.Status != monitor.HealthStarting {
		t.Errorf("%+v", r)
	}
	for _, want := range []int{0, 1, 1, 1} {
		if want == 1 {
			b.touch("bad")
		}
		code, startup, err := c.Check()
		if err != nil || code != want || startup {
			t.Errorf("code %d, want %d, %t %v", code, want, startup, err)
		}
	}
	if r := b.record(); r.Health != monitor.HealthUnhealthy {
		t.Errorf("%+v", r)
	}
	stop(t, c)

	b = newBox(t, "sh", "-c", untilStopped)
	c = b.spawn()
	_, err = c.WaitStarted()
	must(t, err)
	if _, _, err := c.Check(); err == nil || !strings.Contains(err.Error(), "no health check") {
		t.Errorf("%v", err)
	}
	stop(t, c)
}

// TestMonitorKilledBetweenChecks: the next monitor goes on counting.
func TestMonitorKilledBetweenChecks(t *testing.T) {
	b := checked(t, "[ ! -e /tmp/bad ]")
	b.check().Failures = 1000
	b.spawn()
	b.waitHealth(monitor.HealthHealthy)
	b.touch("bad")
	streak := func(n int) {
		t.Helper()
		for range 500 {
			if b.report().FailingStreak >= n {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("the streak does not come to %d: %+v", n, b.report())
	}
	streak(2)
	b.killMonitor()
	before := b.report().FailingStreak
	b.cfg.Health.Checks[0].Failures = before + 3
	c := b.adopt()
	if r := b.waitHealth(monitor.HealthUnhealthy); r.State != monitor.StateRunning {
		t.Errorf("%+v", r)
	}
	if r := b.report(); r.FailingStreak < before+3 {
		t.Errorf("%d before, %+v", before, r)
	}
	stop(t, c)
}

// TestMonitorKilledDuringACheck: what it was asking is ended and asked anew.
func TestMonitorKilledDuringACheck(t *testing.T) {
	marker := "9" + itoa(os.Getpid()) + "3"
	b := checked(t, "[ -e /tmp/well ] || sleep "+marker)
	_, err := b.spawn().WaitStarted()
	must(t, err)
	for range 500 {
		if processWith(marker) != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.killMonitor()
	b.touch("well")
	c := b.adopt()
	b.waitHealth(monitor.HealthHealthy)
	if pid := processWith(marker); pid != "" {
		t.Errorf("%s is left of the first check", pid)
	}
	stop(t, c)
}

// TestMonitorKilledWhileItRestarts: a liveness failure is no user's stop for
// the next monitor either.
func TestMonitorKilledWhileItRestarts(t *testing.T) {
	b := checked(t, "false")
	b.setProcess([]string{"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"}, false)
	b.cfg.StopTimeout, b.cfg.RestartPolicy = 2, "always"
	b.check().OnFailure, b.check().Failures = monitor.OnFailureReplace, 1
	b.spawn()
	b.waitRecord("stopping", func(r *monitor.Record) bool { return r.State == monitor.StateStopping })
	b.killMonitor()
	c := b.adopt()
	m, err := c.Until(nil, nil, monitor.MsgExited)
	must(t, err)
	if !m.Again {
		t.Errorf("%+v", m)
	}
	must(t, c.Stop(unix.SIGKILL, 0))
	must(t, c.WaitCleaned())
}

func TestPausedContainerIsNotAsked(t *testing.T) {
	b := checked(t, "true")
	if !ownCgroups {
		t.Skip("no cgroups of our own here")
	}
	b.cfg.Runtime[len(b.cfg.Runtime)-1] = "--cgroup-manager=cgroupfs"
	b.ownCgroup = true
	b.setProcess([]string{"sh", "-c", untilStopped}, false)
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	b.waitHealth(monitor.HealthHealthy)
	freeze := func(word string) {
		must(t, os.WriteFile("/sys/fs/cgroup/carob-test-"+b.cfg.ID+"/cgroup.freeze", []byte(word), 0o600))
	}
	freeze("1")
	if _, _, err := c.Check(); err == nil || !strings.Contains(err.Error(), "paused") {
		t.Errorf("%v", err)
	}
	time.Sleep(300 * time.Millisecond)
	before, err := os.ReadFile(b.path(monitor.HealthFile))
	must(t, err)
	time.Sleep(time.Second)
	after, err := os.ReadFile(b.path(monitor.HealthFile))
	must(t, err)
	if string(before) != string(after) {
		t.Errorf("it was asked:\n%s\n%s", before, after)
	}
	freeze("0")
	for range 500 {
		if after, _ = os.ReadFile(b.path(monitor.HealthFile)); string(before) != string(after) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if string(before) == string(after) {
		t.Error("it is not asked again")
	}
	stop(t, c)
}

func TestReadyIsSaidOnceHealthy(t *testing.T) {
	b := checked(t, "[ -e /tmp/up ]")
	b.cfg.Notify = monitor.Notify{Socket: filepath.Join(t.TempDir(), "notify"), Healthy: true}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: b.cfg.Notify.Socket}))
	c := b.spawn()
	_, err = c.WaitStarted()
	must(t, err)
	time.Sleep(500 * time.Millisecond)
	buf := make([]byte, 100)
	if n, err := unix.Read(fd, buf); err != unix.EAGAIN {
		t.Errorf("%q %v", buf[:max(n, 0)], err)
	}
	b.touch("up")
	b.waitHealth(monitor.HealthHealthy)
	time.Sleep(500 * time.Millisecond)
	n, err := unix.Read(fd, buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("%q %v", buf[:max(n, 0)], err)
	}
	if n, err := unix.Read(fd, buf); err != unix.EAGAIN {
		t.Errorf("a second time: %q %v", buf[:max(n, 0)], err)
	}
	stop(t, c)
}

func TestReloadedChecksAreJudgedAnew(t *testing.T) {
	b := checked(t, "true")
	c := b.spawn()
	b.waitHealth(monitor.HealthHealthy)
	b.check().Exec = []string{"/bin/sh", "-c", "false"}
	data, err := json.Marshal(&b.cfg)
	must(t, err)
	must(t, os.WriteFile(b.path(monitor.ConfigFile), data, 0o600))
	must(t, c.Reload())
	b.waitHealth(monitor.HealthUnhealthy)
	stop(t, c)
}

func TestHooks(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'echo term; exit 0' TERM; echo begun; while :; do sleep 0.05; done")
	b.cfg.PostStart = &monitor.Action{Exec: []string{"/bin/sh", "-c", "sleep 0.3; echo post >> /tmp/hooks"}}
	b.cfg.PreStop = &monitor.Action{Exec: []string{"/bin/sh", "-c", "echo pre >> /tmp/hooks; sleep 0.3; echo over >> /tmp/hooks"}}
	b.cfg.Health.Checks = []monitor.Check{{
		Role: monitor.RoleReadiness, Action: monitor.Action{Exec: []string{"/bin/sh", "-c", "grep -q post /tmp/hooks || cat /tmp/hooks | head -n1"}},
		Period: 50 * time.Millisecond, Timeout: time.Second, Failures: 1,
	}}
	b.check().Exec = []string{"/bin/sh", "-c", "[ -e /tmp/hooks ]"}
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	b.waitHealth(monitor.HealthHealthy)
	if r := b.report(); r.Log[0].ExitCode != 0 {
		t.Errorf("asked before the hook was through: %+v", r)
	}
	begin := time.Now()
	stop(t, c)
	took := time.Since(begin)
	data, err := os.ReadFile(b.path("rootfs/tmp/hooks"))
	if err != nil || string(data) != "post\npre\nover\n" || took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("%q %v after %s", data, err, took)
	}
	if b.countEvents("hook_failed") != 0 || !strings.HasSuffix(b.logText(), "term\n") {
		t.Errorf("%d events, log %q", b.countEvents("hook_failed"), b.logText())
	}
}

func TestPreStopIsPartOfTheStopTimeout(t *testing.T) {
	for script, want := range map[string]int{"trap 'exit 5' TERM": 5, "trap '' TERM": 137} {
		b := newBox(t, "sh", "-c", script+"; while :; do sleep 0.05; done")
		b.cfg.StopTimeout = 1
		b.cfg.PreStop = &monitor.Action{Sleep: time.Minute}
		c := b.spawn()
		_, err := c.WaitStarted()
		must(t, err)
		time.Sleep(200 * time.Millisecond)
		begin := time.Now()
		must(t, c.Stop(0, -1))
		code := ended(t, c, nil, nil)
		took := time.Since(begin)
		least, most := time.Second, 2500*time.Millisecond
		if want == 137 {
			least, most = 3*time.Second, 5*time.Second
		}
		if code != want || took < least || took > most {
			t.Errorf("%s: code %d after %s", script, code, took)
		}
	}
}

func TestFailedPostStartEndsTheContainer(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'exit 6' TERM; while :; do sleep 0.05; done")
	b.cfg.PostStart = &monitor.Action{Exec: []string{"/bin/sh", "-c", "sleep 0.2; echo no reason; exit 1"}}
	c := b.spawn()
	if code := ended(t, c, nil, nil); code != 6 {
		t.Errorf("code %d", code)
	}
	if r := b.record(); !strings.Contains(r.Error, "no reason") || b.countEvents("hook_failed") != 1 {
		t.Errorf("%+v", r)
	}
}

// TestEndDuringACheck: the container's own end waits for no check.
func TestEndDuringACheck(t *testing.T) {
	b := checked(t, "sleep 100")
	b.setProcess([]string{"sh", "-c", "sleep 0.5; exit 9"}, false)
	begin := time.Now()
	if code := ended(t, b.spawn(), nil, nil); code != 9 || time.Since(begin) > 5*time.Second {
		t.Errorf("code %d after %s", code, time.Since(begin))
	}
}

// TestIdleMemoryWithAHealthCheck holds the monitor to its 1.5 MB between checks.
func TestIdleMemoryWithAHealthCheck(t *testing.T) {
	b := checked(t, "echo well")
	b.check().Period = 1500 * time.Millisecond
	c := b.spawn()
	b.waitHealth(monitor.HealthHealthy)
	for n := range 12 {
		last := b.report().Log
		for now := last; now[len(now)-1].End.Equal(last[len(last)-1].End); now = b.report().Log {
			time.Sleep(10 * time.Millisecond)
		}
		if n%4 == 3 {
			time.Sleep(time.Second)
			b.checkMemory("after " + itoa(n+2) + " checks")
		}
	}
	stop(t, c)
}
