package monitor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newTestLog(t *testing.T, driver string, max int64, keep int) (*supervisor, *stream, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	s := &supervisor{cfg: Config{LogDriver: driver, LogPath: path, LogMaxSize: max, LogMaxFile: keep, ID: strings.Repeat("a", 64), Name: "n"}}
	if err := s.openLog(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.log.close)
	return s, &stream{s: s, fd: -1, kind: MsgStdout}, path
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestK8sFileFormat(t *testing.T) {
	s, out, path := newTestLog(t, "k8s-file", 0, 0)
	errs := &stream{s: s, fd: -1, kind: MsgStderr}
	s.log.write(out, []byte("one\n\npart"))
	s.log.write(errs, []byte("bad\n"))
	s.log.write(out, []byte("ial\n"))
	lines := strings.Split(strings.TrimSuffix(readAll(t, path), "\n"), "\n")
	want := []string{"stdout F one", "stdout F ", "stdout P part", "stderr F bad", "stdout F ial"}
	if len(lines) != len(want) {
		t.Fatalf("%q", lines)
	}
	for i, line := range lines {
		stamp, rest, _ := strings.Cut(line, " ")
		if rest != want[i] {
			t.Errorf("%q, want %q", rest, want[i])
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000000000Z07:00", stamp); err != nil {
			t.Error(err)
		}
	}
}

// jsonTexts returns what a json-file log holds, joined.
func jsonTexts(t *testing.T, text string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(text) {
		var e struct {
			Log, Stream string
			Time        time.Time
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all.WriteString(e.Log)
	}
	return all.String()
}

func TestJSONFileKeepsCharactersWhole(t *testing.T) {
	s, out, path := newTestLog(t, "json-file", 0, 0)
	text := strings.Repeat("äöü€𝄞\t\"\\\x01\x7f\r", 3000) + "\nend"
	for i, step := 0, 1; i < len(text); i, step = i+step, step%4097+13 {
		s.log.write(out, []byte(text[i:min(i+step, len(text))]))
	}
	s.log.end(out)
	if got := jsonTexts(t, readAll(t, path)); got != text {
		t.Errorf("%d bytes came back of %d", len(got), len(text))
	}
	bad, out2, path2 := newTestLog(t, "json-file", 0, 0)
	bad.log.write(out2, []byte("a\xffb\xe2\x82"))
	bad.log.end(out2)
	if got := jsonTexts(t, readAll(t, path2)); got != "a\ufffdb\ufffd\ufffd" && got != "a\ufffdb\ufffd" {
		t.Errorf("%q", got)
	}
}

func TestLongLinesAreCutAndComeBackWhole(t *testing.T) {
	for _, driver := range []string{"k8s-file", "json-file"} {
		s, out, path := newTestLog(t, driver, 0, 0)
		text := strings.Repeat("\x02", 3*MaxPayload+17) + "\n" // six times as long in JSON
		for chunk := []byte(text); len(chunk) > 0; {
			n := min(len(chunk), MaxPayload)
			s.log.write(out, chunk[:n])
			chunk = chunk[n:]
		}
		got := readAll(t, path)
		if driver == "json-file" {
			got = jsonTexts(t, got)
		} else {
			got = k8sTexts(t, got)
		}
		if got != text {
			t.Errorf("%s: %d bytes came back of %d", driver, len(got), len(text))
		}
	}
}

func k8sTexts(t *testing.T, text string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(text) {
		f := strings.SplitN(line, " ", 4)
		if len(f) != 4 || !strings.HasSuffix(line, "\n") {
			t.Fatalf("a broken record: %q", line)
		}
		if f[2] == "P" {
			f[3] = strings.TrimSuffix(f[3], "\n")
		}
		all.WriteString(f[3])
	}
	return all.String()
}

func TestRotationLosesAndSplitsNothing(t *testing.T) {
	for _, driver := range []string{"k8s-file", "json-file"} {
		t.Run(driver, func(t *testing.T) {
			const max = 4000
			s, out, path := newTestLog(t, driver, max, 1000)
			var want, chunk bytes.Buffer
			for i := range 3000 {
				chunk.WriteString("line " + strconv.Itoa(i) + strings.Repeat("x", i%50) + "\n")
				if i%7 == 0 || i%11 == 0 { // one or several lines in a chunk
					want.Write(chunk.Bytes())
					s.log.write(out, chunk.Bytes())
					chunk.Reset()
				}
			}
			got := ""
			for i := 1000; i >= 0; i-- {
				name := path + "." + strconv.Itoa(i)
				if i == 0 {
					name = path
				}
				data, err := os.ReadFile(name)
				if err != nil {
					continue
				}
				if len(data) > max {
					t.Errorf("%s has %d bytes", name, len(data))
				}
				if driver == "json-file" {
					got += jsonTexts(t, string(data))
				} else {
					got += k8sTexts(t, string(data))
				}
			}
			if got != want.String() {
				t.Errorf("%d bytes came back of %d", len(got), want.Len())
			}
		})
	}
}

func TestRotationKeepsOnlyAskedFiles(t *testing.T) {
	s, out, path := newTestLog(t, "k8s-file", 1000, 2)
	for i := range 500 {
		s.log.write(out, []byte("line "+strconv.Itoa(i)+"\n"))
	}
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) != 3 {
		t.Errorf("%q %v", names, err)
	}
	if text := readAll(t, path); !strings.HasSuffix(text, "line 499\n") {
		t.Errorf("%q", text)
	}
}

func TestRotationThatCannotBeDoneGoesOn(t *testing.T) {
	s, out, path := newTestLog(t, "k8s-file", 1000, 1)
	if err := os.Mkdir(path+".1", 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		s.log.write(out, []byte("line "+strconv.Itoa(i)+"\n"))
	}
	if got := k8sTexts(t, readAll(t, path)); strings.Count(got, "\n") != 100 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}

func TestJournalEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	s := &supervisor{cfg: Config{LogDriver: "journald", ID: strings.Repeat("ab", 32), Name: "box", LogTag: "tag\nged"}}
	if err := s.openLog(); err != nil {
		t.Fatal(err)
	}
	s.log.(*journal).socket = path
	s.log.write(&stream{s: s, kind: MsgStderr}, []byte("first\nsecond"))
	for _, want := range [][]string{
		{"MESSAGE=first\n", "PRIORITY=3\n", "CONTAINER_NAME=box\n", "CONTAINER_ID=abababababab\n", "CONTAINER_ID_FULL=" + s.cfg.ID + "\n", "CONTAINER_TAG\n\x07\x00\x00\x00\x00\x00\x00\x00tag\nged\n"},
		{"MESSAGE=second\n", "CONTAINER_PARTIAL_MESSAGE=true\n"},
	} {
		buf := make([]byte, 4096)
		n, err := unix.Read(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range want {
			if !bytes.Contains(buf[:n], []byte(field)) {
				t.Errorf("%q is missing in %q", field, buf[:n])
			}
		}
	}
}

func TestJournalThatIsGoneIsTold(t *testing.T) {
	s := &supervisor{cfg: Config{LogDriver: "journald", ID: "x", Name: "box"}}
	if err := s.openLog(); err != nil {
		t.Fatal(err)
	}
	j := s.log.(*journal)
	j.socket = filepath.Join(t.TempDir(), "nobody")
	out := &stream{s: s, kind: MsgStdout}
	j.write(out, []byte("a\nb\n"))
	if j.lost != 2 {
		t.Errorf("%d lost", j.lost)
	}
}
