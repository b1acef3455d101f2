package monitor

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/eventlog"
)

// state is where the container's life stands; docs/PROTOCOL.md draws it.
//
//	creating -> created -> starting -> running -> stopping -> draining
//	    |          |                      `-----------------> |
//	    `----------|----------> running (Config.Start)        v
//	                                        backingOff <-- removing -> ended
//	                                             `-> creating
type state byte

const (
	creating   state = iota // the runtime makes it
	created                 // it waits for MsgStart
	starting                // the runtime starts it
	running                 // its first process runs
	stopping                // ... and was asked to end
	draining                // the process has ended, its last output is on the way
	removing                // the runtime forgets it
	backingOff              // waiting to run it again
	ended                   // all is gone; somebody may still have to remove it
)

// recorded is the word for s in the record file. Draining has none of its
// own: the record's Finished tells.
func (s state) recorded() string {
	switch s {
	case creating:
		return StateCreating
	case created:
		return StateCreated
	case starting, running: // whoever adopts it has to know that it was told to run
		return StateRunning
	case stopping:
		return StateStopping
	case backingOff:
		return StateRestarting
	}
	return StateExited
}

// run is one run of the container, from its creation by the runtime on.
type run struct {
	verb    string // the runtime's, for its error messages
	started time.Time
	ended   bool // the first process is gone ...
	code    int  // ... with this exit code
	failed  bool // the runtime could not make it
	spoke   bool // there was output
	// execError are the runtime's last words, see watchForExec.
	execError string
	queue     []unix.Signal
	pidfd     int // of an adopted process, otherwise -1
	kill      *timer
	limit     *timer
	cgroup    cgroup
	sequel    sequel // set when a check or a hook has brought it down
	// lastKill is when somebody sent a signal that is meant to end it.
	lastKill time.Time
}

func (s *supervisor) setState(to state) {
	s.state = to
	if to != draining {
		s.rec.State = to.recorded()
	}
	s.save()
}

// create forks the runtime for a new run.
func (s *supervisor) create() {
	s.run = run{verb: "create", pidfd: -1, queue: s.run.queue}
	s.garbage += 32 << 10
	// With a pid file, which may fail, the process does not begin before that is written.
	if s.cfg.Start && s.cfg.PIDFile == "" || s.rec.Restarts > 0 {
		s.run.verb = "run"
	}
	s.rec.ExitCode, s.rec.Error, s.rec.OOMKilled, s.rec.Finished, s.rec.Sequel = 0, "", false, 0, ""
	files, err := s.openStreams()
	if err != nil {
		s.fail(exitFailed, err.Error())
		return
	}
	_ = unix.Unlink(s.runtimeLog())
	pidPath := s.cfg.RunDir + "/" + pidFile
	_ = unix.Unlink(pidPath)
	words := []string{s.run.verb, "--bundle", s.cfg.Bundle, "--pid-file", pidPath}
	words = append(words, s.cfg.CreateFlags...)
	if s.run.verb == "run" {
		words = append(words, "--detach")
	}
	if s.cfg.Terminal {
		words = append(words, "--console-socket", s.console.path)
	}
	if s.cfg.PreserveFDs > 0 {
		words = append(words, "--preserve-fds", strconv.Itoa(s.cfg.PreserveFDs))
	}
	err = s.fork(s.runtimeArgv(append(words, s.cfg.ID)...), files, s.createDone)
	s.closeChildEnds()
	if err != nil {
		s.fail(exitFailed, err.Error())
	}
}

func (s *supervisor) createDone(ws unix.WaitStatus) {
	if s.cfg.Terminal {
		s.console.accept(s)
	}
	if code := exitCode(ws); code != 0 {
		s.fail(s.runtimeFailure(code))
		return
	}
	pid, err := readNumber(s.cfg.RunDir + "/" + pidFile)
	if err != nil {
		s.fail(exitFailed, wrap("cannot tell the container's process", err).Error())
		return
	}
	s.rec.PID, s.rec.PIDStart = pid, startTime(pid)
	s.run.cgroup = openCgroup(s, pid)
	if err := s.writePIDFile(); err != nil {
		s.fail(exitFailed, err.Error())
		return
	}
	s.event("init")
	s.startReading()
	if s.run.verb == "run" {
		s.tellPID(MsgCreated)
		s.started()
		return
	}
	s.setState(created)
	s.tellPID(MsgCreated)
	s.idleSoon()
	switch {
	case s.stop.asked:
		s.kill(unix.SIGKILL)
	case s.cfg.Start: // MsgStart came while the runtime was at work
		s.start()
	}
}

// start obeys MsgStart.
func (s *supervisor) start() {
	s.setState(starting)
	err := s.runtime(s.startDone, "start", s.cfg.ID)
	if err != nil {
		s.fail(exitFailed, err.Error())
	}
}

func (s *supervisor) startDone(ws unix.WaitStatus) {
	if code := exitCode(ws); code != 0 {
		s.fail(s.runtimeFailure(code))
		return
	}
	s.started()
	if s.run.ended {
		s.endProcess()
	}
}

func (s *supervisor) started() {
	s.run.started = time.Now()
	s.rec.Started = s.run.started.UnixNano()
	s.knowHelper()
	s.beginHealth()
	s.setState(running)
	s.event("start") // before a client hears of it, which may have events of its own
	s.tellPID(MsgStarted)
	if s.attachedTo(Stdin | Stdout | Stderr) {
		s.event("attach")
	}
	if s.cfg.Timeout > 0 {
		s.run.limit = s.after(time.Duration(bounded(s.cfg.Timeout))*time.Second, s.outOfTime)
	}
	for _, sig := range s.run.queue {
		s.signal(sig)
	}
	s.run.queue = nil
	if s.stop.asked {
		s.beginStop()
	} else {
		s.beginHooked()
	}
	s.idleSoon()
}

