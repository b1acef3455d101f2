package libpod

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/carob-containers/carob/pkg/cgroup"
)

// Usage is what a container uses of the machine, from its cgroup.
type Usage struct {
	CPU               time.Duration // processor time since its start
	Memory            int64         // bytes, without what the kernel can drop at once
	MemoryLimit       int64         // bytes: the container's, or the machine's
	NetIn, NetOut     int64         // bytes
	BlockIn, BlockOut int64
	PIDs              int64
	At                time.Time
	Up                time.Duration // since its start
}

// Usage reads the counters of a running container.
func (c *Container) Usage() (*Usage, error) {
	st, err := c.State()
	if err != nil {
		return nil, err
	}
	if !st.Running() {
		return nil, fmt.Errorf("cannot measure container %s: it is not running", c.Name)
	}
	r, err := c.rt.OCI()
	if err != nil {
		return nil, err
	}
	if !r.CanFreeze() {
		return nil, WithHint(fmt.Errorf("cannot measure container %s: %s", c.Name, r.Cgroups.Reason),
			"stats are read from cgroups: they need cgroup version 2 and, without root, a systemd user session or a delegated cgroup")
	}
	dir, err := c.cgroupDir(st.PID)
	if err != nil {
		return nil, err
	}
	u := &Usage{At: time.Now(), Up: time.Since(st.StartedAt())}
	u.CPU = time.Duration(keyed(dir, "cpu.stat")["usage_usec"]) * time.Microsecond
	u.Memory = max(0, single(dir, "memory.current")-keyed(dir, "memory.stat")["inactive_file"])
	u.PIDs = single(dir, "pids.current")
	// crun limits a group of its own within the scope.
	if u.MemoryLimit = max(single(dir, "memory.max"), single(filepath.Join(dir, "container"), "memory.max")); u.MemoryLimit <= 0 {
		var h HostInfo
		h.memory()
		u.MemoryLimit = h.MemTotal
	}
	u.blockIO(dir)
	u.network(st.PID)
	return u, nil
}

// cgroupDir is the container's cgroup, below which systemd or another init
// inside may have put its processes.
func (c *Container) cgroupDir(pid int) (string, error) {
	path, err := cgroup.PathOf(strconv.Itoa(pid))
	if err != nil {
		return "", err
	}
	for at := path; at != "/" && at != "."; at = filepath.Dir(at) {
		if strings.Contains(filepath.Base(at), c.ID) {
			return filepath.Join("/sys/fs/cgroup", at), nil
		}
	}
	return "", fmt.Errorf("cannot measure container %s: it runs without a cgroup of its own", c.Name)
}

// single reads a file that holds one number; "max" and a missing controller
// give 0.
func single(dir, file string) int64 {
	b, _ := os.ReadFile(filepath.Join(dir, file))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// keyed reads lines of KEY NUMBER.
func keyed(dir, file string) map[string]int64 {
	b, _ := os.ReadFile(filepath.Join(dir, file))
	out := map[string]int64{}
	for line := range strings.SplitSeq(string(b), "\n") {
		key, value, _ := strings.Cut(line, " ")
		out[key], _ = strconv.ParseInt(value, 10, 64)
	}
	return out
}

// blockIO adds up the devices of io.stat: MAJOR:MINOR rbytes=N wbytes=N ...
func (u *Usage) blockIO(dir string) {
	b, _ := os.ReadFile(filepath.Join(dir, "io.stat"))
	for word := range strings.FieldsSeq(string(b)) {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "rbytes":
			u.BlockIn += n
		case "wbytes":
			u.BlockOut += n
		}
	}
}

// network adds up the interfaces of the container's network namespace but lo,
// from /proc/PID/net/dev: bytes received come first, bytes sent ninth.
func (u *Usage) network(pid int) {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/dev")
	for line := range strings.SplitSeq(string(b), "\n") {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(f) < 9 {
			continue
		}
		in, _ := strconv.ParseInt(f[0], 10, 64)
		out, _ := strconv.ParseInt(f[8], 10, 64)
		u.NetIn, u.NetOut = u.NetIn+in, u.NetOut+out
	}
}
