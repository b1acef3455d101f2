package libpod

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// journalLogs reads what log driver journald has kept.
func (c *Container) journalLogs(ctx context.Context, o LogOptions, take func([]LogRecord) error) error {
	if emptySpan(o.Since, o.Until) {
		return nil
	}
	args := []string{"CONTAINER_ID_FULL=" + c.ID}
	if o.Follow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		args = append(args, "--follow", "--no-tail")
		go c.cancelAtEnd(ctx, o.Until, cancel)
	} else if !o.Until.IsZero() {
		args = append(args, "--until=@"+journalTime(o.Until))
	}
	if !o.Since.IsZero() {
		args = append(args, "--since=@"+journalTime(o.Since))
	}
	if o.Tail >= 0 {
		args = append(args, "--lines="+strconv.Itoa(o.Tail))
	}
	err := journalctl(ctx, args, func(line []byte) error {
		r, err := parseJournalEntry(line)
		if err != nil || o.Follow && !o.Until.IsZero() && r.Time.After(o.Until) {
			return err
		}
		return take([]LogRecord{*r})
	})
	if errors.Is(err, errNoJournalctl) {
		return WithHint(fmt.Errorf("cannot read the log of container %s: it is in the journal, and there is no journalctl", c.Name),
			"use --log-driver k8s-file where there is no systemd")
	}
	var failed *journalError
	if errors.As(err, &failed) {
		return WithHint(fmt.Errorf("cannot read the log of container %s from the journal: %w", c.Name, err), journalHint)
	}
	return err
}

// journalHint is for those who may not read the journal.
const journalHint = "the account needs to be in the group systemd-journal, or a journal of its own (Storage=persistent in journald.conf)"

var errNoJournalctl = errors.New("there is no journalctl")

// journalError is what journalctl complains of.
type journalError struct{ words string }

func (e *journalError) Error() string { return e.words }

// journalctl hands the entries that its arguments choose to take, as JSON,
// oldest first unless they say otherwise: the journal's own format is not
// stable. The end of ctx is no error.
func journalctl(ctx context.Context, args []string, take func(line []byte) error) error {
	path, err := exec.LookPath("journalctl")
	if err != nil {
		return errNoJournalctl
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"--quiet", "--no-pager", "--all", "--output=json"}, args...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(out, 64<<10)
	for err == nil {
		line, readErr := lines.ReadBytes('\n')
		if readErr != nil {
			break // the end; how journalctl ended tells whether all is well
		}
		err = take(line)
	}
	if err != nil {
		cancel()
	}
	if waitErr := cmd.Wait(); err == nil && waitErr != nil && ctx.Err() == nil {
		err = &journalError{strings.TrimSpace(complaint.String())}
	}
	return err
}

func journalTime(t time.Time) string {
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// cancelAtEnd calls cancel when the container has ended, or at until. journald
// is given a moment to take the last lines.
func (c *Container) cancelAtEnd(ctx context.Context, until time.Time, cancel func()) {
	for ctx.Err() == nil {
		st, err := c.Repair(ctx)
		if err != nil || !st.Live() || !until.IsZero() && time.Now().After(until) {
			time.Sleep(500 * time.Millisecond)
			cancel()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// parseJournalEntry reads systemd's journal JSON, where a MESSAGE that is not
// UTF-8 is an array of bytes.
func parseJournalEntry(line []byte) (*LogRecord, error) {
	var e struct {
		Message  json.RawMessage `json:"MESSAGE"`
		Micros   string          `json:"__REALTIME_TIMESTAMP"`
		Priority string          `json:"PRIORITY"`
		Partial  string          `json:"CONTAINER_PARTIAL_MESSAGE"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, errors.New("cannot understand what journalctl prints")
	}
	micros, err := strconv.ParseInt(e.Micros, 10, 64)
	if err != nil {
		return nil, errors.New("cannot understand the time journalctl prints")
	}
	r := &LogRecord{Time: time.UnixMicro(micros), Stderr: e.Priority == "3", Whole: e.Partial != "true"}
	var text string
	if json.Unmarshal(e.Message, &text) == nil {
		r.Text = []byte(text)
		return r, nil
	}
	var bytes []int
	if json.Unmarshal(e.Message, &bytes) == nil {
		for _, b := range bytes {
			r.Text = append(r.Text, byte(b))
		}
	}
	return r, nil
}
