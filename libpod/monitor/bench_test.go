package monitor_test

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor/client"
)

// BenchmarkRun is a whole life: spawn, run true, exit, clean up.
func BenchmarkRun(b *testing.B) { benchmarkRun(b, "monitor") }

// BenchmarkBareRuntime is what the runtime alone takes for the same.
func BenchmarkBareRuntime(b *testing.B) { benchmarkRun(b, "crun") }

func benchmarkRun(b *testing.B, how string) {
	x := newBox(b, "true")
	x.cfg.RunDir = b.TempDir() + "/run"
	for b.Loop() {
		if how == "crun" {
			argv := append(x.cfg.Runtime, "run", "--bundle", x.dir, x.cfg.ID)
			must(b, exec.Command(argv[0], argv[1:]...).Run())
			continue
		}
		x.opts = client.SpawnOptions{Attach: outputs}
		c := x.spawn()
		if _, err := c.WaitExit(io.Discard, io.Discard); err != nil {
			b.Fatal(err)
		}
		must(b, c.WaitCleaned())
		must(b, c.Wait())
		c.Close()
	}
}

// BenchmarkOutput pumps a gigabyte to a client and to a log.
func BenchmarkOutput(b *testing.B) {
	for _, driver := range []string{"none", "k8s-file", "json-file"} {
		b.Run(driver, func(b *testing.B) {
			const size = 256 << 20
			b.SetBytes(size)
			var cpu int64
			for b.Loop() {
				// One file, read again and again: making the text would take longer than moving it.
				x := newBox(b, "sh", "-c", "i=0; while [ $i -lt 64 ]; do cat /text; i=$((i+1)); done")
				line := "a line of text that is about as long as lines use to be, more or less.\n"
				must(b, os.WriteFile(x.path("rootfs/text"), []byte(strings.Repeat(line, size/64/len(line))), 0o600))
				x.cfg.LogDriver = driver
				x.opts.Attach = outputs
				ended(b, x.spawn(), io.Discard, nil)
				var ru unix.Rusage
				_, err := unix.Wait4(x.pid, nil, 0, &ru)
				must(b, err)
				cpu += ru.Utime.Nano() + ru.Stime.Nano()
			}
			b.ReportMetric(float64(cpu)/1e6/float64(b.N), "monitor-cpu-ms/op")
		})
	}
}