// outOfTime ends a container that ran for Config.Timeout.
func (s *supervisor) outOfTime() {
	s.run.limit = nil
	s.rec.Error = "the container ran for its timeout of " + strconv.Itoa(int(s.cfg.Timeout)) + " s and was killed"
	s.kill(unix.SIGKILL)
}

// processEnded is told once the container's first process is gone.
func (s *supervisor) processEnded(code int) {
	s.run.ended, s.run.code = true, code
	switch s.state {
	case created, running, stopping:
		s.endProcess()
	}
	// starting: startDone goes on. Otherwise the runtime's failure is being dealt with.
}

func (s *supervisor) endProcess() {
	s.stopChecks()
	s.cancel(s.run.kill)
	s.cancel(s.run.limit)
	if s.run.limit == nil && s.cfg.Timeout > 0 && s.rec.Error != "" {
		s.run.code = exitTimeout
	}
	s.rec.PID, s.rec.PIDStart = 0, 0
	s.rec.ExitCode, s.rec.Finished = s.run.code, time.Now().UnixNano()
	s.rec.OOMKilled = s.run.cgroup.oomKilled(s.run.code)
	s.setState(draining) // the exit code is safe from here on
	s.drain()
}

// fail ends a run that the runtime could not make or start.
func (s *supervisor) fail(code int, text string) {
	s.run.failed = true
	s.run.code = code
	s.rec.ExitCode, s.rec.Error = code, text
	s.rec.PID, s.rec.PIDStart = 0, 0
	if s.rec.Started != 0 {
		s.rec.Finished = time.Now().UnixNano()
	}
	s.tell(MsgFailed, append([]byte{byte(code)}, trimTo(text, MaxPayload-1)...))
	s.killStrays()
	s.closeStreams()
	s.endRun()
}

// endRun follows when no more output can come: it decides what is next.
func (s *supervisor) endRun() {
	s.run.cgroup.close(s)
	s.judgeExit()
	if s.run.pidfd >= 0 {
		s.loop.remove(s.run.pidfd)
		unix.Close(s.run.pidfd)
	}
	again := s.restartWanted()
	s.handOver = again && s.adopting && !s.rootfsMounted()
	if !again {
		s.rec.StoppedByUser = s.stop.byUser
	}
	s.state = removing
	if again {
		s.rec.State = StateRestarting
	} else {
		s.rec.State = StateExited
	}
	s.save()
	if !s.run.failed {
		s.event("died", eventlog.ExitCode, strconv.Itoa(s.rec.ExitCode))
		s.tellExit(again && !s.handOver)
	}
	s.forget()
}

// forget makes the runtime forget the run.
func (s *supervisor) forget() {
	if s.forgetFiles() {
		s.deleteDone(0)
		return
	}
	if s.runtime(s.deleteDone, "delete", "--force", s.cfg.ID) != nil {
		s.deleteDone(0)
	}
}

// forgetFiles forgets a run without the runtime, which would cost as much as
// all the rest of a container's end. It can where process 1 of a pid namespace
// took all others along, so that only the runtime's files and the control
// group are left.
func (s *supervisor) forgetFiles() bool {
	if s.cfg.RuntimeState == "" || s.run.failed || s.cfg.Cgroup && !s.run.cgroup.remove() {
		return false
	}
	return os.RemoveAll(s.cfg.RuntimeState) == nil
}

// deleteDone follows when the runtime has forgotten the run. A runtime that
// fails here has forgotten it before, with its own directory wiped perhaps.
func (s *supervisor) deleteDone(unix.WaitStatus) {
	if s.run.failed {
		s.killStrays() // again: those of killed strays have come to us since
		s.removeCgroup()
		if s.cfg.RuntimeState != "" {
			_ = os.RemoveAll(s.cfg.RuntimeState) // a runtime that was killed has begun what its delete does not know
		}
	}
	if s.rec.State == StateRestarting && !s.stop.asked && !s.handOver {
		s.backOff()
		return
	}
	s.finish()
}

// finish takes everything down after the last run. Where another program is to
// run the container again, the record goes on saying so until that has done it.
func (s *supervisor) finish() {
	s.handOver = s.handOver && !s.stop.asked
	if s.rec.State != StateExited && !s.handOver {
		// The restart that was promised does not come any more.
		s.rec.StoppedByUser = s.stop.byUser
		s.setState(removing)
		s.tellExit(false)
	}
	s.state = removing
	s.acceptAll()
	s.cleanUp()
	s.event("cleanup")
	s.state = ended
	unix.Close(s.recordFD) // nothing follows: whoever waits for MsgCleaned may lock it
	s.tell(MsgCleaned, nil)
	s.after(lingerTime, s.stopLingering)
	s.leaveIfDone()
}

func (s *supervisor) writePIDFile() error {
	if s.cfg.PIDFile == "" {
		return nil
	}
	err := writeFile(s.cfg.PIDFile, strconv.AppendInt(nil, int64(s.rec.PID), 10), 0o644)
	if err != nil {
		return wrap("cannot write the pid file", err)
	}
	return nil
}

func readNumber(path string) (int, error) {
	data, err := readFile(path)
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(data) && data[n] >= '0' && data[n] <= '9' {
		n++
	}
	return strconv.Atoi(string(data[:n]))
}
