package termio_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/termio"
)

func TestCorner3ParseDetachKeys(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		"ctrl-p,ctrl-q":  "\x10\x11",
		"a":              "a",
		"Z":              "Z",
		"ctrl-@":         "\x00",
		"ctrl-^,ctrl-[":  "\x1e\x1b",
		`ctrl-\,ctrl-_`:  "\x1c\x1f",
		"ctrl-],x,ctrl-": "error",
		"ctrl-A":         "error",
		"ctrl-ab":        "error",
		"foo":            "error",
		"a,,b":           "error",
		"ctrl-p,":        "error",
	} {
		keys, err := termio.ParseDetachKeys(in)
		if (err != nil) != (want == "error") || err == nil && string(keys) != want {
			t.Errorf("%q: got %q, %v, want %q", in, keys, err, want)
		}
	}
}

func TestCorner3DetachKeysAcrossReads(t *testing.T) {
	for _, c := range []struct {
		keys, typed, handedOn string
		detached              bool
	}{
		{"\x10\x11", "ls\n\x10\x11rest", "ls\n", true},
		{"\x10\x11", "\x10x", "\x10x", false},
		{"\x10\x11", "\x10\x10\x11", "\x10", true},
		{"aab", "aaab", "a", true},
		{"abac", "ababac", "ab", true},
		{"", "\x10\x11", "\x10\x11", false},
	} {
		for size := 1; size <= len(c.typed); size++ {
			d := termio.NewDetacher([]byte(c.keys))
			var out []byte
			detached := false
			for in := []byte(c.typed); len(in) > 0 && !detached; {
				n := min(size, len(in))
				out, detached = d.Feed(out, in[:n])
				in = in[n:]
			}
			if string(out) != c.handedOn || detached != c.detached {
				t.Errorf("keys %q, typed %q in reads of %d: handed on %q, detached %v", c.keys, c.typed, size, out, detached)
			}
		}
	}
	d := termio.NewDetacher([]byte("ab"))
	if out, _ := d.Feed(nil, []byte("xa")); string(d.Rest(out)) != "xa" {
		t.Error("a key that was begun is lost at the end of input")
	}
}

// FuzzDetachKeys holds the parser against a search in the whole input.
func FuzzDetachKeys(f *testing.F) {
	f.Add("ctrl-p,ctrl-q", []byte("ab\x10\x10\x11cd"), 1)
	f.Add("a,a,b", []byte("aaaab"), 2)
	f.Fuzz(func(t *testing.T, sequence string, typed []byte, size int) {
		keys, err := termio.ParseDetachKeys(sequence)
		if err != nil || size < 1 {
			return
		}
		want, found := typed, false
		if i := bytes.Index(typed, keys); i >= 0 && len(keys) > 0 {
			want, found = typed[:i], true
		}
		d := termio.NewDetacher(keys)
		var out []byte
		detached := false
		for in := typed; len(in) > 0 && !detached; {
			n := min(size, len(in))
			out, detached = d.Feed(out, in[:n])
			in = in[n:]
		}
		if out = d.Rest(out); !bytes.Equal(out, want) || detached != found {
			t.Errorf("keys %q, typed %q: handed on %q, detached %v, want %q, %v", keys, typed, out, detached, want, found)
		}
	})
}

// openPTY returns both ends of a new pseudo terminal.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func isRaw(t *testing.T, f *os.File) bool {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return settings.Lflag&unix.ICANON == 0
}

// TestMain doubles as the program whose deaths are looked at: it makes its
// stdin raw, says so, and dies as it is told.
func TestMain(m *testing.M) {
	how := os.Getenv("TERMIO_TEST_DEATH")
	if how == "" {
		os.Exit(m.Run())
	}
	raw, err := termio.MakeRaw(os.Stdin, false)
	if err != nil {
		fmt.Println(err)
		os.Exit(99)
	}
	defer raw.Restore()
	fmt.Println("raw")
	switch how {
	case "panic":
		panic("test")
	case "return":
		return
	}
	time.Sleep(time.Minute)
}

func TestCorner4RawModeIsUndoneAfterAnyDeath(t *testing.T) {
	master, slave := openPTY(t)
	go func() { // a terminal whose output nobody reads cannot be drained
		b := make([]byte, 1000)
		for {
			if _, err := master.Read(b); err != nil {
				return
			}
		}
	}()
	for _, c := range []struct {
		how    string
		signal syscall.Signal
		dies   syscall.WaitStatus
	}{
		{"return", 0, 0},
		{"panic", 0, 2 << 8},
		{"signal", syscall.SIGHUP, syscall.WaitStatus(syscall.SIGHUP)},
		{"signal", syscall.SIGQUIT, 2 << 8}, // with a stack trace, as Go programs do
		{"signal", syscall.SIGSEGV, 2 << 8},
	} {
		t.Run(fmt.Sprint(c.how, " ", c.signal), func(t *testing.T) {
			if c.signal != 0 && signal.Ignored(c.signal) {
				t.Skipf("%s is ignored here, as nohup(1) has it", c.signal)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "TERMIO_TEST_DEATH="+c.how, "GOTRACEBACK=none")
			cmd.Stdin = slave
			said, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			n, _ := said.Read(b)
			if string(b[:n]) != "raw\n" {
				t.Fatalf("it says %q", b[:n])
			}
			if c.signal != 0 {
				if !isRaw(t, slave) {
					t.Error("the terminal is not raw")
				}
				_ = cmd.Process.Signal(c.signal)
			}
			_ = cmd.Wait()
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if status&^0x80 != c.dies {
				t.Errorf("ended with %#x, want %#x", status, c.dies)
			}
			if isRaw(t, slave) {
				t.Error("the terminal is still raw")
			}
		})
	}
}

func TestResizes(t *testing.T) {
	_, slave := openPTY(t)
	sizes, stop := termio.Resizes(slave)
	defer stop()
	want := termio.Size{Rows: 33, Cols: 44}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: want.Rows, Col: want.Cols}); err != nil {
		t.Fatal(err)
	}
	_ = unix.Kill(os.Getpid(), unix.SIGWINCH)
	select {
	case got := <-sizes:
		if got != want {
			t.Errorf("got %v", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("no size came")
	}
	stop()
	stop()
}

func TestCorner5SignalsAreKeptUntilWanted(t *testing.T) {
	s := termio.CatchSignals(true)
	defer s.Stop()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, 40} {
		_ = unix.Kill(os.Getpid(), sig)
	}
	for _, sig := range []syscall.Signal{syscall.SIGURG, syscall.SIGCHLD, syscall.SIGWINCH} {
		_ = unix.Kill(os.Getpid(), sig)
	}
	got := map[os.Signal]int{}
	for range 4 {
		select {
		case sig := <-s.C:
			got[sig]++
		case <-time.After(5 * time.Second):
			t.Fatal("a signal was lost")
		}
	}
	select {
	case sig := <-s.C:
		t.Errorf("%v was caught", sig)
	case <-time.After(50 * time.Millisecond):
	}
	if len(got) != 4 || got[syscall.Signal(40)] != 1 {
		t.Errorf("caught %v", got)
	}
}
