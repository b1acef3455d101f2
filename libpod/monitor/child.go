package monitor

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// child is a program that was forked and is waited for.
type child struct {
	pid  int
	done func(status unix.WaitStatus)
}

// fork starts argv with files as its descriptors from 0 on; done is called
// from the loop once it has ended.
func (s *supervisor) fork(argv []string, files []uintptr, done func(unix.WaitStatus)) error {
	return s.forkWith(argv, s.childEnv(), files, done)
}

func (s *supervisor) forkWith(argv, env []string, files []uintptr, done func(unix.WaitStatus)) error {
	s.unprotectFromOOM()
	defer s.protectFromOOM()
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Dir: s.cfg.Bundle, Env: env, Files: files})
	if err != nil {
		return wrap("cannot start "+argv[0], err)
	}
	s.children = append(s.children, child{pid, done})
	return nil
}

// childEnv is our environment without what was meant for our Go runtime
// alone (client.Spawn sets it), and with RuntimeEnv.
func (s *supervisor) childEnv() []string {
	var env []string
	for _, kv := range syscall.Environ() {
		if kv != "GOMAXPROCS=1" && kv != "GODEBUG=disablethp=1" {
			env = append(env, kv)
		}
	}
	return append(env, s.cfg.RuntimeEnv...)
}

// runtime forks the OCI runtime with /dev/null as stdin, stdout and stderr.
func (s *supervisor) runtime(done func(unix.WaitStatus), words ...string) error {
	null, err := openNull()
	if err != nil {
		return err
	}
	defer unix.Close(int(null))
	return s.fork(s.runtimeArgv(words...), []uintptr{null, null, null}, done)
}

func (s *supervisor) runtimeArgv(words ...string) []string {
	argv := append([]string(nil), s.cfg.Runtime...)
	argv = append(argv, "--log", s.runtimeLog(), "--log-format", "json")
	return append(argv, words...)
}

func (s *supervisor) runtimeLog() string { return s.dir + "/" + RuntimeLog }

func openNull() (uintptr, error) {
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, wrap("cannot open /dev/null", err)
	}
	return uintptr(fd), nil
}

// reap collects ended children: first those we forked, each of which may
// tell the pid of the container; then whatever was left to us as reaper.
func (s *supervisor) reap() {
	for s.reapForked() {
	}
	for s.rec.PID != 0 || len(s.children) == 0 {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		s.reaped(pid, ws)
	}
}

// reapForked handles one ended child of our own and tells whether there was one.
func (s *supervisor) reapForked() bool {
	for i, c := range s.children {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(c.pid, &ws, unix.WNOHANG, nil)
		if err == nil && pid == c.pid {
			s.children = append(s.children[:i], s.children[i+1:]...)
			c.done(ws)
			return true
		}
	}
	return false
}

func (s *supervisor) reaped(pid int, ws unix.WaitStatus) {
	if pid == s.rec.PID {
		s.processEnded(exitCode(ws))
		return
	}
	for i, c := range s.children {
		if c.pid == pid {
			s.children = append(s.children[:i], s.children[i+1:]...)
			c.done(ws)
			return
		}
	}
}

// killStrays kills the children that we did not fork: a runtime that was
// killed has left them to us, their reaper.
func (s *supervisor) killStrays() {
	for _, pid := range childrenOf(unix.Getpid()) {
		if !slices.ContainsFunc(s.children, func(c child) bool { return c.pid == pid }) {
			_ = unix.Kill(pid, unix.SIGKILL) // gone is as good
		}
	}
}

// childrenOf lists a process's children: /proc/PID/task/TID/children, proc(5).
func childrenOf(pid int) []int {
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		return nil
	}
	var found []int
	for _, list := range lists {
		for _, word := range strings.Fields(readText(list)) {
			if n, err := strconv.Atoi(word); err == nil {
				found = append(found, n)
			}
		}
	}
	return found
}

// exitCode is a shell's: 128 and the signal's number for a killed process.
func exitCode(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// startTime is field 22 of /proc/PID/stat (proc(5)), in clock ticks since
// boot; 0 when there is no such process.
func startTime(pid int) uint64 {
	data, err := readFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	text := string(data)
	// comm, in parentheses, may itself hold blanks and parentheses.
	at := strings.LastIndexByte(text, ')')
	if at < 0 {
		return 0
	}
	fields := strings.Fields(text[at+1:]) // from field 3, state, on
	if len(fields) < 20 {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// protectFromOOM makes the kernel spare the monitor when memory runs out:
// without it nobody writes down how the container ended. Only root may.
func (s *supervisor) protectFromOOM() {
	const file = "/proc/self/oom_score_adj"
	if s.oomScore == nil {
		old, err := readFile(file)
		if err != nil {
			return
		}
		s.oomScore = old
	}
	if len(s.oomScore) > 0 && writeFile(file, []byte("-1000"), 0) != nil {
		s.oomScore = []byte{} // not allowed: do not try again
	}
}

// unprotectFromOOM gives a child to be forked what we were started with.
func (s *supervisor) unprotectFromOOM() {
	if len(s.oomScore) > 0 {
		_ = writeFile("/proc/self/oom_score_adj", s.oomScore, 0)
	}
}
