package monitor

import (
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adopt takes over the container of a monitor that was killed. Its first
// process, if it lives, is not our child: a pidfd tells of its end.
func (s *supervisor) adopt() error {
	old, err := ReadRecord(s.recordFD)
	if err != nil {
		return err
	}
	s.rec = *old
	s.rec.RunDir = s.cfg.RunDir
	s.signRecord()
	s.run = run{verb: "run", pidfd: -1, started: time.Unix(0, old.Started)}
	s.streams = [2]stream{{s: s, fd: -1, kind: MsgStdout, bit: Stdout}, {s: s, fd: -1, kind: MsgStderr, bit: Stderr}}
	s.stdin.fd = -1
	s.run.sequel = old.Sequel
	s.stop.asked = old.State == StateStopping && old.Sequel == sequelPolicy
	s.stop.byUser = s.stop.asked
	switch {
	case old.BootID != s.rec.BootID:
		s.adoptDead(old)
	case old.State == StateCreating && old.PID == 0:
		s.state = creating
		s.findProcess(time.Now().Add(findTime))
	case s.takeProcess(old.PID, old.PIDStart):
		s.resume(old)
	default:
		s.adoptDead(old)
	}
	return nil
}

// findTime is how long a runtime that a killed monitor had forked may be
// unseen, between fork and exec, or between its end and our next look.
const findTime = 200 * time.Millisecond

// findProcess looks for the container of a monitor that was killed while the
// runtime worked for it. The runtime goes on by itself.
func (s *supervisor) findProcess(until time.Time) {
	pid, err := readNumber(s.cfg.RunDir + "/" + pidFile)
	start := startTime(pid)
	if err == nil && start != 0 && s.takeProcess(pid, start) {
		s.rec.PID, s.rec.PIDStart = pid, start
		s.rec.Started = time.Now().UnixNano()
		s.run.started = time.Now()
		s.resume(&s.rec)
		return
	}
	if err == nil || time.Now().After(until) {
		s.fail(exitFailed, "the container's monitor was killed while it made the container")
		return
	}
	if s.runtimeAtWork(0) {
		until = time.Now().Add(findTime)
	}
	s.after(10*time.Millisecond, func() { s.findProcess(until) })
}

// runtimeAtWork tells whether a process works on our container: the
// runtime's last argument is the container's ID. So it is of the container's
// first process, pid, while that waits for its start.
func (s *supervisor) runtimeAtWork(pid int) bool {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, p := range procs {
		if name := p.Name(); name[0] >= '1' && name[0] <= '9' && name != strconv.Itoa(pid) &&
			strings.HasSuffix(readText("/proc/"+name+"/cmdline"), "\x00"+s.cfg.ID+"\x00") {
			return true
		}
	}
	return false
}

// takeProcess opens process pid, if it is still the one that began at start.
func (s *supervisor) takeProcess(pid int, start uint64) bool {
	if pid == 0 {
		return false
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return false
	}
	if startTime(pid) != start || s.loop.add(fd, unix.EPOLLIN, s.onPidfd) != nil {
		unix.Close(fd)
		return false
	}
	s.run.pidfd = fd
	return true
}

// resume goes on with the living process where the predecessor stopped.
func (s *supervisor) resume(old *Record) {
	s.knowHelper()
	s.run.cgroup = openCgroup(s, old.PID)
	s.reopenStreams(old.PID)
	told := s.cfg.Start || old.State == StateRunning || old.State == StateStopping
	if !told && s.waitsForStart(old.PID) {
		s.setState(created)
		s.tellPID(MsgCreated)
	} else {
		s.setState(running)
		s.tellPID(MsgStarted)
		s.resumeHealth()
		s.resumeTimers()
		s.seeStart(old.PID)
	}
	s.throttle()
	s.idleSoon()
}

// seeStart makes sure that a process runs which was told to: the predecessor
// may have been killed before it had the runtime start it.
func (s *supervisor) seeStart(pid int) {
	switch {
	case s.run.ended || s.state != running || !s.waitsForStart(pid):
	case s.runtimeAtWork(pid):
		s.after(10*time.Millisecond, func() { s.seeStart(pid) })
	default:
		if err := s.runtime(func(unix.WaitStatus) {}, "start", s.cfg.ID); err != nil {
			s.note("carob: cannot start the container again: " + err.Error())
		}
	}
}

func (s *supervisor) resumeTimers() {
	if s.cfg.Timeout > 0 {
		left := time.Until(s.run.started.Add(time.Duration(bounded(s.cfg.Timeout)) * time.Second))
		s.run.limit = s.after(max(left, 0), s.outOfTime)
	}
	switch {
	case s.stop.asked:
		s.requestStop(stopRequest{byUser: true, seconds: -1})
	case s.run.sequel != sequelPolicy:
		s.bringDown(s.run.sequel, nil)
	}
}

// waitsForStart tells whether a process is still the runtime's own, which
// waits to be started: crun keeps its arguments, the last of them the ID, and
// runc calls it "runc init".
func (s *supervisor) waitsForStart(pid int) bool {
	cmdline := readText("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return strings.HasSuffix(cmdline, "\x00"+s.cfg.ID+"\x00") || cmdline == "runc\x00init\x00"
}

// adoptDead ends the life of a container whose process is gone. The exit
// code is known if the predecessor had seen the end.
func (s *supervisor) adoptDead(old *Record) {
	s.run.ended, s.run.code = true, old.ExitCode
	if old.State == StateExited || old.State == StateRestarting { // only what follows the end is left
		s.run.failed = old.Started == 0
		s.stop = stopRequest{asked: old.State == StateExited, byUser: old.StoppedByUser}
		again := s.restartWanted()
		s.handOver = again && !s.rootfsMounted()
		s.state = removing
		s.after(0, func() { s.tellExit(again && !s.handOver); s.forget() })
		return
	}
	if old.Finished < old.Started || old.Finished == 0 {
		s.run.code = exitLost
		s.rec.Error = "the exit code is not known: the container's monitor was killed"
		s.rec.Finished = time.Now().UnixNano()
	}
	s.rec.ExitCode, s.rec.PID, s.rec.PIDStart = s.run.code, 0, 0
	s.state = draining
	s.drainer = s.after(0, s.drain)
}

// exitLost is recorded when nobody saw how the process ended.
const exitLost = 255

// reopenStreams opens the other ends of the container's pipes through /proc.
func (s *supervisor) reopenStreams(pid int) {
	if s.cfg.LogDriver == "passthrough" {
		return
	}
	if s.cfg.Terminal {
		s.note("carob: the container's terminal was lost with its monitor; what it prints is not seen any more")
		return
	}
	dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
	for i := range s.streams {
		if fd := openPipe(dir+strconv.Itoa(1+i), unix.O_RDONLY); fd >= 0 {
			s.streams[i].fd = fd
		}
	}
	if s.cfg.Stdin {
		if fd := openPipe(dir+"0", unix.O_WRONLY); fd >= 0 {
			s.stdin.open(fd)
		}
	}
}

// openPipe opens a pipe's other end; -1 when the container has put something
// else there.
func openPipe(path string, mode int) int {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return -1
	}
	fd, err := unix.Open(path, mode|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1
	}
	return fd
}

// onPidfd follows the end of the adopted process: its pidfd can be read once
// it is dead, and hangs up once its parent has reaped it. From then on the
// kernel (6.15 or later) tells the exit code.
func (s *supervisor) onPidfd(events uint32) {
	code, known, later := pidfdExitCode(s.run.pidfd)
	if !known && later && events&unix.EPOLLHUP == 0 {
		s.loop.want(s.run.pidfd, 0) // the hang-up comes by itself
		s.run.kill = s.after(reapTime, func() { s.adoptedEnded(exitLost) })
		return
	}
	if !known {
		code = exitLost
	}
	s.adoptedEnded(code)
}

func (s *supervisor) adoptedEnded(code int) {
	if code == exitLost {
		s.rec.Error = "the exit code is not known: the container's monitor was killed, and this kernel tells it to the parent only"
	}
	s.loop.remove(s.run.pidfd)
	s.processEnded(code)
}

// reapTime is how long the process's parent may take to reap it.
const reapTime = 5 * time.Second

// pidfdInfo is struct pidfd_info of linux/pidfd.h, first version.
type pidfdInfo struct {
	mask, cgroup                             uint64
	pid, tgid, ppid                          uint32
	ruid, rgid, euid, egid, suid, sgid, fuid uint32
	fgid                                     uint32
	exitCode                                 int32
}

const (
	pidfdGetInfo  = 0xc040ff0b // _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)
	pidfdInfoExit = 1 << 3
)

// pidfdExitCode asks the kernel how a process ended. later tells that it may
// know once the process is reaped.
func pidfdExitCode(fd int) (code int, known, later bool) {
	info := pidfdInfo{mask: pidfdInfoExit}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pidfdGetInfo, uintptr(unsafe.Pointer(&info)))
	if errno != 0 || info.mask&pidfdInfoExit == 0 {
		return 0, false, errno == 0
	}
	return exitCode(unix.WaitStatus(info.exitCode)), true, false
}
