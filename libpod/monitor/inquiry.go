package monitor

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// inquiry is one Action under way. Its program is a child of ours: the OCI
// runtime, which runs a process inside and ends with its exit code, or
// carob-probe. What both print comes through a pipe, of which the beginning
// is kept and all is read.
type inquiry struct {
	s       *supervisor
	pid     int
	out     int // the pipe, -1: none
	pipe    unix.Stat_t
	output  []byte
	timeout time.Duration // 0: for ever
	timer   *timer
	began   time.Time
	late    bool
	done    func(*answer) // nil once nobody wants to hear it
}

// answer is how an Action ended.
type answer struct {
	code         int // 0: well, -1: it took too long
	output       string
	began, ended time.Time
}

// maxOutput is the most that is kept of what an Action prints; what is read at
// a time, too.
const maxOutput = 32 << 10

// inquire begins an Action; done is called from the loop when it is over.
func (s *supervisor) inquire(a *Action, timeout time.Duration, done func(*answer)) *inquiry {
	q := &inquiry{s: s, out: -1, timeout: timeout, began: time.Now(), done: done}
	if len(a.Exec) == 0 && len(a.Probe) == 0 {
		q.timer = s.after(a.Sleep, func() { q.finish(0) })
		return q
	}
	if err := q.fork(a); err != nil {
		q.output = []byte(err.Error())
		q.timer = s.after(0, func() { q.finish(exitFailed) })
		return q
	}
	if timeout > 0 {
		q.timer = s.after(timeout, q.tooLate)
	}
	return q
}

func (q *inquiry) fork(a *Action) error {
	s := q.s
	null, err := openNull()
	if err != nil {
		return err
	}
	defer unix.Close(int(null))
	r, w, err := s.pipe(0)
	if err != nil {
		return err
	}
	defer unix.Close(w)
	q.out = r
	_ = unix.Fstat(q.out, &q.pipe)
	err = unix.SetNonblock(q.out, true)
	if err == nil {
		err = s.loop.add(q.out, unix.EPOLLIN, func(uint32) { q.pump(8) })
	}
	if err == nil {
		err = s.forkWith(q.argv(a), s.inquiryEnv(), []uintptr{null, uintptr(w), uintptr(w)}, q.exited)
	}
	if err != nil {
		q.closePipe()
		return err
	}
	q.pid = s.children[len(s.children)-1].pid
	return nil
}

// inquiryEnv is what the OCI runtime needs of our environment to enter a
// container. It is made once, and is short: a fork copies it to the heap.
func (s *supervisor) inquiryEnv() []string {
	if s.health.env == nil {
		s.health.env = append([]string{}, s.cfg.RuntimeEnv...)
		for _, name := range []string{"PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"} {
			if value, ok := unix.Getenv(name); ok {
				s.health.env = append(s.health.env, name+"="+value)
			}
		}
	}
	return s.health.env
}

// argv does without the runtime's log: its words belong to the answer.
func (q *inquiry) argv(a *Action) []string {
	s := q.s
	if len(a.Exec) > 0 {
		return append(append(slices.Clone(s.cfg.Runtime), "exec", s.cfg.ID), a.Exec...)
	}
	return append([]string{s.cfg.Health.Prober, strconv.Itoa(s.rec.PID), q.timeout.String()}, a.Probe...)
}

// pump reads up to n portions of output.
func (q *inquiry) pump(n int) {
	limit := q.s.cfg.Health.LogSize
	if limit <= 0 || limit > maxOutput {
		limit = maxOutput
	}
	buf := q.s.io.answer()
	for range n {
		if q.out < 0 {
			return
		}
		got, err := read(q.out, buf)
		if err == unix.EAGAIN {
			return
		}
		if err != nil || got == 0 {
			q.closePipe()
			return
		}
		q.output = append(q.output, buf[:min(got, limit-len(q.output))]...)
	}
}

func (q *inquiry) closePipe() {
	if q.out >= 0 {
		q.s.loop.remove(q.out)
		unix.Close(q.out)
		q.out = -1
	}
}

// tooLate ends what takes longer than its timeout. A paused container cannot
// answer: its time stands still.
func (q *inquiry) tooLate() {
	q.timer = nil
	if q.s.run.cgroup.frozen() {
		q.timer = q.s.after(min(q.timeout, pausedLook), q.tooLate)
		return
	}
	q.late = true
	q.kill()
}

// kill ends the program and, first, the process inside with its process group.
func (q *inquiry) kill() {
	for _, pid := range childrenOf(q.pid) {
		killGroup(pid)
	}
	_ = unix.Kill(q.pid, unix.SIGKILL) // our child, not reaped yet
}

// exited follows the end of the program.
func (q *inquiry) exited(ws unix.WaitStatus) {
	q.pid = 0
	if q.late || q.done == nil {
		q.killStrays()
	}
	q.pump(16) // more than a pipe holds: what still comes is of those left behind
	q.closePipe()
	code := exitCode(ws)
	if q.late {
		code = -1
		q.output = append(append(q.output, "\nthe check took longer than its timeout of "...), q.timeout.String()...)
	}
	q.finish(code)
}

// killStrays kills what a killed runtime has left to us, their reaper: it
// holds the pipe as stdout. Others in the pipe are of no concern.
func (q *inquiry) killStrays() {
	for _, pid := range childrenOf(unix.Getpid()) {
		var st unix.Stat_t
		if unix.Stat("/proc/"+strconv.Itoa(pid)+"/fd/1", &st) == nil && st.Dev == q.pipe.Dev && st.Ino == q.pipe.Ino {
			killGroup(pid)
		}
	}
}

func (q *inquiry) finish(code int) {
	q.s.cancel(q.timer)
	q.timer = nil
	q.s.idleAfterAnswer()
	if q.done != nil {
		q.done(&answer{code: code, output: strings.TrimSpace(string(q.output)), began: q.began, ended: time.Now()})
	}
}

// abort ends an inquiry, which may be nil, whose answer nobody wants any more.
func (q *inquiry) abort() {
	if q == nil || q.done == nil {
		return
	}
	q.done = nil
	q.s.cancel(q.timer)
	if q.pid > 0 {
		q.kill()
	}
}

// killLeftInquiries ends what a killed predecessor was asking. Its calls of the
// runtime are told from a user's exec by their words.
func (s *supervisor) killLeftInquiries() {
	if len(s.cfg.Health.Checks) == 0 && s.cfg.PostStart == nil && s.cfg.PreStop == nil {
		return
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	mark := "\x00exec\x00" + s.cfg.ID + "\x00"
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || !strings.Contains(readText("/proc/"+p.Name()+"/cmdline"), mark) {
			continue
		}
		for _, inner := range childrenOf(pid) {
			killGroup(inner)
		}
		_ = unix.Kill(pid, unix.SIGKILL) // gone is as good
	}
}

// killGroup kills a process, and its process group if it leads one.
func killGroup(pid int) {
	if group, err := unix.Getpgid(pid); err == nil && group == pid {
		pid = -pid
	}
	_ = unix.Kill(pid, unix.SIGKILL) // gone is as good
}
