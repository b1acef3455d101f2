package libpod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// LogOptions say which part of a container's log is wanted.
type LogOptions struct {
	Since, Until time.Time // zero: no bound
	Tail         int       // the last so many lines; negative: all
	Follow       bool      // go on until the container ends
}

// LogRecord is a line, or a part of one, that a container wrote.
type LogRecord struct {
	Time   time.Time
	Stderr bool
	Text   []byte
	Whole  bool // the line ends here; the last line may lack its newline
}

// Logs hands all records wanted to take, oldest first, as many at once as are
// there; they are valid until it returns. Following ends with the container
// (not between two runs of its restart policy) or with ctx.
func (c *Container) Logs(ctx context.Context, o LogOptions, take func([]LogRecord) error) error {
	if c.Infra {
		return nil // says nothing
	}
	parse := parseK8sRecord
	switch driver := c.logDriver(); driver {
	case "k8s-file":
	case "json-file":
		parse = parseJSONRecord
	case "journald":
		return c.journalLogs(ctx, o, take)
	default:
		return fmt.Errorf("cannot read the log of container %s: its log driver %s keeps none", c.Name, driver)
	}
	if o.Follow && !o.Until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, o.Until)
		defer cancel()
	}
	files, err := openLogFiles(c.LogPath())
	if err != nil {
		return fmt.Errorf("cannot read the log of container %s: %w", c.Name, err)
	}
	defer files.close()
	if o.Tail >= 0 {
		if err := files.skipTo(o.Tail, parse); err != nil {
			return fmt.Errorf("cannot read the log of container %s: %w", c.Name, err)
		}
	}
	r := &logReader{c: c, o: o, files: files, parse: parse, take: take}
	return r.run(ctx)
}

// logReader goes through the files of one log.
type logReader struct {
	c     *Container
	o     LogOptions
	files *logFiles
	parse func(line []byte, r *LogRecord) bool
	take  func([]LogRecord) error
	batch []LogRecord
	part  []byte // the beginning of a record whose end is not read yet
}

func (r *logReader) run(ctx context.Context) error {
	buf := make([]byte, 64<<10)
	ended := !r.o.Follow
	for {
		n, err := r.files.read(buf)
		if n > 0 {
			if err := r.records(buf[:n]); err != nil {
				return err
			}
			continue
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("cannot read the log of container %s: %w", r.c.Name, err)
		case ended || ctx.Err() != nil:
			return r.contextError(ctx)
		}
		if ended, err = r.wait(ctx); err != nil {
			return err
		}
	}
}

// contextError: the end of --until is none, an interrupt is.
func (r *logReader) contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return ctx.Err()
}

// wait sleeps until something was written or the container has ended. What
// was written before its end is still to be read then.
func (r *logReader) wait(ctx context.Context) (ended bool, err error) {
	if r.files.wait(ctx) {
		return false, nil
	}
	st, err := r.c.Repair(ctx)
	if errors.Is(err, errNoContainer) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	return !st.Live(), nil
}

func (r *logReader) records(p []byte) error {
	r.batch = r.batch[:0]
	for {
		line, rest, found := bytes.Cut(p, []byte("\n"))
		if !found {
			break
		}
		if len(r.part) > 0 {
			line = append(r.part, line...)
			r.part = nil
		}
		var rec LogRecord
		if r.parse(line, &rec) && r.wanted(rec.Time) {
			r.batch = append(r.batch, rec)
		}
		p = rest
	}
	r.part = append(r.part, p...)
	if len(r.batch) == 0 {
		return nil
	}
	return r.take(r.batch)
}

func (r *logReader) wanted(t time.Time) bool {
	return !t.Before(r.o.Since) && (r.o.Until.IsZero() || !t.After(r.o.Until))
}

// parseK8sRecord reads TIME STREAM TAG TEXT, the Kubernetes container log
// format. Lines that are none are skipped.
func parseK8sRecord(line []byte, r *LogRecord) bool {
	stamp, rest, ok1 := bytes.Cut(line, []byte(" "))
	stream, rest, ok2 := bytes.Cut(rest, []byte(" "))
	tag, text, _ := bytes.Cut(rest, []byte(" "))
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	if !ok1 || !ok2 || err != nil || len(tag) == 0 {
		return false
	}
	*r = LogRecord{Time: t, Stderr: string(stream) == "stderr", Text: text, Whole: tag[0] == 'F'}
	return true
}

// parseJSONRecord reads docker's json-file format.
func parseJSONRecord(line []byte, r *LogRecord) bool {
	var rec struct {
		Log    string
		Stream string
		Time   time.Time
	}
	if json.Unmarshal(line, &rec) != nil {
		return false
	}
	text, whole := bytes.CutSuffix([]byte(rec.Log), []byte("\n"))
	*r = LogRecord{Time: rec.Time, Stderr: rec.Stream == "stderr", Text: text, Whole: whole}
	return true
}

// skipTo leaves out all but the last n lines.
func (l *logFiles) skipTo(n int, parse func([]byte, *LogRecord) bool) error {
	for i := len(l.list) - 1; i >= 0; i-- {
		if n == 0 {
			l.drop(i + 1)
			return nil
		}
		f := l.list[i]
		st, err := f.Stat()
		if err != nil {
			return err
		}
		t := &tailFinder{f: f, parse: parse, left: n, end: st.Size()}
		start, err := t.find()
		if err != nil {
			return err
		}
		if _, err := f.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if start > 0 {
			l.drop(i)
			return nil
		}
		n = t.left
	}
	return nil
}

// drop forgets the files before number i; that after the last one is its end.
func (l *logFiles) drop(i int) {
	for len(l.list) > 1 && i > 0 {
		l.list[0].Close()
		l.list = l.list[1:]
		i--
	}
	if i > 0 {
		_, _ = l.list[0].Seek(0, io.SeekEnd)
	}
}

// tailFinder goes back from the end of a file by whole lines.
type tailFinder struct {
	f     *os.File
	parse func([]byte, *LogRecord) bool
	left  int   // lines still wanted
	end   int64 // what lies before is not looked at yet
	begun bool  // a record was seen
}

// find returns where the wanted lines begin, 0 when all of the file is wanted.
func (t *tailFinder) find() (int64, error) {
	for size := int64(256 << 10); t.end > 0; {
		at := max(t.end-size, 0)
		buf := make([]byte, t.end-at)
		if _, err := t.f.ReadAt(buf, at); err != nil {
			return 0, err
		}
		first := 0 // of the first record that is all in buf
		if at > 0 {
			first = bytes.IndexByte(buf, '\n') + 1
		}
		if first == len(buf) && at > 0 {
			size *= 2 // one record longer than that
			continue
		}
		if start, found := t.block(buf, first); found {
			return at + int64(start), nil
		}
		t.end = at + int64(first)
	}
	return 0, nil
}

// block counts the lines that end in buf, from its end to first.
func (t *tailFinder) block(buf []byte, first int) (start int, found bool) {
	for end := len(buf); end > first; {
		begin := bytes.LastIndexByte(buf[first:end-1], '\n') + 1 + first
		var r LogRecord
		if t.parse(bytes.TrimSuffix(buf[begin:end], []byte("\n")), &r) && (r.Whole || !t.begun) {
			if t.left == 0 {
				return end, true
			}
			t.left--
			t.begun = true
		}
		end = begin
	}
	return 0, false
}
