package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// A testcase measures one thing on several sides.
type testcase struct {
	name    string
	unit    string // ms or KiB
	targets []target
	// sides take turns; each returns one sample.
	sides []sampler
	// before and after are not measured.
	before, after func() error
	rounds        int // 0: as many as asked for
	// parts are what a sum is made of, by side; filled in by the samplers.
	parts map[string]map[string]float64
}

type sampler struct {
	side   string
	sample func(round int) (float64, error)
}

// target is the most that carob's median may be, as a multiple of another's.
type target struct {
	of    string
	times float64
}

// measure takes the samples, each after calm.
func (c testcase) measure(rounds int, calm func() error) (f figure, err error) {
	if c.rounds > 0 {
		rounds = c.rounds
	}
	f = figure{Name: c.name, Unit: c.unit, Samples: map[string][]float64{}, Parts: c.parts, targets: c.targets}
	if c.before != nil {
		if err := c.before(); err != nil {
			return f, err
		}
	}
	if c.after != nil {
		defer func() {
			if e := c.after(); err == nil {
				err = e
			}
		}()
	}
	warm := 2
	if c.rounds > 0 {
		warm = 0
	}
	for round := -warm; round < rounds; round++ {
		for i := range c.sides {
			// Nobody is always first.
			s := c.sides[(i+round+warm)%len(c.sides)]
			if err := calm(); err != nil {
				return f, err
			}
			v, err := s.sample(round + warm)
			if err != nil {
				return f, err
			}
			if round >= 0 {
				f.Samples[s.side] = append(f.Samples[s.side], v)
			}
		}
	}
	return f, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// timed samples one command, the same words for every side.
func timed(s *side, args ...string) sampler {
	return sampler{s.name, func(int) (float64, error) {
		d, err := s.time(args...)
		return ms(d), err
	}}
}

// both builds a sampler for carob and for podman.
func both(carob, podman *side, make func(*side) sampler) []sampler {
	return []sampler{make(carob), make(podman)}
}

// each runs the same command on every side, unmeasured.
func each(sides []*side, args ...string) func() error {
	return func() error {
		for _, s := range sides {
			if err := s.do(args...); err != nil {
				return err
			}
		}
		return nil
	}
}

func timedCases(carob, podman, crun *side) []testcase {
	two := []*side{carob, podman}
	podmanIs := func(times float64) []target { return []target{{"podman", times}} }
	same := func(args ...string) []sampler {
		return both(carob, podman, func(s *side) sampler { return timed(s, args...) })
	}
	bare := sampler{"crun", func(round int) (float64, error) {
		d, err := crun.time("run", "--bundle", crun.Home, "bench"+strconv.Itoa(round))
		return ms(d), err
	}}
	return []testcase{
		{name: "--version", unit: "ms", sides: same("--version")},
		{
			name: "run --rm --network=none", unit: "ms", targets: []target{{"podman", 0.33}, {"crun", 4}},
			sides: append(same("run", "--rm", "--network=none", "busybox", "true"), bare),
		},
		{
			name: "run --rm", unit: "ms", targets: podmanIs(0.4),
			sides: same("run", "--rm", "busybox", "true"),
		},
		{name: "run -d", unit: "ms", sides: both(carob, podman, runDetached)},
		{
			name: "exec true", unit: "ms", targets: podmanIs(0.33),
			before: each(two, "run", "-d", "--name", "inside", "busybox", "sleep", "1000"),
			sides:  same("exec", "inside", "true"),
			after:  each(two, "rm", "-f", "-t", "0", "inside"),
		},
		{name: "stop + rm", unit: "ms", sides: both(carob, podman, stopAndRemove)},
		{name: "pod create + start + rm", unit: "ms", targets: podmanIs(0.4), sides: both(carob, podman, podRound)},
		{name: "images", unit: "ms", sides: same("images")},
		{
			name: "ps -a, 100 containers", unit: "ms", targets: podmanIs(0.33),
			before: func() error { return createMany(two, 100) },
			sides:  same("ps", "-a"),
			after:  each(two, "rm", "-fa", "-t", "0"),
		},
		{name: "kube play + down, 1 pod of 3", unit: "ms", targets: podmanIs(0.4), sides: both(carob, podman, playAndDown(1))},
		{name: "kube play + down, 10 pods of 3", unit: "ms", targets: podmanIs(0.4), sides: both(carob, podman, playAndDown(10)), rounds: 3},
		{name: "run -d, 20 at once", unit: "ms", targets: podmanIs(0.4), sides: both(carob, podman, atOnce(20))},
	}
}

func runDetached(s *side) sampler {
	return sampler{s.name, func(int) (float64, error) {
		d, err := s.time("run", "-d", "--name", "bench", "busybox", "sleep", "1000")
		if err != nil {
			return 0, err
		}
		return ms(d), s.do("rm", "-f", "-t", "0", "bench")
	}}
}

// stopAndRemove stops a container that obeys SIGTERM.
func stopAndRemove(s *side) sampler {
	return sampler{s.name, func(int) (float64, error) {
		err := s.do("run", "-d", "--name", "bench", "busybox", "sh", "-c", "trap 'exit 0' TERM; echo up; sleep 1000 & wait")
		if err != nil {
			return 0, err
		}
		time.Sleep(50 * time.Millisecond) // until the trap is set
		stop, err := s.time("stop", "bench")
		if err != nil {
			return 0, err
		}
		rm, err := s.time("rm", "bench")
		return ms(stop + rm), err
	}}
}

// podRound is the life of a pod without containers.
func podRound(s *side) sampler {
	return sampler{s.name, func(int) (float64, error) {
		var sum time.Duration
		for _, args := range [][]string{
			{"pod", "create", "--network=none", "--name", "bench"}, {"pod", "start", "bench"}, {"pod", "rm", "-f", "-t", "0", "bench"},
		} {
			d, err := s.time(args...)
			if err != nil {
				return 0, err
			}
			sum += d
		}
		return ms(sum), nil
	}}
}

func createMany(sides []*side, n int) error {
	for _, s := range sides {
		for i := range n {
			if err := s.do("create", "--name", fmt.Sprintf("many%d", i), "busybox", "true"); err != nil {
				return err
			}
		}
	}
	return nil
}

// atOnce measures until the last of n detached runs is back.
func atOnce(n int) func(*side) sampler {
	return func(s *side) sampler {
		return sampler{s.name, func(int) (float64, error) {
			errs := make(chan error, n)
			var all sync.WaitGroup
			start := time.Now()
			for range n {
				all.Go(func() {
					cmd := s.command("run", "-d", "busybox", "sleep", "1000")
					errs <- cmd.Run()
				})
			}
			all.Wait()
			took := time.Since(start)
			for range n {
				if err := <-errs; err != nil {
					return 0, fmt.Errorf("%s: one of %d: %w", s.name, n, err)
				}
			}
			return ms(took), s.do("rm", "-fa", "-t", "0")
		}}
	}
}
