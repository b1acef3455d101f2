package monitor

import "time"

// The pauses before restarts double from the first to the longest, and start
// anew after a run that lasted for goodRun.
const (
	firstBackOff   = 100 * time.Millisecond
	longestBackOff = time.Minute
	goodRun        = 10 * time.Second
)

// restartWanted asks the policy about the run that has just ended.
func (s *supervisor) restartWanted() bool {
	if s.stop.asked {
		return false
	}
	if s.run.failed && s.rec.Restarts == 0 {
		return false // it never ran: the user hears of it at once
	}
	switch {
	case s.run.sequel == sequelRestart:
		return true
	case s.run.sequel == sequelReplace && s.cfg.RestartPolicy != "" && s.cfg.RestartPolicy != "no":
		return s.cfg.RestartPolicy != "on-failure" || s.cfg.RestartMax == 0 || s.rec.Restarts < s.cfg.RestartMax
	}
	if s.killedByUser() {
		s.stop.byUser = true
		return false
	}
	switch s.cfg.RestartPolicy {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return s.run.code != 0 && (s.cfg.RestartMax == 0 || s.rec.Restarts < s.cfg.RestartMax)
	}
	return false
}

// killedByUser tells whether the end follows a signal a user sent to bring
// it about (kill, or Ctrl-C in an attached client).
func (s *supervisor) killedByUser() bool {
	patience := max(goodRun, time.Duration(bounded(s.cfg.StopTimeout))*time.Second)
	return !s.run.lastKill.IsZero() && time.Since(s.run.lastKill) < patience
}

// backOffTime is how long to wait before restart number n (from 0) of a row.
func backOffTime(n uint) time.Duration {
	if n > 10 {
		return longestBackOff
	}
	return min(firstBackOff<<n, longestBackOff)
}

func (s *supervisor) backOff() {
	if !s.run.started.IsZero() && time.Since(s.run.started) >= goodRun {
		s.row = 0
	}
	s.setState(backingOff)
	s.pause = s.after(backOffTime(s.row), s.runAgain)
	s.row++
	s.idleSoon()
}

func (s *supervisor) runAgain() {
	s.pause = nil
	s.rec.Restarts++
	s.setState(creating)
	s.event("restart")
	for _, p := range s.cfg.Parts {
		p.renew()
	}
	s.create()
}

// stopBackingOff ends a container between two runs.
func (s *supervisor) stopBackingOff() {
	s.cancel(s.pause)
	s.finish()
}
