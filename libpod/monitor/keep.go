package monitor

import (
	"strings"

	"golang.org/x/sys/unix"
)

// beginRecord starts the record of a new life, after the one in the file.
func (s *supervisor) beginRecord() {
	old, err := ReadRecord(s.recordFD)
	var seq uint64
	if err == nil {
		seq = old.Seq
	}
	s.rec = Record{Seq: seq, RunDir: s.cfg.RunDir}
	s.signRecord()
}

// signRecord names us as the monitor.
func (s *supervisor) signRecord() {
	boot, _ := readFile("/proc/sys/kernel/random/boot_id")
	s.rec.BootID = strings.TrimSpace(string(boot))
	s.rec.MonitorPID = unix.Getpid()
	s.rec.MonitorStart = startTime(s.rec.MonitorPID)
}

// save writes the record. Its blocks were allocated before, so only a broken
// disk can fail here; the container goes on then.
func (s *supervisor) save() {
	_ = WriteRecord(s.recordFD, &s.rec)
}
