package monitor

import (
	"encoding/json"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Sleeper is the program a monitor executes to doze: carob itself, which
// waits in a C constructor (pkg/userns/join/doze.c) and executes the monitor
// again when something happens. A Go program that only waits keeps a megabyte
// for it, this one a tenth.
type Sleeper struct {
	Program string `json:"program"`
	// What stat(2) says of Program, so that no other version is executed: it
	// might not know how to doze.
	Device  uint64 `json:"device"`
	Inode   uint64 `json:"inode"`
	Changed int64  `json:"changed"` // ns since 1970
}

// dozeEnv is for the sleeper, whose source says what it holds; dozedEnv is
// for the monitor after it: a dozed, as JSON.
const (
	dozeEnv   = "_CAROB_DOZE"
	dozedEnv  = "_CAROB_DOZED"
	caughtEnv = "_CAROB_CAUGHT" // signals that came while it dozed, a bit each
)

// The pauses before a monitor that has given memory back dozes. They double
// from the first to the longest with each doze that was a short one, so that a
// container which prints now and then does not have it executed all the time.
const (
	firstNap   = time.Second
	longestNap = time.Minute
	shortDoze  = time.Minute
	// leastDoze is how far the next check has to be for a doze to be worth it.
	leastDoze = 3 * time.Second
)

// dozed is what a monitor knows beside its record and its configuration.
// Descriptors are -1 when there is none.
type dozed struct {
	Listener int
	Streams  [2]int
	Open     [2]bool // lineState.open
	Stdin    int
	Terminal bool
	PIDFD    int
	Adopting bool

	Rows, Cols uint16
	Helper     int
	Row        uint
	LastKill   int64 // ns since 1970, 0: never
	Hooked     bool
	Ready      bool
	Backlog    bool // output is kept for the next client
	Checks     []dozedCheck
	LogStarts  []int64 // healthLog
	LogEnd     int64
	OOMScore   []byte

	Events         int // of the control group, 0: none
	Kills          int
	OOM            bool
	OOMV1, Freezer string
	Nap            time.Duration
	Since          int64 // when it began, ns since 1970
}

// dozedCheck is a check that waits. Due is when it is to be asked, ns since
// 1970, 0: when somebody wants it to.
type dozedCheck struct {
	Verdict Verdict
	State   checkState
	Due     int64
}

// dozeSoon has the monitor doze when all stays quiet.
func (s *supervisor) dozeSoon() {
	if s.cfg.Sleeper != nil {
		s.cancel(s.dozer)
		s.dozer = s.after(max(s.nap, firstNap), s.doze)
	}
}

// nextNap is the pause after a doze that lasted for slept and followed a pause
// of last.
func nextNap(last, slept time.Duration) time.Duration {
	if slept >= shortDoze {
		return firstNap
	}
	return min(2*max(last, firstNap), longestNap)
}

// mayDoze tells whether all there is to do is to wait for what a descriptor
// tells, with nothing in memory that dozed does not hold.
func (s *supervisor) mayDoze() bool {
	return s.state == running && !s.run.ended && !s.stop.asked && s.run.sequel == sequelPolicy && len(s.run.queue) == 0 &&
		len(s.clients) == 0 && len(s.children) == 0 && s.onlyChecksWait() && s.health.hook == nil &&
		len(s.backlog.data) == 0 && len(s.stdin.queue) == 0 && !s.stdin.eof && s.console.listener <= 0 &&
		s.streams[0].settled() && s.streams[1].settled() && (s.log == nil || s.log.settled()) && !s.keepsPreserved() && s.notifier.fd == 0 &&
		// Beside systemd, which removes the group of a killed container, its
		// out-of-memory kill has to be seen at once.
		s.run.cgroup.slice.events == ""
}

// onlyChecksWait tells that all timers are those of checks, and a while away.
func (s *supervisor) onlyChecksWait() bool {
	n := 0
	for _, k := range s.health.checks {
		if k.timer != nil {
			n++
			if time.Until(k.timer.at) < leastDoze {
				return false
			}
		}
	}
	return n == len(s.timers)
}

// settled tells that nothing of st is held in memory.
func (st *stream) settled() bool {
	return st.fd < 0 || st.reading && st.retry == nil && st.line.kept == 0
}

// doze executes the sleeper. It returns only when it must not or cannot.
func (s *supervisor) doze() {
	s.dozer = nil
	if !s.mayDoze() {
		return
	}
	program := s.cfg.Sleeper.open()
	if program < 0 {
		s.cfg.Sleeper = nil // replaced or gone: not to be tried again
		return
	}
	defer unix.Close(program)
	self, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(self)
	d := s.dozed()
	state, err := json.Marshal(d)
	if err != nil {
		return
	}
	s.save()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	late, hushed := s.hushSignals()
	if !hushed {
		return
	}
	fds := append(d.kept(), self, s.recordFD)
	setCloseOnExec(fds, false)
	env := append(os.Environ(), dozeEnv+"="+d.words(self)+s.dir, dozedEnv+"="+string(state))
	_ = syscall.Exec("/proc/self/fd/"+strconv.Itoa(program), []string{"carob-monitor", s.dir}, env)
	setCloseOnExec(fds, true)
	s.heedSignals(late)
	s.cfg.Sleeper = nil
}

// hushSignals stops listening to signals and tells that none has come. The
// program that is executed by this thread finds pending what comes from now
// on, as far as no other thread takes it: Go's runtime lets no program block
// signals in all threads. So a SIGTERM in the very moment may be lost, in a
// channel that has to be there: without one Go's runtime would obey it. A
// SIGCHLD may be lost, too: the sleeper looks for ended children.
func (s *supervisor) hushSignals() (late chan os.Signal, hushed bool) {
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, endSignals(), nil)
	late = make(chan os.Signal, 8)
	signal.Notify(late, syscall.SIGTERM, syscall.SIGHUP)
	signal.Stop(s.signalled) // returns once all that came is in the channel
	close(s.signalled)
	<-s.signalsRead
	if s.signals.Load() == 0 && len(late) == 0 {
		return late, true
	}
	s.heedSignals(late)
	return nil, false
}

