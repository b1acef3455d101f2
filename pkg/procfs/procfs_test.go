package procfs

import (
	"os"
	"testing"
	"time"
)

func TestParseStatWithBracketsInTheName(t *testing.T) {
	line := "42 (a) b (c) S 7 41 41 34816 42 0 0 0 0 0 150 50 0 0 20 5 1 0 300 4096 2 18446744073709551615"
	p, err := parseStat(line, time.Unix(1000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if p.PID != 42 || p.Comm != "a) b (c" || p.PPID != 7 || p.State != "S" || p.Nice != 5 || p.CPU != 2*time.Second ||
		!p.Started.Equal(time.Unix(1003, 0)) || p.VSZ != 4096 || p.Terminal() != "pts/0" {
		t.Errorf("got %+v, terminal %s", p, p.Terminal())
	}
	for _, bad := range []string{"", "1", "1 (x", "1 (x) S 1"} {
		if _, err := parseStat(bad, time.Time{}); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

func TestSelf(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Below(all, os.Getpid()) {
		if p.PID == os.Getpid() {
			if p.Args() == "" || p.InnerPID() == 0 || p.ID("Uid", 1) != uint32(os.Geteuid()) || p.Inside("uid_map", 5) != 5 {
				t.Errorf("got %+v", p)
			}
			return
		}
	}
	t.Error("this process was not found")
}
