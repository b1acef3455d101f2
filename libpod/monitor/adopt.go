package monitor

import (
	"strconv"
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
	if !s.takeProcess(old) {
		s.adoptDead(old)
		return nil
	}
	s.run.cgroup = openCgroup(s, old.PID)
	s.reopenStreams(old.PID)
	s.resumeState(old)
	s.startReading()
	s.idleSoon()
	return nil
}

// takeProcess opens the recorded process, if it is still the same one.
func (s *supervisor) takeProcess(old *Record) bool {
	if old.PID == 0 || old.BootID != s.rec.BootID {
		return false
	}
	fd, err := unix.PidfdOpen(old.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return false
	}
	if startTime(old.PID) != old.PIDStart {
		unix.Close(fd)
		return false
	}
	if s.loop.add(fd, unix.EPOLLIN, s.onPidfd) != nil {
		unix.Close(fd)
		return false
	}
	s.run.pidfd = fd
	return true
}

// resumeState goes on where the predecessor stopped.
func (s *supervisor) resumeState(old *Record) {
	switch old.State {
	case StateCreating, StateCreated:
		s.setState(created)
		s.tellPID(MsgCreated)
		return
	}
	s.setState(running)
	s.tellPID(MsgStarted)
	if s.cfg.Timeout > 0 {
		left := time.Until(s.run.started.Add(time.Duration(s.cfg.Timeout) * time.Second))
		s.run.limit = s.after(max(left, 0), s.outOfTime)
	}
	if old.State == StateStopping {
		s.requestStop(stopRequest{byUser: true, seconds: -1})
	}
}

// adoptDead ends the life of a container whose process is gone. The exit
// code is known if the predecessor had seen the end.
func (s *supervisor) adoptDead(old *Record) {
	s.run.ended, s.run.code = true, old.ExitCode
	if old.Finished == 0 {
		s.run.code = exitLost
		s.rec.Error = "the exit code is not known: the container's monitor was killed"
		s.rec.Finished = time.Now().UnixNano()
	}
	if old.State == StateExited {
		s.run.failed = old.Started == 0
	}
	s.rec.ExitCode, s.rec.PID, s.rec.PIDStart = s.run.code, 0, 0
	s.state = draining
	s.after(0, s.endRun)
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
