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

// settle is how long containers are left alone before they count as idle: the
// monitors give back what they needed to start when all is quiet.
const settle = 2 * time.Second

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
	parts, err := settledMemory(h, s, n)
	if err != nil {
		return nil, err
	}
	return parts, s.do("rm", "-fa", "-t", "0")
}

// settledMemory is the PSS in KiB of all that the side has, over n.
func settledMemory(h *rig.Host, s *side, n int) (map[string]float64, error) {
	time.Sleep(settle)
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
	return parts, nil
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
