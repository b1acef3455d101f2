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

// journalLogs reads what log driver journald has kept, through journalctl:
// the journal's own format is not stable.
func (c *Container) journalLogs(ctx context.Context, o LogOptions, take func([]LogRecord) error) error {
	path, err := exec.LookPath("journalctl")
	if err != nil {
		return withHint(fmt.Errorf("cannot read the log of container %s: it is in the journal, and there is no journalctl", c.Name),
			"use --log-driver k8s-file where there is no systemd")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := []string{"--quiet", "--no-pager", "--all", "--output=json", "CONTAINER_ID_FULL=" + c.ID}
	if o.Follow {
		args = append(args, "--follow", "--no-tail")
		go c.cancelAtEnd(ctx, cancel)
	}
	if !o.Since.IsZero() {
		args = append(args, "--since=@"+journalTime(o.Since))
	}
	if !o.Until.IsZero() {
		args = append(args, "--until=@"+journalTime(o.Until))
	}
	if o.Tail >= 0 {
		args = append(args, "--lines="+strconv.Itoa(o.Tail))
	}
	cmd := exec.CommandContext(ctx, path, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = journalRecords(bufio.NewReaderSize(out, 64<<10), take)
	if err != nil {
		cancel()
	}
	if waitErr := cmd.Wait(); err == nil && waitErr != nil && ctx.Err() == nil {
		err = withHint(fmt.Errorf("cannot read the log of container %s from the journal: %s", c.Name, strings.TrimSpace(complaint.String())),
			"the account needs to be in the group systemd-journal, or a journal of its own (Storage=persistent in journald.conf)")
	}
	return err
}

func journalTime(t time.Time) string {
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// cancelAtEnd gives journald a moment to take the last lines of a container
// that has ended.
func (c *Container) cancelAtEnd(ctx context.Context, cancel func()) {
	for ctx.Err() == nil {
		st, err := c.Repair(ctx)
		if err != nil || !st.Live() {
			time.Sleep(500 * time.Millisecond)
			cancel()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func journalRecords(lines *bufio.Reader, take func([]LogRecord) error) error {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil // the end; how journalctl ended tells whether all is well
		}
		r, err := parseJournalEntry(line)
		if err != nil {
			return err
		}
		if err := take([]LogRecord{*r}); err != nil {
			return err
		}
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
