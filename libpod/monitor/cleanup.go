package monitor

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cleanUp takes down what the container had beside its processes: helpers,
// mounts, the runtime directory.
func (s *supervisor) cleanUp() {
	s.killHelper()
	s.closeListener()
	s.unmountBelow(s.cfg.Rootfs)
	if s.unmountBelow(s.cfg.RunDir) && !s.helperNameless() {
		_ = os.RemoveAll(s.cfg.RunDir)
	}
	if s.cfg.PIDFile != "" {
		_ = unix.Unlink(s.cfg.PIDFile)
	}
}

// knowHelper remembers the network helper: its pid file goes when somebody
// wipes the runtime directory.
func (s *supervisor) knowHelper() {
	if pid, err := readNumber(s.cfg.RunDir + "/" + PastaPID); err == nil {
		s.helper = pid
	}
}

// killHelper ends the network helper. A pid that was used again belongs to a
// process of another name.
func (s *supervisor) killHelper() {
	s.knowHelper()
	pid := s.helper
	if pid <= 1 {
		return
	}
	comm := readText("/proc/" + strconv.Itoa(pid) + "/comm")
	if strings.HasPrefix(comm, "pasta") || strings.HasPrefix(comm, "passt") || strings.HasPrefix(comm, "slirp4netns") {
		_ = unix.Kill(pid, unix.SIGTERM)
	}
}

// helperNameless tells that the command which was starting the network helper
// died before it wrote its pid down. The directory says so to whoever looks
// for such helpers next (netns.Sweep), and stays.
func (s *supervisor) helperNameless() bool {
	path := s.cfg.RunDir + "/" + PastaPID
	fi, err := os.Lstat(path)
	if err != nil || fi.Size() > 0 {
		return false
	}
	_ = unix.Unlink(s.cfg.RunDir + "/" + SocketFile)
	return true
}

// unmountBelow unmounts dir and everything below it in our mount namespace,
// and tells whether nothing is mounted there any more.
func (s *supervisor) unmountBelow(dir string) bool {
	if dir == "" {
		return true
	}
	clean := true
	points := mountPoints(readText("/proc/self/mountinfo"), dir)
	for i := len(points) - 1; i >= 0; i-- {
		if unix.Unmount(points[i], 0) != nil && unix.Unmount(points[i], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) != nil {
			clean = false
		}
	}
	return clean
}

// mountPoints lists the mount points at and below dir, in the order of
// mounting, from /proc/PID/mountinfo (proc(5)).
func mountPoints(info, dir string) []string {
	var found []string
	for line := range strings.Lines(info) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if p := unescapeOctal(f[4]); p == dir || strings.HasPrefix(p, dir+"/") {
			found = append(found, p)
		}
	}
	return found
}

// unescapeOctal undoes \040 and the like.
func unescapeOctal(p string) string {
	if !strings.Contains(p, `\`) {
		return p
	}
	var b []byte
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' && i+4 <= len(p) {
			if n, err := strconv.ParseUint(p[i+1:i+4], 8, 8); err == nil {
				b = append(b, byte(n))
				i += 3
				continue
			}
		}
		b = append(b, p[i])
	}
	return string(b)
}

// rootfsMounted tells whether another run finds its root file system. A
// monitor that adopts need not have been given it.
func (s *supervisor) rootfsMounted() bool {
	return s.cfg.Rootfs == "" || len(mountPoints(readText("/proc/self/mountinfo"), s.cfg.Rootfs)) > 0
}

// leaveBehind starts what is to follow the monitor's end: Config.Again for a
// restart that this monitor could not do, or Config.Cleanup for a container to
// be removed that no client has removed, and Config.AtEnd behind that.
func (s *supervisor) leaveBehind() {
	if s.handOver {
		s.launch(s.cfg.Again)
		s.over = true
		return
	}
	if s.cfg.Remove && !s.removed {
		if pid := s.launch(s.cfg.Cleanup); pid > 0 && len(s.cfg.AtEnd) > 0 {
			s.hangUp()
			s.children = append(s.children, child{pid, func(unix.WaitStatus) { s.lastWord() }})
			return
		}
	}
	s.lastWord()
}

// lastWord runs Config.AtEnd and ends the monitor.
func (s *supervisor) lastWord() {
	s.launch(s.cfg.AtEnd)
	s.over = true
}

// monitoredEnv tells a carob command that it was started in a container's
// mount namespace, and has to leave it first (pkg/userns/join/join.c).
const monitoredEnv = "_CAROB_MONITORED"

// launch starts argv, if there is one, as a program of its own, and returns
// its pid, 0 when there is none.
func (s *supervisor) launch(argv []string) int {
	if len(argv) == 0 {
		return 0
	}
	null, err := openNull()
	if err != nil {
		return 0
	}
	defer unix.Close(int(null))
	s.unprotectFromOOM()
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir: "/", Env: append(s.childEnv(), monitoredEnv+"=1"), Files: []uintptr{null, null, null}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0
	}
	return pid
}
