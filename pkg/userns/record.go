package userns

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Names in the runtime and the state directory.
const (
	recordName = "keeper"
	lockName   = "keeper.lock"
)

// keeperComm is the keeper's name in /proc/PID/stat; join/join.c asks for it.
const keeperComm = "carob-keeper"

// record names a process so that no other can be taken for it.
type record struct {
	pid   int
	start uint64 // field 22 of /proc/PID/stat, clock ticks since boot
	boot  string // /proc/sys/kernel/random/boot_id
}

func (r record) String() string { return fmt.Sprintf("%d %d %s\n", r.pid, r.start, r.boot) }

// readRecord returns the record in dir and whether its process is a living
// keeper. A record that is missing, broken, a link or somebody else's is one
// that is not alive, as it is in join/join.c.
func readRecord(dir string) (record, bool) {
	f, err := os.OpenFile(filepath.Join(dir, recordName), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return record{}, false
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() || int(fi.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		return record{}, false
	}
	var r record
	if _, err := fmt.Fscan(f, &r.pid, &r.start, &r.boot); err != nil || r.pid <= 1 {
		return record{}, false
	}
	now, err := newRecord(r.pid)
	return r, err == nil && now == r
}

// newRecord describes the living keeper pid.
func newRecord(pid int) (record, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return record{}, err
	}
	name, rest, ok := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	if !ok || len(fields) < 20 || !bytes.HasSuffix(name, []byte("("+keeperComm)) {
		return record{}, fmt.Errorf("process %d is not a keeper", pid)
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return record{}, fmt.Errorf("keeper %d is dead", pid)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return record{}, fmt.Errorf("cannot read the start time of process %d: %w", pid, err)
	}
	boot, err := bootID()
	return record{pid: pid, start: start, boot: boot}, err
}

func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot read the boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// writeRecord replaces the record in dir in one step: a reader sees the old
// line or the new one.
func writeRecord(dir string, r record) error {
	name := filepath.Join(dir, recordName)
	tmp := name + ".new" // one writer at a time, under the lock
	if err := os.WriteFile(tmp, []byte(r.String()), 0o600); err != nil {
		return fmt.Errorf("cannot write down the keeper: %w", err)
	}
	if err := os.Rename(tmp, name); err != nil {
		return fmt.Errorf("cannot write down the keeper: %w", err)
	}
	return nil
}
