package monitor_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
)

// TestIdleMemory holds the monitor of a quiet container to its 1.5 MB, just
// started and after a client has made it work.
func TestIdleMemory(t *testing.T) {
	b := newBox(t, "sh", "-c", "trap 'exit 0' TERM; seq 1 20000; read x; yes | head -c 30000000; while :; do sleep 100 & wait; done")
	b.cfg.Stdin = true
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	b.checkIdle("after the start")
	must(t, c.Attach(outputs|monitor.Stdin))
	must(t, c.Stdin([]byte("\n")))
	for got := 0; got < 30000000; {
		m, err := c.Until(nil, nil, monitor.MsgStdout)
		must(t, err)
		if got += len(m.Data); got%(1<<20) < len(m.Data) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	must(t, c.Detach())
	c.Close()
	b.checkIdle("after 30 MB to a slow client")
}

func (b *box) checkIdle(when string) {
	b.t.Helper()
	time.Sleep(3 * time.Second)
	b.checkMemory(when)
}

func (b *box) checkMemory(when string) {
	b.t.Helper()
	pss := rollup(b.t, b.pid, "Pss")
	b.t.Logf("%s: PSS %d kB (anonymous %d, files %d)", when, pss, rollup(b.t, b.pid, "Pss_Anon"), rollup(b.t, b.pid, "Pss_File"))
	if pss > 1500 {
		b.t.Errorf("%s: PSS is %d kB, more than 1500", when, pss)
	}
}

func rollup(t testing.TB, pid int, key string) int {
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
