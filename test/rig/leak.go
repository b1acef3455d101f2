package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Process is one that belongs to a test.
type Process struct {
	PID  int
	Args string
	How  string // what gave it away
}

func (p Process) String() string { return fmt.Sprintf("%d %s (%s)", p.PID, p.Args, p.How) }

// Processes finds every process that mark (a path no one else uses) appears
// in: its environment, its arguments, or a mount of its namespace. A payload
// whose monitor died has neither environment nor arguments of ours, but its
// root file system is mounted from below mark. The caller itself and its
// ancestors are left out.
func Processes(mark string) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	skip := ancestors()
	var found []Process
	for _, e := range entries {
		pid := pidOf(e.Name())
		if pid == 0 || skip[pid] {
			continue
		}
		if how := belongs(pid, mark); how != "" {
			found = append(found, Process{PID: pid, Args: arguments(pid), How: how})
		}
	}
	return found, nil
}

func belongs(pid int, mark string) string {
	own := mountNamespace(os.Getpid())
	for _, file := range []string{"cmdline", "environ", "mountinfo"} {
		// A mount in the namespace we are in ourselves says nothing about pid.
		if file == "mountinfo" && mountNamespace(pid) == own {
			continue
		}
		// Unreadable or gone: not told by this file.
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err == nil && names(b, mark) && Alive(pid) {
			return file
		}
	}
	return ""
}

// names tells whether text holds path as a whole or as the beginning of a
// longer one, not as part of another name: /a/run is not in /a/run-rm.
func names(text []byte, path string) bool {
	for {
		at := bytes.Index(text, []byte(path))
		if at < 0 {
			return false
		}
		text = text[at+len(path):]
		if len(text) == 0 || !strings.ContainsRune("-_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", rune(text[0])) {
			return true
		}
	}
}

func mountNamespace(pid int) string {
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return ""
	}
	return ns
}

// statField is a field of /proc/PID/stat, counted from the state (field 3 of
// proc(5)) as 0; empty when the process is gone.
func statField(pid, n int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if n >= len(fields) {
		return ""
	}
	return fields[n]
}

func ancestors() map[int]bool {
	set := map[int]bool{}
	for pid := os.Getpid(); pid > 1; pid = pidOf(statField(pid, 1)) {
		set[pid] = true
	}
	return set
}

func arguments(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " ")
}

// Mounts lists the mounts of this mount namespace below dir.
func Mounts(dir string) ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], filepath.Clean(dir)+"/") {
			found = append(found, fields[4])
		}
	}
	return found, nil
}

// Alive tells whether a process exists and is more than a zombie.
func Alive(pid int) bool {
	state := statField(pid, 0)
	return state != "" && state != "Z"
}
