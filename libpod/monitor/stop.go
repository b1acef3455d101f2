package monitor

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// stopRequest is somebody's wish that the container ends for good.
type stopRequest struct {
	asked  bool
	byUser bool
	// unhealthy: it is the wish of a health check.
	unhealthy bool
	signal    unix.Signal // 0: the configured one
	seconds   int         // until SIGKILL; -1: the configured time
}

// requestStop obeys MsgStop and SIGTERM in whatever state.
func (s *supervisor) requestStop(r stopRequest) {
	if r.seconds < 0 {
		r.seconds = int(bounded(s.cfg.StopTimeout))
	}
	if r.signal == 0 {
		r.signal = s.stopSignal()
	}
	r.asked, r.byUser = true, r.byUser || s.stop.byUser
	s.stop = r
	switch s.state {
	case created:
		s.kill(unix.SIGKILL)
	case running:
		s.beginStop()
	case stopping: // a second, perhaps less patient request
		s.armKill()
	case backingOff:
		s.stopBackingOff()
	}
}

func (s *supervisor) stopSignal() unix.Signal {
	if s.cfg.StopSignal == 0 {
		return unix.SIGTERM
	}
	return unix.Signal(s.cfg.StopSignal)
}

// sequel is what follows a run that was brought down by a check or a hook.
type sequel string

const (
	sequelPolicy  sequel = ""        // the restart policy decides, as after an end of its own
	sequelRestart sequel = "restart" // it is run again
	sequelReplace sequel = "replace" // it is run again unless the policy is no
)

// bringDown ends the present run properly, not at a user's wish. grace
// replaces the stop timeout unless it is nil.
func (s *supervisor) bringDown(after sequel, grace *uint) {
	if grace == nil {
		grace = &s.cfg.StopTimeout
	}
	s.run.sequel, s.rec.Sequel = after, after
	s.stop = stopRequest{signal: s.stopSignal(), seconds: int(bounded(*grace))}
	s.beginStop()
}

// bounded is a number of seconds that fits into a duration: what is longer
// than 68 years is for ever.
func bounded(seconds uint) uint { return min(seconds, math.MaxInt32) }

func (s *supervisor) beginStop() {
	s.setState(stopping)
	s.stopChecks()
	switch {
	case s.stop.seconds == 0:
	case s.cfg.PreStop != nil:
		s.preStop()
	default:
		s.kill(s.stop.signal)
	}
	s.thaw()
	s.armKill()
}

// armKill sets, or moves forward, the time of the final SIGKILL.
func (s *supervisor) armKill() {
	if s.stop.seconds == 0 {
		s.cancel(s.run.kill)
		s.kill(unix.SIGKILL)
		return
	}
	at := time.Duration(s.stop.seconds) * time.Second
	if s.run.kill != nil && s.run.kill.at.Before(time.Now().Add(at)) {
		return
	}
	s.cancel(s.run.kill)
	s.run.kill = s.after(at, s.killNow)
}

// killNow follows when the time for a proper end is over.
func (s *supervisor) killNow() {
	s.run.kill = nil
	if s.health.hook != nil {
		s.afterPreStop()
		return
	}
	s.kill(unix.SIGKILL)
	s.thaw()
}

// thaw wakes a paused container: what is frozen hears no signal.
func (s *supervisor) thaw() {
	if s.run.cgroup.frozen() {
		_ = s.runtime(func(unix.WaitStatus) {}, "resume", s.cfg.ID)
	}
}

// signal sends sig for a client, keeping in mind that it may be the end.
func (s *supervisor) signal(sig unix.Signal) error {
	switch sig {
	case unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, s.stopSignal():
		s.run.lastKill = time.Now()
	}
	err := s.kill(sig)
	if sig == unix.SIGKILL {
		s.thaw() // cgroup v1 keeps even this from a frozen process
	}
	return err
}

// kill signals the container's first process. Its pid cannot be another's:
// we have not reaped it yet, or hold its pidfd.
func (s *supervisor) kill(sig unix.Signal) error {
	switch {
	case s.run.pidfd >= 0:
		return unix.PidfdSendSignal(s.run.pidfd, sig, nil, 0)
	case s.rec.PID > 0 && !s.run.ended:
		return unix.Kill(s.rec.PID, sig)
	}
	return unix.ESRCH
}
