package monitor

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBackOffDoublesToAMinute(t *testing.T) {
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000}
	for n, ms := range want {
		if got := backOffTime(uint(n)); got != ms*time.Millisecond {
			t.Errorf("pause %d is %s", n, got)
		}
	}
	if backOffTime(1<<40) != time.Minute {
		t.Error("a long row overflows")
	}
}

func TestRestartPolicies(t *testing.T) {
	cases := []struct {
		policy string
		max    uint
		code   int
		done   uint
		stop   bool
		killed time.Duration // ago
		want   bool
	}{
		{"", 0, 1, 0, false, 0, false},
		{"no", 0, 1, 0, false, 0, false},
		{"always", 0, 0, 100, false, 0, true},
		{"always", 0, 0, 0, true, 0, false},
		{"unless-stopped", 0, 1, 0, false, 0, true},
		{"unless-stopped", 0, 1, 0, true, 0, false},
		{"on-failure", 0, 0, 0, false, 0, false},
		{"on-failure", 0, 1, 50, false, 0, true},
		{"on-failure", 3, 1, 2, false, 0, true},
		{"on-failure", 3, 1, 3, false, 0, false},
		{"always", 0, 137, 0, false, time.Second, false},
		{"always", 0, 1, 0, false, time.Hour, true},
	}
	for _, tc := range cases {
		s := &supervisor{cfg: Config{RestartPolicy: tc.policy, RestartMax: tc.max}}
		s.run.code, s.rec.Restarts, s.stop.asked = tc.code, tc.done, tc.stop
		if tc.killed > 0 {
			s.run.lastKill = time.Now().Add(-tc.killed)
		}
		if got := s.restartWanted(); got != tc.want {
			t.Errorf("%+v: %t", tc, got)
		}
	}
}

func TestRowOfRestartsStartsAnewAfterAGoodRun(t *testing.T) {
	s := &supervisor{row: 7, recordFD: -1}
	if err := s.loop.open(); err != nil {
		t.Fatal(err)
	}
	s.run.started = time.Now().Add(-goodRun)
	s.backOff()
	if s.row != 1 {
		t.Errorf("row %d", s.row)
	}
}

func TestClassifyRuntimeWords(t *testing.T) {
	for text, want := range map[string]int{
		"executable file `foo` not found in $PATH: No such file or directory": 127,
		`exec: "foo": executable file not found in $PATH`:                     127,
		"open executable: Permission denied":                                  126,
		"open executable: Operation not permitted":                            126,
		"exec /x: exec format error":                                          126,
		"mount proc to proc: Device or resource busy":                         126,
		"executable file `/foo` not found: No such file or directory":         127,
		`exec: "/foo": stat /foo: no such file or directory`:                  127,
		"exec /foo: no such file or directory":                                127,
		"chdir to `/nope`: No such file or directory":                         127,
		"open `net/bogus`: No such file or directory":                         127,
	} {
		if code, _ := classify(text, 126); code != want {
			t.Errorf("%q: %d, want %d", text, code, want)
		}
	}
}

func TestLastErrorOfCrunAndRunc(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]string{
		`{"msg":"executable file nonsuch not found","level":"error","time":"x"}`: "executable file nonsuch not found",
		`{"level":"warning","msg":"a"}
{"level":"error","msg":"runc run failed: unable to start container process: exec: \"x\": not found","time":"y"}
`: `exec: "x": not found`,
		"no json": "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lastError(path); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestOOMKillCounters(t *testing.T) {
	v2 := "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"
	v1 := "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"
	if oomKills(v2) != 2 || oomKills(v1) != 5 || oomKills("") != 0 {
		t.Error(oomKills(v2), oomKills(v1))
	}
}

func TestMountPointsBelow(t *testing.T) {
	info := `1 0 8:1 / / rw - ext4 /dev/sda rw
2 1 0:5 / /run/c\040one rw - tmpfs tmpfs rw
3 2 0:6 / /run/c\040one/shm rw - tmpfs tmpfs rw
4 1 0:7 / /run/c rw - tmpfs tmpfs rw
`
	if got := mountPoints(info, "/run/c one"); strings.Join(got, "|") != "/run/c one|/run/c one/shm" {
		t.Errorf("%q", got)
	}
}

