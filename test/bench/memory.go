package main

import (
	"fmt"
	"path/filepath"
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
			parts := map[string]map[string]float64{}
			cases = append(cases, testcase{
				name: name, unit: "KiB", targets: []target{{"podman", 1}}, rounds: 1, parts: parts,
				sides: both(carob, podman, func(s *side) sampler {
					return sampler{s.name, func(int) (sum float64, err error) {
						parts[s.name], err = memory(h, s, n, flags)
						for _, kib := range parts[s.name] {
							sum += kib
						}
						return sum, err
					}}
				}),
			})
		}
	}
	return cases
}

// memory is the PSS in KiB per container, by program.
func memory(h *rig.Host, s *side, n int, flags []string) (map[string]float64, error) {
	for range n {
		args := append([]string{"run", "-d"}, flags...)
		if err := s.do(append(append(args, "busybox"), strings.Fields(idle)...)...); err != nil {
			return nil, err
		}
	}
	time.Sleep(300 * time.Millisecond) // helpers settle
	processes, err := s.Processes(0)
	if err != nil {
		return nil, err
	}
	parts := map[string]float64{}
	for _, p := range processes {
		if p.Args == idle {
			continue
		}
		pss, err := h.PSS(p.PID)
		if err != nil {
			return nil, err
		}
		parts[programOf(p.Args)] += float64(pss) / float64(n)
	}
	return parts, s.do("rm", "-fa", "-t", "0")
}

// programOf is the program's name, without an ID that it may carry.
func programOf(args string) string {
	program, _, _ := strings.Cut(args, " ")
	name := filepath.Base(program)
	if at := len(name) - 65; at > 0 && name[at] == '-' {
		return name[:at]
	}
	return name
}
