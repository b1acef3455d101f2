// Package cgroup tells what control groups this process can give to a
// container, and reads what a container uses.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Managers.
const (
	None     = "disabled"
	FS       = "cgroupfs"
	Systemd  = "systemd"
	mountDir = "/sys/fs/cgroup"
)

// Facts is what a host offers.
type Facts struct {
	Version     int      // 2 for the unified hierarchy, else 1 (also hybrid)
	Manager     string   // None, FS or Systemd
	Reason      string   // why Manager is None
	Own         string   // this process's cgroup (version 2), from the root
	Controllers []string // what a container's cgroup can limit
}

// Probe looks at the host. asked is a manager the user wants, "" for the best;
// preferred, from a file of defaults, counts where asked is "" and the host
// has it.
//
// An unprivileged user on version 1 or hybrid hosts gets none: the controllers
// there cannot be delegated safely (cgroups(7)), and crun refuses hybrid ones.
func Probe(asked, preferred string) (Facts, error) {
	f := Facts{}
	var st unix.Statfs_t
	if err := unix.Statfs(mountDir, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		f.Version = 2
	} else {
		f.Version = 1
	}
	if asked == "" && (f.Version == 2 || preferred == None) {
		asked = preferred
	}
	f.Manager = asked
	switch asked {
	case "", None, FS, Systemd:
	default:
		return f, fmt.Errorf("cannot use the cgroup manager %q: it is none of systemd, cgroupfs, disabled", asked)
	}
	if asked == None {
		f.Reason = "cgroups are disabled"
		return f, nil
	}
	if f.Version == 1 {
		if asked != "" && asked != None {
			return f, errors.New("cannot manage cgroups: this host mounts cgroup version 1 (or hybrid), where they cannot be delegated")
		}
		f.Manager, f.Reason = None, "this host mounts cgroup version 1 (or hybrid), whose controllers carob cannot use"
		return f, nil
	}
	own, err := ownPath()
	if err != nil {
		return f, err
	}
	f.Own = strings.TrimSuffix(own, "/"+supervisor)
	return probeV2(f)
}

func probeV2(f Facts) (Facts, error) {
	if f.Manager == "" && systemdReachable() {
		f.Manager = Systemd
	}
	if f.Manager == Systemd {
		f.Controllers = delegated()
		return f, nil
	}
	f.Manager = FS
	f.Controllers = words(filepath.Join(mountDir, f.Own, "cgroup.controllers"))
	if unix.Access(filepath.Join(mountDir, f.Own), unix.W_OK) != nil && unix.Access(mountDir, unix.W_OK) != nil {
		f.Manager = None
		f.Reason = "the cgroup " + f.Own + " does not belong to this user and no systemd user session can be reached"
		f.Controllers = nil
	}
	return f, nil
}

// systemdReachable tells whether the user's (or, for root, the system's)
// systemd listens on D-Bus.
func systemdReachable() bool {
	if os.Getenv("_CONTAINERS_ROOTLESS_UID") == "" && os.Geteuid() == 0 {
		_, err := os.Stat("/run/systemd/system")
		return err == nil
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return false
	}
	if _, err := os.Stat(filepath.Join(dir, "systemd", "private")); err != nil {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "bus"))
	return err == nil
}

// delegated are the controllers of the user's service manager.
func delegated() []string {
	uid := os.Getenv("_CONTAINERS_ROOTLESS_UID")
	if uid == "" {
		return words(filepath.Join(mountDir, "cgroup.controllers"))
	}
	return words(filepath.Join(mountDir, "user.slice", "user-"+uid+".slice", "user@"+uid+".service", "cgroup.controllers"))
}

func words(file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

func ownPath() (string, error) { return PathOf("self") }

// PathOf returns the version 2 cgroup of a process ("self" or a pid) from the
// root of the hierarchy as this process sees it.
func PathOf(pid string) (string, error) {
	b, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return "", fmt.Errorf("cannot tell the cgroup of process %s: %w", pid, err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			return p, nil
		}
	}
	return "/", nil
}

// supervisor is the group that MakeRoom moves a group's processes to.
const supervisor = "supervisor"

// MakeRoom lets the group own, in which this process is, have groups for
// containers: only a group without processes of its own can hand controllers
// on to groups below it (cgroups(7), "no internal processes"). They all go to
// the group "supervisor" in it. Where own is the root, or has no controllers,
// there is nothing to do.
func MakeRoom(own string) error {
	dir := filepath.Join(mountDir, own)
	controllers := words(filepath.Join(dir, "cgroup.controllers"))
	if own == "/" || len(controllers) == 0 {
		return nil
	}
	below := filepath.Join(dir, supervisor)
	if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot divide the cgroup %s: %w", own, err)
	}
	// What a process forks while it is moved may stay behind: then once more.
	for try := 1; ; try++ {
		if err := moveAll(dir, below); err != nil {
			return fmt.Errorf("cannot divide the cgroup %s: %w", own, err)
		}
		err := handOn(dir, controllers)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || try == roomTries {
			return fmt.Errorf("cannot hand cgroup controllers on to containers in %s: %w", own, err)
		}
		time.Sleep(time.Duration(try) * time.Millisecond)
	}
}

const roomTries = 20

func moveAll(from, to string) error {
	for _, pid := range words(filepath.Join(from, "cgroup.procs")) {
		err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) { // that one has ended
			return err
		}
	}
	return nil
}

func handOn(dir string, controllers []string) error {
	for _, name := range controllers {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0); err != nil {
			return err
		}
	}
	return nil
}

// Frozen tells whether the process is in a frozen (paused) cgroup.
func Frozen(pid int) bool {
	if pid <= 0 {
		return false
	}
	path, err := PathOf(fmt.Sprint(pid))
	if err != nil || path == "/" {
		return false
	}
	b, err := os.ReadFile(filepath.Join(mountDir, path, "cgroup.freeze"))
	return err == nil && len(b) > 0 && b[0] == '1'
}
