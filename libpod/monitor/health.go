package monitor

import (
	"encoding/binary"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// health is what is known of the container's health in its present run.
type health struct {
	checks []*check
	hooked bool     // Config.PostStart is through
	hook   *inquiry // Config.PostStart under way
	ready  bool     // systemd was told, see notifyReady
	log    healthLog
	env    []string // of what is forked to ask
}

// check is one of Health.Checks at work.
//
//	held ──startup passed──▶ waiting ──Period──▶ asking ──answer──▶ waiting
//	                         ▲  └── paused ──┘      └── its time has passed ──▶ over
//
// Nothing is asked but of a running container: a stop makes all checks over.
type check struct {
	*Check
	verdict Verdict
	state   checkState
	timer   *timer
	inquiry *inquiry
	askers  []*client // who sent MsgCheck
}

type checkState byte

const (
	held    checkState = iota // until PostStart and the startup check are through
	waiting                   // for its time; without a timer: for MsgCheck
	asking
	over
)

// firstLook is how long after the start, or after an adoption, the first
// question is asked: a process that has just begun cannot answer.
const firstLook = 100 * time.Millisecond

// pausedLook is how often a paused container is looked at.
const pausedLook = time.Second

// beginHealth sets everything back for a new run.
func (s *supervisor) beginHealth() {
	s.health = health{ready: s.health.ready, checks: s.health.checks[:0]}
	for i := range s.cfg.Health.Checks {
		c := &s.cfg.Health.Checks[i]
		s.health.checks = append(s.health.checks, &check{Check: c})
	}
	s.rec.Health = ""
	if len(s.health.checks) > 0 {
		s.rec.Health = HealthStarting
	}
	if len(s.health.checks) > 0 || s.cfg.PostStart != nil {
		s.writeHealth(nil)
	}
}

// beginChecks lets the checks go.
func (s *supervisor) beginChecks() {
	gated := false
	for _, k := range s.health.checks {
		if k.Role == RoleStartup && k.verdict.Passed {
			k.state = over
		}
		gated = gated || k.Role == RoleStartup && !k.verdict.Passed
	}
	for _, k := range s.health.checks {
		if k.state == held && (!gated || k.Role == RoleStartup) {
			s.schedule(k, max(firstLook, time.Until(s.run.started.Add(k.Delay))))
		}
	}
}

func (s *supervisor) schedule(k *check, d time.Duration) {
	k.state = waiting
	if k.Period > 0 {
		k.timer = s.after(max(d, 0), func() { k.timer = nil; s.ask(k) })
	}
}

func (s *supervisor) ask(k *check) {
	if s.run.cgroup.frozen() {
		s.schedule(k, pausedLook)
		return
	}
	k.state = asking
	k.inquiry = s.inquire(&k.Action, k.Timeout, func(a *answer) { s.answered(k, a) })
}

func (s *supervisor) answered(k *check, a *answer) {
	k.inquiry = nil
	k.state = waiting
	failed := k.verdict.Failed
	excused := !k.verdict.Came && a.began.Before(s.run.started.Add(k.StartPeriod))
	k.verdict.note(k.Check, a.code == 0, excused)
	s.report(k, a)
	switch {
	case k.Role == RoleStartup && k.verdict.Passed:
		k.state = over
		s.beginChecks()
	case k.verdict.Failed && !failed && s.punish(k):
	case k.Steady:
		s.schedule(k, time.Until(a.began.Add(k.Period)))
	default:
		s.schedule(k, k.Period)
	}
}

// report writes an answer down and tells of it.
func (s *supervisor) report(k *check, a *answer) {
	s.garbage += 3 << 10
	word := overall(s.health.checks)
	changed := word != s.rec.Health
	s.rec.Health = word
	s.writeHealth(&HealthResult{
		Start: a.began, End: a.ended, ExitCode: a.code, Output: a.output, Check: strings.TrimPrefix(k.Role, RoleHealth),
	})
	if changed {
		s.save()
	}
	switch {
	case s.cfg.Health.Events:
		s.event("health_status", "health_status", word, "health_log", a.output)
	case changed:
		s.event("health_status", "health_status", word)
	}
	if word == HealthHealthy {
		s.notifyReady()
	}
	startup := byte(0)
	if k.Role == RoleStartup {
		startup = 1
	}
	payload := append(binary.LittleEndian.AppendUint32(nil, uint32(int32(a.code))), startup)
	for _, c := range k.askers {
		c.send(MsgChecked, payload)
	}
	k.askers = nil
}

// punish does what OnFailure wants, and tells whether the container is on its
// way to its end.
func (s *supervisor) punish(k *check) bool {
	switch k.OnFailure {
	case OnFailureKill:
		s.stopChecks()
		_ = s.kill(unix.SIGKILL) // gone is as good
		s.thaw()
	case OnFailureStop:
		s.requestStop(stopRequest{byUser: true, unhealthy: true, seconds: -1})
	case OnFailureRestart:
		s.bringDown(sequelRestart, k.Grace)
	case OnFailureReplace:
		s.bringDown(sequelReplace, k.Grace)
	default:
		return false
	}
	return true
}

// stopChecks ends all that is asked of the container, hooks too.
func (s *supervisor) stopChecks() {
	for _, k := range s.health.checks {
		s.cancel(k.timer)
		k.timer, k.state = nil, over
		k.inquiry.abort()
		k.inquiry = nil
		for _, c := range k.askers {
			c.refuse(MsgCheck, "the container ends")
		}
		k.askers = nil
	}
	s.health.hook.abort()
	s.health.hook = nil
}

// handleCheck obeys MsgCheck: the question is asked now, out of turn. One that
// is being asked already is as good.
func (s *supervisor) handleCheck(c *client) {
	k := s.chiefCheck()
	switch {
	case s.state != running:
		c.refuse(MsgCheck, "the container is not running")
	case k == nil:
		c.refuse(MsgCheck, "the container has no health check")
	case s.run.cgroup.frozen():
		c.refuse(MsgCheck, "the container is paused")
	case k.state == held:
		c.refuse(MsgCheck, "the container's post-start hook has not ended yet")
	default:
		k.askers = append(k.askers, c)
		if k.state == waiting {
			s.cancel(k.timer)
			k.timer = nil
			s.ask(k)
		}
	}
}

// chiefCheck is the check that speaks for the container: the startup check
// until it has passed, then the first of the others.
func (s *supervisor) chiefCheck() *check {
	var chief *check
	for _, k := range s.health.checks {
		switch {
		case k.Role == RoleStartup && !k.verdict.Passed:
			return k
		case k.Role != RoleStartup && chief == nil:
			chief = k
		}
	}
	return chief
}

// resumeHealth goes on where the killed predecessor stopped: what it was just
// asking is ended and asked anew.
func (s *supervisor) resumeHealth() {
	s.killLeftInquiries()
	old, log := s.readHealth()
	word := s.rec.Health
	same := s.beginHealthAs(old, log)
	if s.rec.Health != word {
		s.save()
		if same { // the predecessor was killed between the file and the record
			s.event("health_status", "health_status", s.rec.Health)
		}
	}
	s.beginHooked()
}

// beginHealthAs is beginHealth with the verdicts of an old report, and tells
// whether that is about the same run and the same checks.
func (s *supervisor) beginHealthAs(old *HealthReport, log healthLog) bool {
	same := old != nil && old.Run == s.rec.Started && len(old.Checks) == len(s.cfg.Health.Checks)
	if !same {
		s.beginHealth()
		return false
	}
	s.health.hooked, s.health.log = old.Hooked, log
	for i := range s.cfg.Health.Checks {
		c := &s.cfg.Health.Checks[i]
		s.health.checks = append(s.health.checks, &check{Check: c, verdict: old.Checks[i].Verdict})
	}
	if len(s.health.checks) > 0 {
		s.rec.Health = overall(s.health.checks)
	}
	return true
}

// reloadHealth follows a change of the configuration: what is asked anew is
// judged anew.
func (s *supervisor) reloadHealth(old *Health) {
	if s.state != running || reflect.DeepEqual(old, &s.cfg.Health) {
		return
	}
	hooked := s.health.hooked
	s.stopChecks()
	s.beginHealth()
	s.health.hooked = hooked
	s.save()
	s.beginHooked()
}
