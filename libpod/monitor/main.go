package monitor

import (
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Main is carob-monitor: it supervises the container of directory DIR until
// its end and returns the exit status: the container's, so that a systemd
// whose main process this is knows a failure from a success, or 0 where the
// end was asked for. args is DIR, or --adopt DIR. With --hold it holds a
// terminal instead (hold.go).
//
// Theory of operation: one goroutine sits in an epoll loop (loop.go) and
// runs every handler to its end, so nothing here needs a lock. What happens
// to the container drives an automaton (states.go). A second goroutine only
// turns signals into a wake-up of the loop.
func Main(args []string) int {
	if len(args) == 1 && args[0] == "--hold" {
		return hold()
	}
	adopt := len(args) == 2 && args[0] == "--adopt"
	if !adopt && len(args) != 1 {
		_, _ = os.Stderr.WriteString("carob-monitor is started by carob, as: carob-monitor [--adopt] DIR\n")
		return 125
	}
	s := &supervisor{dir: args[len(args)-1], adopting: adopt, recordFD: RecordFD}
	if err := s.begin(); err != nil {
		s.refuseToStart(err)
		return 125
	}
	for !s.over {
		if err := s.loop.wait(); err != nil {
			return 125
		}
	}
	return s.status()
}

// status is the exit status of a monitor that has done its work. An end that
// a health check has brought about is a failure, whatever the signal was.
func (s *supervisor) status() int {
	if s.stop.asked && !s.stop.unhealthy {
		return 0
	}
	return s.rec.ExitCode
}

// supervisor is everything the monitor knows and holds.
type supervisor struct {
	loop
	dir      string
	adopting bool
	woken    bool // from a doze
	leaving  bool // only what leaveBehind has started is waited for
	over     bool // nothing is left to do

	cfg Config
	rec Record

	recordFD int // its file, -1 in tests

	helper int // pid of the network helper, 0: not known

	state  state
	health health
	run    run    // the container's present run
	row    uint   // restarts in a row, for the back-off
	pause  *timer // the back-off
	// handOver: another program has to run the container again.
	handOver bool
	stop     stopRequest

	children []child
	streams  [2]stream
	ends     []int // the container's ends of pipes, until the runtime has them
	drainer  *timer
	stdin    stdin
	console  console

	clients  []*client
	removed  bool // a client has removed the container
	listener int
	notifier notifier
	backlog  backlog
	log      logger
	io       ioBuffer

	signals     atomic.Uint64 // bit per signal that arrived and was not looked at
	wakeFD      int
	signalled   chan os.Signal
	signalsRead chan struct{} // closed when all that came is in signals
	oomScore    []byte        // the oom_score_adj that children get back; nil: unchanged

	idle          *timer
	dozer         *timer
	nap           time.Duration // the pause before the next doze
	garbage       int           // bytes thrown away since the last collection, about
	programRanges []addressRange
}

// begin brings the monitor up to the point where the loop can take over: the
// runtime is forked, or the living container adopted.
func (s *supervisor) begin() error {
	// Garbage is collected when the loop falls idle (memory.go), otherwise
	// only at this limit.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(8 << 20)
	s.listener, s.stdin.fd, s.run.pidfd = -1, -1, -1
	s.closeOnExec()
	if state := os.Getenv(dozedEnv); state != "" {
		s.woken = true
		return s.wake(state)
	}
	_, _ = unix.Setsid() // already so when Spawn started us
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return wrap("cannot become the container's reaper", err)
	}
	if err := s.readConfig(); err != nil {
		return err
	}
	s.closeStrays()
	if err := s.loop.open(); err != nil {
		return err
	}
	if err := s.addLauncher(); err != nil {
		return err
	}
	if err := s.watchSignals(); err != nil {
		return err
	}
	if err := s.makeRunDir(); err != nil {
		return err
	}
	if err := s.hearContainer(); err != nil {
		return err
	}
	if err := s.openLog(); err != nil {
		return err
	}
	s.protectFromOOM()
	if s.adopting {
		return s.adopt()
	}
	s.beginRecord()
	s.setState(creating)
	for len(s.clients) > 0 && s.clients[0].receive() { // the launcher's first words
	}
	s.create()
	return nil
}