// heedSignals undoes hushSignals.
func (s *supervisor) heedSignals(late chan os.Signal) {
	s.hearSignals()
	signal.Stop(late)
	close(late)
	for sig := range late {
		s.catch(1 << uint(sig.(syscall.Signal)))
	}
	_ = unix.PthreadSigmask(unix.SIG_UNBLOCK, endSignals(), nil)
}

func endSignals() *unix.Sigset_t {
	set := new(unix.Sigset_t)
	set.Val[0] = 1<<(syscall.SIGTERM-1) | 1<<(syscall.SIGHUP-1)
	return set
}

// open opens the program by its path, -1 when it is another one by now.
func (p *Sleeper) open() int {
	fd, err := unix.Open(p.Program, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || p.Device != st.Dev || p.Inode != st.Ino || p.Changed != st.Ctim.Nano() {
		unix.Close(fd)
		return -1
	}
	return fd
}

func (s *supervisor) dozed() *dozed {
	d := &dozed{
		Listener: s.listener, Stdin: s.stdin.fd, Terminal: s.stdin.terminal, PIDFD: s.run.pidfd, Adopting: s.adopting,
		Rows: s.console.rows, Cols: s.console.cols, Helper: s.helper, Row: s.row,
		Hooked: s.health.hooked, Ready: s.health.ready, Backlog: s.backlog.on, OOMScore: s.oomScore,
		Events: s.run.cgroup.events, Kills: s.run.cgroup.kills, OOM: s.run.cgroup.oom,
		OOMV1: s.run.cgroup.oomV1, Freezer: s.run.cgroup.freezer,
		Nap: s.nap, Since: time.Now().UnixNano(),
	}
	for _, k := range s.health.checks {
		c := dozedCheck{Verdict: k.verdict, State: k.state}
		if k.timer != nil {
			c.Due = k.timer.at.UnixNano()
		}
		d.Checks = append(d.Checks, c)
	}
	d.LogStarts, d.LogEnd = s.health.log.starts, s.health.log.end
	for i := range s.streams {
		d.Streams[i], d.Open[i] = s.streams[i].fd, s.streams[i].line.open
	}
	if !s.run.lastKill.IsZero() {
		d.LastKill = s.run.lastKill.UnixNano()
	}
	return d
}

// kept lists the descriptors that d names.
func (d *dozed) kept() []int {
	var fds []int
	for _, fd := range []int{d.Listener, d.Streams[0], d.Streams[1], d.Stdin, d.PIDFD, d.Events} {
		if fd > 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// words are for the sleeper: the program, how many milliseconds it may sleep
// (-1: for ever), and the descriptors that are waited for.
func (d *dozed) words(program int) string {
	text := strconv.Itoa(program) + " " + strconv.Itoa(d.timeout()) + " "
	for _, fd := range []int{d.Listener, d.Streams[0], d.Streams[1], d.PIDFD} {
		if fd >= 0 {
			text += strconv.Itoa(fd) + " "
		}
	}
	if d.Events > 0 {
		text += "!" + strconv.Itoa(d.Events) + " "
	}
	return text
}

func (d *dozed) timeout() int {
	first := int64(0)
	for _, c := range d.Checks {
		if c.Due != 0 && (first == 0 || c.Due < first) {
			first = c.Due
		}
	}
	if first == 0 {
		return -1
	}
	return int(max(0, min(time.Until(time.Unix(0, first))+time.Millisecond-1, time.Hour)) / time.Millisecond)
}

func setCloseOnExec(fds []int, on bool) {
	flag := 0
	if on {
		flag = unix.FD_CLOEXEC
	}
	for _, fd := range fds {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag) // they are open
	}
}

// wake goes on where the monitor was when it dozed off.
func (s *supervisor) wake(state string) error {
	caught, _ := strconv.ParseUint(os.Getenv(caughtEnv), 10, 64)
	_ = os.Unsetenv(dozedEnv) // programs are forked with what is left
	_ = os.Unsetenv(caughtEnv)
	var d dozed
	if err := json.Unmarshal([]byte(state), &d); err != nil {
		return wrap("cannot wake", err)
	}
	setCloseOnExec(append(d.kept(), s.recordFD), true)
	if err := s.readConfig(); err != nil {
		return err
	}
	old, err := ReadRecord(s.recordFD)
	if err != nil {
		return err
	}
	s.rec = *old
	s.oomScore = d.OOMScore
	if err := s.loop.open(); err != nil {
		return err
	}
	if err := s.watchSignals(); err != nil {
		return err
	}
	s.catch(caught | 1<<uint(syscall.SIGCHLD))
	if err := s.openLog(); err != nil {
		return err
	}
	return s.resumeDozed(&d)
}

func (s *supervisor) resumeDozed(d *dozed) error {
	s.state, s.adopting = running, d.Adopting
	s.helper, s.row = d.Helper, d.Row
	s.resumeChecks(d)
	s.run = run{verb: "run", started: time.Unix(0, s.rec.Started), spoke: true, pidfd: d.PIDFD}
	if d.LastKill != 0 {
		s.run.lastKill = time.Unix(0, d.LastKill)
	}
	s.stdin.fd, s.stdin.terminal = d.Stdin, d.Terminal
	s.streams = [2]stream{
		{s: s, fd: d.Streams[0], kind: MsgStdout, bit: Stdout, line: lineState{open: d.Open[0]}},
		{s: s, fd: d.Streams[1], kind: MsgStderr, bit: Stderr, line: lineState{open: d.Open[1]}},
	}
	s.backlog.on = d.Backlog
	s.console.rows, s.console.cols = d.Rows, d.Cols
	if s.cfg.Terminal && !d.Adopting {
		s.console.master = max(d.Streams[0], 0)
	}
	s.nap = d.Nap
	if d.timeout() != 0 { // it was not a check that it woke for
		s.nap = nextNap(d.Nap, time.Since(time.Unix(0, d.Since)))
	}
	if err := s.listenAgain(d); err != nil {
		return err
	}
	s.throttle()
	s.idleSoon()
	return nil
}

func (s *supervisor) resumeChecks(d *dozed) {
	s.health = health{hooked: d.Hooked, ready: d.Ready, log: healthLog{starts: d.LogStarts, end: d.LogEnd}}
	if len(d.Checks) != len(s.cfg.Health.Checks) {
		return // only a monitor.json that somebody else wrote has others
	}
	for i := range d.Checks {
		k := &check{Check: &s.cfg.Health.Checks[i], verdict: d.Checks[i].Verdict, state: d.Checks[i].State}
		s.health.checks = append(s.health.checks, k)
		if due := d.Checks[i].Due; due != 0 {
			s.schedule(k, time.Until(time.Unix(0, due)))
		}
	}
}

// listenAgain adds to the loop what it heard before.
func (s *supervisor) listenAgain(d *dozed) error {
	s.run.cgroup = cgroup{kills: d.Kills, oom: d.OOM, oomV1: d.OOMV1, freezer: d.Freezer}
	if d.Events > 0 {
		s.run.cgroup.events = d.Events
		if err := s.loop.add(d.Events, unix.EPOLLPRI, func(uint32) { s.run.cgroup.onMemoryEvent(s) }); err != nil {
			return err
		}
	}
	if d.PIDFD >= 0 {
		if err := s.loop.add(d.PIDFD, unix.EPOLLIN, s.onPidfd); err != nil {
			return err
		}
	}
	if s.listener = d.Listener; s.listener < 0 {
		return nil
	}
	return s.loop.add(s.listener, unix.EPOLLIN, s.onConnect)
}
