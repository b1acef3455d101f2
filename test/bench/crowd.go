package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/carob-containers/carob/test/rig"
)

// crowd is what so many pods of one idle container cost a side: the time to
// make, start and remove them, and what they take besides the container
// itself while they run.
type crowd struct {
	perPod time.Duration
	memory map[string]float64 // KiB per pod, by program
}

const few, many = 10, 50

// perPod makes crowds of n, one after the other, until there have been as
// many pods as in the largest, and returns the mean time of a pod: a mean of
// fewer says less.
func perPod(h *rig.Host, s *side, n int) (time.Duration, error) {
	var sum time.Duration
	for range many / n {
		c, err := makeCrowd(h, s, n)
		if err != nil {
			return 0, err
		}
		sum += c.perPod
	}
	return sum / (many / time.Duration(n)), nil
}

func makeCrowd(h *rig.Host, s *side, n int) (*crowd, error) {
	var sum time.Duration
	var failed error
	timed := func(args ...string) {
		d, err := s.time(args...)
		sum, failed = sum+d, errors.Join(failed, err)
	}
	for i := range n {
		name := fmt.Sprintf("bench%d", i)
		timed("pod", "create", "--network=none", "--name", name)
		timed(append([]string{"run", "-d", "--pod", name, "busybox"}, strings.Fields(idle)...)...)
	}
	memory, err := settledMemory(h, s, n)
	failed = errors.Join(failed, err)
	timed("pod", "rm", "-fa", "-t", "0")
	return &crowd{sum / time.Duration(n), memory}, failed
}

// crowdCases compare crowds with podman's, and the time that one pod takes
// among many with what it takes among few, in turns: all of them together take
// no more than so many times as long, but for a tenth that is noise.
func crowdCases(h *rig.Host, carob, podman *side) []testcase {
	baseline := fmt.Sprintf("carob among %d", few)
	timeOf := func(name string, s *side, n int) sampler {
		return sampler{name, func(int) (float64, error) {
			d, err := perPod(h, s, n)
			return ms(d), err
		}}
	}
	cases := []testcase{{
		name: fmt.Sprintf("time per pod, %d, --network=none", many), unit: "ms", targets: []target{{"podman", 1}, {baseline, 1.1}}, rounds: 3,
		sides: []sampler{timeOf("carob", carob, many), timeOf(baseline, carob, few), timeOf("podman", podman, many)},
	}}
	for _, n := range []int{few, many} {
		parts := map[string]map[string]float64{}
		cases = append(cases, testcase{
			name: fmt.Sprintf("memory per pod, %d, --network=none", n), unit: "KiB", targets: []target{{"podman", 1}}, rounds: 1, parts: parts,
			sides: both(carob, podman, func(s *side) sampler {
				return sampler{s.name, func(int) (sum float64, err error) {
					c, err := makeCrowd(h, s, n)
					if err != nil {
						return 0, err
					}
					parts[s.name] = c.memory
					for _, kib := range c.memory {
						sum += kib
					}
					return sum, nil
				}}
			}),
		})
	}
	return cases
}
