// Package procfs reads processes from /proc, see proc(5).
package procfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of times in /proc/PID/stat: USER_HZ, which Linux has
// fixed at 100 a second on every architecture Go runs on but alpha and ia64.
const ticks = 100

// Process is one process as /proc/PID/stat and /proc/PID/status show it. Ids
// are those of the reader's namespaces unless they say otherwise.
type Process struct {
	PID, PPID, PGID int
	State           string // a letter
	Comm            string
	TTY             int // device number
	Nice            int
	CPU             time.Duration // used so far
	Started         time.Time
	VSZ, RSS        int64 // bytes

	status map[string]string
}

// All lists the processes of the reader's pid namespace. Those that end
// meanwhile are left out.
func All() ([]*Process, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	var all []*Process
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		if p, err := read(pid, boot); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

// Below keeps pid and its descendants.
func Below(all []*Process, pid int) []*Process {
	in := map[int]bool{pid: true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if in[p.PPID] && !in[p.PID] {
				in[p.PID], grown = true, true
			}
		}
	}
	var out []*Process
	for _, p := range all {
		if in[p.PID] {
			out = append(out, p)
		}
	}
	return out
}

func bootTime() (time.Time, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot tell when the machine was started: %w", err)
	}
	_, rest, _ := strings.Cut(string(b), "\nbtime ")
	word, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(word, 10, 64)
	return time.Unix(n, 0), err
}

func read(pid int, boot time.Time) (*Process, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return nil, err
	}
	p, err := parseStat(string(stat), boot)
	if err != nil {
		return nil, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return nil, err
	}
	p.status = map[string]string{}
	for line := range strings.SplitSeq(string(status), "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok {
			p.status[key] = strings.TrimSpace(value)
		}
	}
	return p, nil
}

var errStat = errors.New("cannot understand /proc/PID/stat")

// parseStat reads the line; the name in brackets may hold blanks and brackets.
func parseStat(line string, boot time.Time) (*Process, error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return nil, errStat
	}
	f := strings.Fields(line[end+1:])
	if len(f) < 22 {
		return nil, errStat
	}
	n := func(i int) int64 { // field i as proc(5) counts
		v, _ := strconv.ParseInt(f[i-3], 10, 64)
		return v
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line[:open]))
	if err != nil {
		return nil, errStat
	}
	return &Process{
		PID: pid, Comm: line[open+1 : end], State: f[0], PPID: int(n(4)), PGID: int(n(5)), TTY: int(n(7)), Nice: int(n(19)),
		CPU: time.Duration(n(14)+n(15)) * time.Second / ticks, Started: boot.Add(time.Duration(n(22)) * time.Second / ticks),
		VSZ: n(23), RSS: n(24) * int64(os.Getpagesize()),
	}, nil
}

// Status is a field of /proc/PID/status.
func (p *Process) Status(key string) string { return p.status[key] }

// InnerPID is the pid in the process's own pid namespace.
func (p *Process) InnerPID() int { return last(p.status["NSpid"], p.PID) }

// InnerPGID is the process group there.
func (p *Process) InnerPGID() int { return last(p.status["NSpgid"], p.PGID) }

func last(words string, otherwise int) int {
	f := strings.Fields(words)
	if len(f) == 0 {
		return otherwise
	}
	n, err := strconv.Atoi(f[len(f)-1])
	if err != nil {
		return otherwise
	}
	return n
}

// Args is the command line with blanks between the words; a kernel thread or
// zombie has only its name.
func (p *Process) Args() string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "cmdline"))
	if err != nil || len(b) == 0 {
		return "[" + p.Comm + "]"
	}
	return strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " ")
}

// ID is the number at place n (0 real, 1 effective) of the status line "Uid"
// or "Gid", as the reader's user namespace has it.
func (p *Process) ID(key string, n int) uint32 {
	f := strings.Fields(p.status[key])
	if n >= len(f) {
		return 0
	}
	id, _ := strconv.ParseUint(f[n], 10, 32)
	return uint32(id)
}

// Groups are the supplementary groups, as the reader's user namespace has them.
func (p *Process) Groups() []uint32 {
	var out []uint32
	for _, word := range strings.Fields(p.status["Groups"]) {
		if id, err := strconv.ParseUint(word, 10, 32); err == nil {
			out = append(out, uint32(id))
		}
	}
	return out
}

// Label is what SELinux or AppArmor know the process by, "?" without either.
func (p *Process) Label() string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "attr/current"))
	if err != nil {
		return "?"
	}
	return strings.Trim(string(b), "\n\x00")
}

// Inside translates an id of the reader's user namespace to the process's,
// file being uid_map or gid_map.
func (p *Process) Inside(file string, id uint32) uint32 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), file))
	if err != nil {
		return id
	}
	own, _ := os.ReadFile(filepath.Join("/proc/self", file))
	if string(own) == string(b) {
		return id // the same namespace, which shows the ids of its parent
	}
	for _, m := range parseMap(string(b)) {
		if uint64(id) >= m.outside && uint64(id)-m.outside < m.size {
			return uint32(m.inside + uint64(id) - m.outside)
		}
	}
	return id
}

// Outside translates an id of the reader's user namespace to the parent's.
func Outside(file string, id uint32) uint32 {
	b, err := os.ReadFile(filepath.Join("/proc/self", file))
	if err != nil {
		return id
	}
	for _, m := range parseMap(string(b)) {
		if uint64(id) >= m.inside && uint64(id)-m.inside < m.size {
			return uint32(m.outside + uint64(id) - m.inside)
		}
	}
	return id
}

// idMap is a line of a uid_map or gid_map, see user_namespaces(7).
type idMap struct{ inside, outside, size uint64 }

func parseMap(text string) []idMap {
	var maps []idMap
	for line := range strings.SplitSeq(text, "\n") {
		var m idMap
		if _, err := fmt.Sscan(line, &m.inside, &m.outside, &m.size); err == nil {
			maps = append(maps, m)
		}
	}
	return maps
}

// Terminal names the controlling terminal: pts/0, tty1 or ?.
func (p *Process) Terminal() string {
	major, minor := p.TTY>>8&0xfff, p.TTY&0xff|p.TTY>>12&0xfff00
	switch {
	case p.TTY == 0:
		return "?"
	case major >= 136 && major <= 143:
		return fmt.Sprintf("pts/%d", (major-136)<<8+minor)
	case major == 4 && minor < 64:
		return fmt.Sprintf("tty%d", minor)
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

// Name looks an id up in a passwd or group file of the process's root.
func (p *Process) Name(file string, id uint32) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "root", "etc", file))
	if err == nil {
		for line := range strings.SplitSeq(string(b), "\n") {
			f := strings.Split(line, ":")
			if len(f) > 2 && f[2] == strconv.FormatUint(uint64(id), 10) {
				return f[0]
			}
		}
	}
	return strconv.FormatUint(uint64(id), 10)
}
