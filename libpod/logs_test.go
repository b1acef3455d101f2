package libpod

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeLog(t *testing.T, path string, from, to int) {
	t.Helper()
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "2026-01-02T03:04:05.000000000+00:00 stdout P part of \n2026-01-02T03:04:05.000000000+00:00 stdout F line %d\n", i)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readLog reads what is there and returns its whole lines.
func readLog(t *testing.T, files *logFiles, o LogOptions) []string {
	t.Helper()
	var lines []string
	open := ""
	r := &logReader{o: o, files: files, parse: parseK8sRecord, take: func(batch []LogRecord) error {
		for _, rec := range batch {
			open += string(rec.Text)
			if rec.Whole {
				lines, open = append(lines, open), ""
			}
		}
		return nil
	}}
	if err := r.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestCorner13TailAcrossRotatedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	writeLog(t, path+".2", 0, 3000) // more than a block of tailFinder
	writeLog(t, path+".1", 3000, 3010)
	writeLog(t, path, 3010, 3015)
	for _, n := range []int{-1, 0, 1, 5, 6, 15, 16, 2000, 3015, 9999} {
		files, err := openLogFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		if n >= 0 {
			if err := files.skipTo(n, parseK8sRecord); err != nil {
				t.Fatal(err)
			}
		}
		lines := readLog(t, files, LogOptions{Tail: n})
		files.close()
		want := min(n, 3015)
		if n < 0 {
			want = 3015
		}
		if len(lines) != want || want > 0 && (lines[0] != fmt.Sprintf("part of line %d", 3015-want) || lines[want-1] != "part of line 3014") {
			t.Errorf("tail %d: %d lines, want %d; first %q", n, len(lines), want, append(lines, "")[0])
		}
	}
}

func TestCorner13RotationWhileReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	writeLog(t, path, 0, 10)
	files, err := openLogFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	defer files.close()
	got := readLog(t, files, LogOptions{})
	for i := 10; i < 40; i += 10 { // three rotations between two looks
		for k := 3; k > 0; k-- {
			_ = os.Rename(files.name(k-1), files.name(k))
		}
		writeLog(t, path, i, i+10)
	}
	got = append(got, readLog(t, files, LogOptions{})...)
	for i, line := range got {
		if line != fmt.Sprintf("part of line %d", i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if len(got) != 40 {
		t.Errorf("%d lines, want 40", len(got))
	}
}

func TestCorner13SinceAndUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := ""
	for i := range 5 {
		text += fmt.Sprintf("2026-01-02T03:04:0%d.000000001+01:00 stderr F %d\n", i, i)
	}
	if err := os.WriteFile(path, []byte(text+"not a record\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := openLogFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	defer files.close()
	at := func(s int) time.Time { return time.Date(2026, 1, 2, 2, 4, s, 1, time.UTC) }
	if got := readLog(t, files, LogOptions{Since: at(1), Until: at(3)}); strings.Join(got, "") != "123" {
		t.Errorf("got %q", got)
	}
}

func TestParseJournalEntry(t *testing.T) {
	for line, want := range map[string]string{
		`{"MESSAGE":"hi","__REALTIME_TIMESTAMP":"1000000","PRIORITY":"6"}`:                             "hi false true 1",
		`{"MESSAGE":[255,10],"__REALTIME_TIMESTAMP":"1","PRIORITY":"3"}`:                               "\xff\n true true 0",
		`{"MESSAGE":"x","__REALTIME_TIMESTAMP":"1","PRIORITY":"6","CONTAINER_PARTIAL_MESSAGE":"true"}`: "x false false 0",
	} {
		r, err := parseJournalEntry([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %t %t %d", r.Text, r.Stderr, r.Whole, r.Time.Unix()); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	if _, err := parseJournalEntry([]byte("{")); err == nil {
		t.Error("half an object was understood")
	}
}
