package monitor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"golang.org/x/sys/unix"
)

// States a monitor writes. Whether a record is still true is for the reader
// to tell: it is while the monitor's lock on the record file is held and
// BootID is the running kernel's.
const (
	StateCreating   = "creating"
	StateCreated    = "created"
	StateRunning    = "running"
	StateStopping   = "stopping"
	StateRestarting = "restarting" // between two runs, backing off
	StateExited     = "exited"
)

// Record is what the monitor knows of its container, kept across reboots in
// RecordFile.
type Record struct {
	Seq          uint64 `json:"seq"`
	BootID       string `json:"boot_id"`
	MonitorPID   int    `json:"monitor_pid"`
	MonitorStart uint64 `json:"monitor_start"` // field 22 of /proc/PID/stat, guards against pid reuse
	RunDir       string `json:"run_dir"`

	State     string `json:"state"`
	PID       int    `json:"pid,omitempty"` // container's first process, in carob's pid namespace
	PIDStart  uint64 `json:"pid_start,omitempty"`
	Started   int64  `json:"started,omitempty"`  // unix nanoseconds
	Finished  int64  `json:"finished,omitempty"` // unix nanoseconds
	ExitCode  int    `json:"exit_code"`
	OOMKilled bool   `json:"oom_killed,omitempty"`
	Error     string `json:"error,omitempty"`
	Restarts  uint   `json:"restarts,omitempty"`
	// Sequel: the container is being ended by a check, and what follows.
	Sequel sequel `json:"sequel,omitempty"`
	// StoppedByUser: the last end was asked for; policies do not start it again.
	StoppedByUser bool `json:"stopped_by_user,omitempty"`
	// Health is starting, healthy or unhealthy as of the latest run; "" for a
	// container that nothing is asked of. The details are in HealthFile.
	Health string `json:"health,omitempty"`
}

// ToRestart tells that a check has ended the run for another one to follow.
func (r *Record) ToRestart() bool { return r.Sequel == sequelRestart && !r.StoppedByUser }

// The file is two slots of slotSize bytes, allocated when the container is
// made, so that writing down an exit code needs no free disk. A slot holds
// length (uint32), CRC-32 (uint32) and JSON; the valid slot with the higher
// Seq counts, so a torn write leaves the previous record readable.
const slotSize = 4096

// ErrNoRecord says that a record file was never written to.
var ErrNoRecord = errors.New("no record yet")

// CreateRecordFile makes an empty record file with all its blocks allocated.
func CreateRecordFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 2*slotSize))
	return errors.Join(err, f.Close())
}

// WriteRecord stores r, increasing r.Seq. Only the holder of the lock may.
func WriteRecord(fd int, r *Record) error {
	r.Seq++
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(body) > slotSize-8 { // only Error can be long
		r.Error = r.Error[:len(r.Error)/2]
		r.Seq--
		return WriteRecord(fd, r)
	}
	slot := make([]byte, slotSize)
	binary.LittleEndian.PutUint32(slot, uint32(len(body)))
	binary.LittleEndian.PutUint32(slot[4:], crc32.ChecksumIEEE(body))
	copy(slot[8:], body)
	_, err = unix.Pwrite(fd, slot, int64(r.Seq%2)*slotSize)
	return err
}

// ReadRecord returns the newest valid record, or ErrNoRecord.
func ReadRecord(fd int) (*Record, error) {
	buf := make([]byte, 2*slotSize)
	n, err := unix.Pread(fd, buf, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read the container's record: %w", err)
	}
	var newest *Record
	for at := 0; at+slotSize <= n; at += slotSize {
		if r := parseSlot(buf[at : at+slotSize]); r != nil && (newest == nil || r.Seq > newest.Seq) {
			newest = r
		}
	}
	if newest == nil {
		return nil, ErrNoRecord
	}
	return newest, nil
}

func parseSlot(slot []byte) *Record {
	n := binary.LittleEndian.Uint32(slot)
	if n == 0 || n > slotSize-8 {
		return nil
	}
	body := slot[8 : 8+n]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(slot[4:]) {
		return nil
	}
	r := new(Record)
	if json.Unmarshal(body, r) != nil {
		return nil
	}
	return r
}

// LockRecord takes the monitor's lock on an open record file without waiting.
// It belongs to the open file: a forked monitor that inherits fd keeps it,
// and the kernel frees it when the last copy is closed. held tells that
// somebody else has it.
func LockRecord(fd int) (held bool, err error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0}
	err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lk)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return true, nil
	}
	return false, err
}

// RecordLocked tells whether a monitor lives, without disturbing it.
func RecordLocked(fd int) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lk); err != nil {
		return false, err
	}
	return lk.Type != unix.F_UNLCK, nil
}
