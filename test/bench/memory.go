package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/carob-containers/carob/test/rig"
)

// idle is the payload whose own memory is left out of the sum.
const idle = "sleep 31415"

// memoryCases measure what an idle detached container costs besides itself:
// the PSS of every process the side has, payloads left out, over n.
func memoryCases(h *rig.Host, carob, podman *side) []testcase {
	var cases []testcase
	for _, n := range []int{1, 10} {
		for _, network := range []string{"none", ""} {
			name, flags := fmt.Sprintf("memory per container, %d, default network", n), []string(nil)
			if network != "" {
				name, flags = fmt.Sprintf("memory per container, %d, --network=%s", n, network), []string{"--network=" + network}
			}
			cases = append(cases, testcase{
				name: name, unit: "KiB", targets: []target{{"podman", 1}}, rounds: 1,
				sides: both(carob, podman, func(s *side) sampler {
					return sampler{s.name, func(int) (float64, error) { return memory(h, s, n, flags) }}
				}),
			})
		}
	}
	return cases
}

func memory(h *rig.Host, s *side, n int, flags []string) (float64, error) {
	for range n {
		args := append([]string{"run", "-d"}, flags...)
		if err := s.do(append(append(args, "busybox"), strings.Fields(idle)...)...); err != nil {
			return 0, err
		}
	}
	time.Sleep(300 * time.Millisecond) // helpers settle
	processes, err := s.Processes(0)
	if err != nil {
		return 0, err
	}
	var sum int
	for _, p := range processes {
		if p.Args == idle {
			continue
		}
		pss, err := h.PSS(p.PID)
		if err != nil {
			return 0, err
		}
		sum += pss
	}
	return float64(sum) / float64(n), s.do("rm", "-fa", "-t", "0")
}
