package monitor

import (
	"time"
)

// connectTimeout is how long a hook that connects may take. One that runs
// inside may take any time.
const connectTimeout = 30 * time.Second

// stopReserve is what is left to the container between its stop signal and
// SIGKILL when the pre-stop hook has used up the stop timeout.
const stopReserve = 2 * time.Second

func hookTimeout(a *Action) time.Duration {
	if len(a.Probe) > 0 {
		return connectTimeout
	}
	return 0
}

// beginHooked runs Config.PostStart, unless that was done, and then lets the
// checks go.
func (s *supervisor) beginHooked() {
	a := s.cfg.PostStart
	if a == nil || s.health.hooked {
		s.beginChecks()
		return
	}
	s.health.hook = s.inquire(a, hookTimeout(a), func(a *answer) {
		s.health.hook = nil
		if a.code != 0 {
			s.hookFailed("post-start", a)
			s.bringDown(sequelReplace, nil)
			return
		}
		s.health.hooked = true
		s.writeHealth(nil)
		s.beginChecks()
	})
}

func (s *supervisor) hookFailed(name string, a *answer) {
	s.rec.Error = "the " + name + " hook failed: " + a.output
	s.event("hook_failed", "hook", name, "error", a.output)
}

// preStop runs Config.PreStop, which the stop signal follows.
func (s *supervisor) preStop() {
	a := s.cfg.PreStop
	s.health.hook = s.inquire(a, hookTimeout(a), func(a *answer) {
		s.health.hook = nil
		if a.code != 0 {
			s.hookFailed("pre-stop", a)
		}
		s.afterPreStop()
	})
}

// afterPreStop sends the stop signal, which is given some time in any case.
func (s *supervisor) afterPreStop() {
	s.health.hook.abort()
	s.health.hook = nil
	_ = s.kill(s.stop.signal) // gone is as good
	if s.run.kill != nil && time.Until(s.run.kill.at) > stopReserve {
		return
	}
	s.cancel(s.run.kill)
	s.run.kill = s.after(stopReserve, s.killNow)
}
