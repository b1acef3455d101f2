package monitor

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroup is the container's own control group, as far as it has one.
type cgroup struct {
	events  int // memory.events (v2), 0: none
	kills   int // oom_kill when the run began
	oom     bool
	slice   slice
	oomV1   string // memory.oom_control
	freezer string // cgroup.freeze or freezer.state
}

// slice is the group in which systemd made the container's scope. systemd
// removes a scope together with its last process, on a busy machine before we
// have read what its counters say; but they are part of the slice's.
type slice struct {
	events string // memory.events of the slice, "": the container has no memory limit or no scope
	kills  int    // oom_kill when the run began
}

func sliceOf(path string) slice {
	at := strings.LastIndex(path, ".scope")
	limit := strings.TrimSpace(readText(cgroupRoot + path + "/memory.max"))
	if at < 0 || limit == "max" || limit == "" {
		return slice{}
	}
	parent := path[:at]
	sl := slice{events: cgroupRoot + parent[:strings.LastIndexByte(parent, '/')] + "/memory.events"}
	sl.kills = oomKills(readText(sl.events))
	return sl
}

const cgroupRoot = "/sys/fs/cgroup"

// openCgroup finds pid's control group and watches its out-of-memory kills.
func openCgroup(s *supervisor, pid int) cgroup {
	var g cgroup
	theirs, err := readFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	ours, err2 := readFile("/proc/self/cgroup")
	if err != nil || err2 != nil || string(theirs) == string(ours) {
		return g // it shares ours: --cgroups=disabled
	}
	for line := range strings.Lines(string(theirs)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) == 3 {
			g.useController(s, f[1], f[2])
		}
	}
	return g
}

// useController takes one line of /proc/PID/cgroup (cgroups(7)). Version 2
// has an empty list of controllers; where it is mounted at the root, the
// other lines are of hierarchies that nobody uses.
func (g *cgroup) useController(s *supervisor, list, path string) {
	unified := unix.Access(cgroupRoot+"/cgroup.controllers", unix.F_OK) == nil
	if unified && list == "" {
		g.freezer = cgroupRoot + path + "/cgroup.freeze"
		g.watchMemory(s, cgroupRoot+path+"/memory.events")
		g.slice = sliceOf(path)
	}
	if unified {
		return
	}
	for c := range strings.SplitSeq(list, ",") {
		switch c {
		case "memory":
			g.oomV1 = cgroupRoot + "/memory" + path + "/memory.oom_control"
			g.kills = oomKills(readText(g.oomV1))
		case "freezer":
			g.freezer = cgroupRoot + "/freezer" + path + "/freezer.state"
		}
	}
}

func (g *cgroup) watchMemory(s *supervisor, path string) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // the memory controller is not delegated to us
	}
	if s.loop.add(fd, unix.EPOLLPRI, func(uint32) { s.run.cgroup.onMemoryEvent(s) }) != nil {
		unix.Close(fd)
		return
	}
	g.events = fd
	g.kills = oomKills(readAt0(fd))
}

// onMemoryEvent looks at once: systemd removes the group with its last process.
func (g *cgroup) onMemoryEvent(s *supervisor) {
	text := readAt0(g.events)
	if text == "" {
		g.close(s)
		return
	}
	g.oom = g.oom || oomKills(text) > g.kills
}

// oomKilled tells whether the kernel killed a process of the container for
// want of memory; code is its exit code. Where the counters are gone and the
// container was killed, those of the slice must do: another container there
// that was killed for want of memory during this run would mislead us.
func (g *cgroup) oomKilled(code int) bool {
	text := ""
	if g.events > 0 {
		text = readAt0(g.events)
		g.oom = g.oom || oomKills(text) > g.kills
	}
	if text == "" && g.slice.events != "" && code == 128+int(unix.SIGKILL) {
		g.oom = g.oom || oomKills(readText(g.slice.events)) > g.slice.kills
	}
	if g.oomV1 != "" {
		g.oom = g.oom || oomKills(readText(g.oomV1)) > g.kills
	}
	return g.oom
}

// frozen tells whether the container is paused.
func (g *cgroup) frozen() bool {
	if g.freezer == "" {
		return false
	}
	fd, err := unix.Open(g.freezer, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	text := strings.TrimSpace(readAt0(fd))
	return text == "1" || text == "FROZEN" || text == "FREEZING"
}

func (g *cgroup) close(s *supervisor) {
	if g.events > 0 {
		s.loop.remove(g.events)
		unix.Close(g.events)
		g.events = 0
	}
}

// oomKills is the oom_kill counter of memory.events or memory.oom_control.
func oomKills(text string) int {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == "oom_kill" {
			n, _ := strconv.Atoi(value)
			return n
		}
	}
	return 0
}

func readText(path string) string {
	data, _ := readFile(path)
	return string(data)
}

func readAt0(fd int) string {
	var buf [512]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil || n < 0 {
		return ""
	}
	return string(buf[:n])
}

// removeCgroup removes the control group that a runtime made and left when it
// failed: it forgets what it has not written down yet. A group in which
// something lives stays.
func (s *supervisor) removeCgroup() {
	if s.cfg.CgroupPath == "" {
		return
	}
	_ = unix.Rmdir(cgroupRoot + s.cfg.CgroupPath) // most often it is not there
	hierarchies, _ := os.ReadDir(cgroupRoot)      // none: nothing to remove
	for _, h := range hierarchies {
		if h.IsDir() {
			_ = unix.Rmdir(cgroupRoot + "/" + h.Name() + s.cfg.CgroupPath)
		}
	}
}

// remove removes the empty control group of a version 2 host. False leaves it
// to the runtime: it is not empty, it is of version 1, or a process that ended
// at once was gone before its group could be told.
func (g *cgroup) remove() bool {
	dir, ok := strings.CutSuffix(g.freezer, "/cgroup.freeze")
	if !ok {
		return false
	}
	err := unix.Rmdir(dir)
	return err == nil || err == unix.ENOENT
}
