package monitor

import (
	"bytes"
	"encoding/json"

	"golang.org/x/sys/unix"
)

// The health file is JSON with one result a line, so that results can be added
// without being read again:
//
//	{"Status":"healthy", ..., "Log":[
//	{"Start": ...},
//	{"Start": ...}
//	]}
//
// All of it goes through io.answer: what is on the heap stays there until a
// collection, and checks come often.

const (
	logSeparator = ",\n"
	logEnd       = "\n]}\n"
)

// healthLog says where in the file the results are.
type healthLog struct {
	starts []int64 // of those kept; with no limit, of the first only
	end    int64   // behind the last
}

// writeHealth writes the health file anew, with one result more unless it is
// nil. A disk that is full costs the details only: the verdict is in the record.
func (s *supervisor) writeHealth(result *HealthResult) {
	head, err := s.healthHead()
	if err != nil {
		return
	}
	var line []byte
	if result != nil {
		if line, err = json.Marshal(result); err != nil {
			return
		}
	}
	path := s.dir + "/" + HealthFile
	log, err := s.health.log.write(path+".new", path, head, line, s.cfg.Health.LogCount, s.io.answer())
	if err == nil {
		err = unix.Rename(path+".new", path)
	}
	if err != nil {
		_ = unix.Unlink(path + ".new")
		return
	}
	s.health.log = log
	if other := s.cfg.Health.Copy; other != "" {
		_ = copyWhole(path, other, s.io.answer()) // as good as it goes
	}
}

// healthHead is the file up to its first result.
func (s *supervisor) healthHead() ([]byte, error) {
	report := HealthReport{Status: s.rec.Health, Run: s.rec.Started, Hooked: s.health.hooked}
	for _, k := range s.health.checks {
		report.Checks = append(report.Checks, CheckReport{k.Role, k.verdict})
		report.FailingStreak = max(report.FailingStreak, k.verdict.Failures)
	}
	head, err := json.Marshal(&report)
	return append(bytes.TrimSuffix(head, []byte("null}")), '[', '\n'), err
}

// write writes the file to path: head, the latest of the results that are in
// the file old, and line. At most keep results, 0 for all.
func (l healthLog) write(path, old string, head, line []byte, keep int, buf []byte) (healthLog, error) {
	starts := l.starts
	if keep > 0 && line != nil && len(starts) >= keep {
		starts = starts[len(starts)-keep+1:]
	}
	to, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return l, err
	}
	out := &fileWriter{fd: to}
	defer unix.Close(to)
	out.write(head)
	next := healthLog{}
	if len(starts) > 0 {
		from, err := unix.Open(old, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return l, err
		}
		defer unix.Close(from)
		for _, at := range starts {
			next.starts = append(next.starts, at-starts[0]+out.at)
		}
		out.copy(from, starts[0], l.end, buf)
	}
	if line != nil {
		if len(starts) > 0 {
			out.write([]byte(logSeparator))
		}
		if keep > 0 || len(starts) == 0 {
			next.starts = append(next.starts, out.at)
		}
		out.write(line)
	}
	next.end = out.at
	out.write([]byte(logEnd))
	return next, out.err
}

// fileWriter counts, and keeps its first error.
type fileWriter struct {
	fd  int
	at  int64
	err error
}

func (w *fileWriter) write(p []byte) {
	for len(p) > 0 && w.err == nil {
		n, err := write(w.fd, p)
		w.at, w.err = w.at+int64(max(n, 0)), err
		p = p[max(n, 0):]
	}
}

// copy appends what stands in file from between two offsets.
func (w *fileWriter) copy(from int, at, end int64, buf []byte) {
	for at < end && w.err == nil {
		n, err := unix.Pread(from, buf[:min(int64(len(buf)), end-at)], at)
		switch {
		case err == unix.EINTR:
			continue
		case err == nil && n == 0:
			err = unix.EIO // it was longer
		}
		if err != nil {
			w.err = err
			return
		}
		w.write(buf[:n])
		at += int64(n)
	}
}

// copyWhole replaces file to by a copy of file from.
func copyWhole(from, to string, buf []byte) error {
	in, err := unix.Open(from, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	var st unix.Stat_t
	if err := unix.Fstat(in, &st); err != nil {
		return err
	}
	next := to + ".new"
	fd, err := unix.Open(next, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := &fileWriter{fd: fd}
	out.copy(in, 0, st.Size, buf)
	unix.Close(fd)
	if out.err == nil {
		out.err = unix.Rename(next, to)
	}
	if out.err != nil {
		_ = unix.Unlink(next)
	}
	return out.err
}

// readHealth is the health file as the predecessor left it, nil for none, and
// where its results are.
func (s *supervisor) readHealth() (*HealthReport, healthLog) {
	data, err := readFile(s.dir + "/" + HealthFile)
	if err != nil {
		return nil, healthLog{}
	}
	report := new(HealthReport)
	if json.Unmarshal(data, report) != nil {
		return nil, healthLog{}
	}
	return report, indexLog(data, s.cfg.Health.LogCount)
}

// indexLog finds the results in a health file.
func indexLog(data []byte, keep int) healthLog {
	at := int64(bytes.IndexByte(data, '\n') + 1)
	l := healthLog{end: at}
	body, some := bytes.CutSuffix(data[at:], []byte(logEnd))
	if !some || len(body) == 0 {
		return l
	}
	l.end = at + int64(len(body))
	for line := range bytes.SplitSeq(body, []byte(logSeparator)) {
		if keep > 0 || len(l.starts) == 0 {
			l.starts = append(l.starts, at)
		}
		at += int64(len(line) + len(logSeparator))
	}
	return l
}