// closeOnExec keeps the record's lock and the launcher's socket from being
// inherited by the runtime. Fds from 5 on are handed over by number.
func (s *supervisor) closeOnExec() {
	unix.CloseOnExec(LauncherFD)
	unix.CloseOnExec(RecordFD)
}

// closeStrays closes what the launcher's parents had left open: we live long,
// and whoever reads from the other end would wait as long.
func (s *supervisor) closeStrays() {
	_ = unix.CloseRange(uint(RecordFD+1+s.cfg.PreserveFDs), 1<<31-1, 0) // Linux 5.9
}

func (s *supervisor) readConfig() error {
	data, err := readFile(s.dir + "/" + ConfigFile)
	if err != nil {
		return wrap("cannot read the container's configuration", err)
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return wrap("cannot understand "+s.dir+"/"+ConfigFile, err)
	}
	if c.ID == "" || c.RunDir == "" || c.Bundle == "" || len(c.Runtime) == 0 {
		return errors.New("cannot use " + s.dir + "/" + ConfigFile + ": id, run_dir, bundle or runtime is missing")
	}
	s.cfg = c
	for i := range c.PreserveFDs {
		unix.CloseOnExec(RecordFD + 1 + i)
	}
	return nil
}

// watchSignals turns signals into bits of s.signals and a wake-up.
func (s *supervisor) watchSignals() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return wrap("cannot make an eventfd", err)
	}
	s.wakeFD = fd
	s.hearSignals()
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGUSR1, syscall.SIGUSR2)
	return s.loop.add(fd, unix.EPOLLIN, s.onSignals)
}

// hearSignals has signals noted from now on.
func (s *supervisor) hearSignals() {
	ch, done := make(chan os.Signal, 8), make(chan struct{})
	s.signalled, s.signalsRead = ch, done
	signal.Notify(ch, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		defer close(done)
		for sig := range ch {
			s.catch(1 << uint(sig.(syscall.Signal)))
		}
	}()
}

// catch notes signals, a bit each, for the loop.
func (s *supervisor) catch(bits uint64) {
	s.signals.Or(bits)
	one := [8]byte{0: 1}
	_, _ = unix.Write(s.wakeFD, one[:])
}

func (s *supervisor) onSignals(uint32) {
	var count [8]byte
	_, _ = unix.Read(s.wakeFD, count[:])
	got := s.signals.Swap(0)
	if got&(1<<uint(syscall.SIGHUP)) != 0 {
		s.rebuildRunDir()
	}
	if got&(1<<uint(syscall.SIGTERM)) != 0 {
		s.requestStop(stopRequest{signal: 0, seconds: -1})
	}
	if got&(1<<uint(syscall.SIGCHLD)) != 0 {
		s.reap()
	}
}

// refuseToStart tells the launcher why there is no monitor, in the record as
// well for those who come later.
func (s *supervisor) refuseToStart(err error) {
	if s.adopting || s.woken {
		return // the record of the container's life stays as it is
	}
	s.beginRecord()
	s.rec.State, s.rec.ExitCode, s.rec.Error = StateExited, exitFailed, err.Error()
	s.save()
	msg := append([]byte{byte(MsgFailed), exitFailed}, trimTo(err.Error(), MaxPayload-1)...)
	_, _ = unix.Write(LauncherFD, msg)
}

// wrap makes "what: err" of an error.
func wrap(what string, err error) error { return &wrapped{what, err} }

type wrapped struct {
	what string
	err  error
}

func (w *wrapped) Error() string { return w.what + ": " + w.err.Error() }
func (w *wrapped) Unwrap() error { return w.err }

func trimTo(text string, n int) string {
	if len(text) > n {
		text = strings.ToValidUTF8(text[:n], "")
	}
	return text
}
