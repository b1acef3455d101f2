package monitor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
)

func build(t *testing.T, to, dir string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", to, dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %s", err, out)
	}
}

// TestProbesOfServersInside has real servers in a network namespace of their
// own: nobody outside can reach them.
func TestProbesOfServersInside(t *testing.T) {
	b := newBox(t, "server")
	b.ownNetwork = true
	b.setProcess([]string{"server"}, false)
	prober := filepath.Join(t.TempDir(), "carob-probe")
	build(t, prober, "../../cmd/carob-probe")
	build(t, b.path("rootfs/bin/server"), "./testdata/server")
	b.cfg.Health.Prober, b.cfg.Health.LogCount = prober, 100
	words := [][]string{
		{"http", "http://127.0.0.1:8080/healthz", "X-Asked: by carob"},
		{"http", "https://127.0.0.1:8443/healthz", "X-Asked: by carob"},
		{"grpc", "127.0.0.1:9090", "any"},
		{"tcp", "127.0.0.1:8080"},
	}
	for _, w := range words {
		b.cfg.Health.Checks = append(b.cfg.Health.Checks, monitor.Check{
			Role: monitor.RoleReadiness, Action: monitor.Action{Probe: w}, Steady: true,
			Period: 200 * time.Millisecond, Timeout: 5 * time.Second, Failures: 3,
		})
	}
	b.cfg.Health.Checks = append(b.cfg.Health.Checks, monitor.Check{
		Role: monitor.RoleLiveness, Action: monitor.Action{Probe: []string{"tcp", "127.0.0.1:8081"}},
		Period: 200 * time.Millisecond, Timeout: 5 * time.Second, Failures: 1000,
	})
	c := b.spawn()
	_, err := c.WaitStarted()
	must(t, err)
	passed := func(want string) func(*monitor.Record) bool {
		return func(*monitor.Record) bool {
			got := ""
			for _, k := range b.report().Checks {
				switch {
				case k.Passed:
					got += "P"
				case k.Failed:
					got += "F"
				default:
					got += "?"
				}
			}
			return got == want
		}
	}
	b.waitRecord("all well but the last", passed("PPPP?"))
	b.touch("bad")
	b.waitRecord("three ill", passed("FFFP?"))
	all := ""
	for _, e := range b.report().Log {
		all += e.Output + "\n"
	}
	for _, part := range []string{"HTTP status 200", "HTTP status 503\nnot well", "NOT_SERVING", "connected to 127.0.0.1:8080", "connection refused"} {
		if !strings.Contains(all, part) {
			t.Errorf("nothing says %q in %s", part, all)
		}
	}
	stop(t, c)
}