func recordFile(t *testing.T) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record")
	if err := CreateRecordFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestRecordSurvivesATornWrite(t *testing.T) {
	f := recordFile(t)
	fd := int(f.Fd())
	if _, err := ReadRecord(fd); !errors.Is(err, ErrNoRecord) {
		t.Fatal(err)
	}
	r := &Record{State: StateRunning, PID: 7}
	for range 3 {
		if err := WriteRecord(fd, r); err != nil {
			t.Fatal(err)
		}
	}
	r.State = StateExited
	if err := WriteRecord(fd, r); err != nil { // number 4, in the first slot
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("torn"), 20); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(fd)
	if err != nil || got.Seq != 3 || got.State != StateRunning {
		t.Errorf("%+v %v", got, err)
	}
}

func TestRecordWithALongErrorFits(t *testing.T) {
	f := recordFile(t)
	r := &Record{Error: strings.Repeat("ä", 10000)}
	if err := WriteRecord(int(f.Fd()), r); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(int(f.Fd()))
	if err != nil || len(got.Error) < 1000 || got.Seq != 1 {
		t.Errorf("%d bytes of error, %v", len(got.Error), err)
	}
}

func TestRecordLockBelongsToTheOpenFile(t *testing.T) {
	f := recordFile(t)
	other, err := os.OpenFile(f.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if held, err := LockRecord(int(f.Fd())); held || err != nil {
		t.Fatal(held, err)
	}
	if held, err := LockRecord(int(other.Fd())); !held || err != nil {
		t.Error(held, err)
	}
	if locked, err := RecordLocked(int(other.Fd())); !locked || err != nil {
		t.Error(locked, err)
	}
	f.Close()
	if locked, err := RecordLocked(int(other.Fd())); locked || err != nil {
		t.Error(locked, err)
	}
}

func TestBacklogKeepsTheLatest(t *testing.T) {
	var b backlog
	b.keep([]byte("onot kept"))
	b.on = true
	for i := range 100 {
		p := make([]byte, 3000)
		p[0], p[1] = byte(MsgStdout), byte(i)
		b.keep(p)
	}
	b.shrink(backlogSize)
	if n := len(b.data); n > backlogSize || n < backlogSize-3100 {
		t.Errorf("%d bytes kept", n)
	}
	if last := b.data[len(b.data)-3000:]; last[1] != 99 {
		t.Errorf("the last is %d", last[1])
	}
}

// FuzzMessage throws messages at a monitor without a container.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{"a\x07", "x", "ihello", "I", "w\x01\x00\x02\x00", "k\x0f\x00\x00\x00", "s\x00\x00\x00\x00\xff\xff\xff\xff", "g", "d", "c", "r", "u", "", "?"} {
		f.Add([]byte(seed), byte(running))
	}
	f.Fuzz(func(t *testing.T, packet []byte, st byte) {
		if len(packet) == 0 || len(packet) > MaxPayload+1 {
			return
		}
		s, c := fuzzSupervisor(t)
		s.state = state(st % byte(ended+1))
		if s.state == created {
			s.state = running // starting it would fork the runtime
		}
		s.handle(c, Kind(packet[0]), packet[1:])
		s.handle(c, Kind(packet[0]), packet[1:])
	})
}

// FuzzRecord gives the reader of records any bytes.
func FuzzRecord(f *testing.F) {
	good := recordSlots(f)
	f.Add(good)
	f.Add(good[slotSize:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		slot := make([]byte, slotSize)
		copy(slot, data)
		if r := parseSlot(slot); r != nil && crc32.ChecksumIEEE(slot[8:8+binary.LittleEndian.Uint32(slot)]) != binary.LittleEndian.Uint32(slot[4:]) {
			t.Error("a damaged record is taken for good")
		}
	})
}

// TestStatusIsTheContainers: systemd restarts a service that failed, and not
// one that was stopped.
func TestStatusIsTheContainers(t *testing.T) {
	for _, tc := range []struct {
		stop stopRequest
		code int
		want int
	}{
		{stopRequest{}, 0, 0},
		{stopRequest{}, 137, 137},
		{stopRequest{asked: true}, 143, 0},
		{stopRequest{asked: true, unhealthy: true}, 137, 137},
	} {
		s := &supervisor{stop: tc.stop}
		s.rec.ExitCode = tc.code
		if got := s.status(); got != tc.want {
			t.Errorf("after %+v with %d it is %d, not %d", tc.stop, tc.code, got, tc.want)
		}
	}
}

// TestSecondsFit: a time that is as good as for ever does not end at once.
func TestSecondsFit(t *testing.T) {
	for _, n := range []uint{1 << 34, 1<<63 - 1, 1<<64 - 1} {
		if d := time.Duration(bounded(n)) * time.Second; d < 60*365*24*time.Hour {
			t.Errorf("%d seconds became %v", n, d)
		}
	}
	if bounded(10) != 10 {
		t.Error("ten seconds are not ten")
	}
}
