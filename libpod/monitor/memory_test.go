package monitor_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestIdleMemory holds the monitor of a quiet container to its 1.5 MB.
func TestIdleMemory(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'exit 0' TERM; seq 1 20000; while :; do sleep 100 & wait; done")
	c := b.spawn()
	pid, err := c.WaitStarted()
	must(t, err)
	if pid == 0 {
		t.Error("no pid")
	}
	c.Close()
	time.Sleep(3 * time.Second)
	pss := rollup(t, b.pid, "Pss")
	t.Logf("idle monitor: PSS %d kB (anonymous %d, files %d)", pss, rollup(t, b.pid, "Pss_Anon"), rollup(t, b.pid, "Pss_File"))
	if pss > 1500 {
		t.Errorf("PSS is %d kB, more than 1500", pss)
	}
}

func rollup(t *testing.T, pid int, key string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	must(t, err)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); f[0] == key+":" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	t.Fatalf("no %s", key)
	return 0
}
