package libpod

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/pkg/eventlog"
)

// Wait waits until the container is in one of the given states ("stopped" and
// "exited" mean the same; "healthy" and "unhealthy" are verdicts of its health
// check) and returns its exit code, -1 for a container that has none. It looks
// every interval where the kernel does not tell.
func (c *Container) Wait(ctx context.Context, conditions []string, interval time.Duration) (int, error) {
	if slices.Contains(conditions, "stopped") {
		conditions = append(slices.Clone(conditions), StateExited)
	}
	if !slices.ContainsFunc(conditions, c.canBe) {
		return -1, WithHint(fmt.Errorf("cannot wait for container %s to be %s: it has no health check", c.Name, strings.Join(conditions, " or ")),
			"carob update --health-cmd COMMAND "+c.Name)
	}
	for {
		st, err := c.Repair(ctx)
		if errors.Is(err, errNoContainer) {
			return c.rt.lastExit(ctx, c.ID)
		}
		if err != nil {
			return -1, err
		}
		if st.Running() && st.Health != "" && slices.Contains(conditions, st.Health) {
			return exitCodeOf(st), nil
		}
		if slices.Contains(conditions, st.Status) || slices.Contains(conditions, StateExited) && st.Status == StateCreated && st.Error != "" {
			return exitCodeOf(st), nil
		}
		if slices.Contains(conditions, StateExited) && st.Live() {
			if code, ok := c.waitExit(ctx, st); ok {
				return code, nil
			}
		}
		select {
		case <-ctx.Done():
			return -1, ctx.Err()
		case <-time.After(interval):
		}
	}
}

// canBe is false of the verdicts of a health check that there is not. With the
// image away, nobody knows.
func (c *Container) canBe(condition string) bool {
	if condition != monitor.HealthHealthy && condition != monitor.HealthUnhealthy || c.Probes != nil {
		return true
	}
	img, err := c.image()
	return err != nil || healthOf(c.Health, img) != nil
}

func exitCodeOf(st *State) int {
	if st.Status == StateExited {
		return st.ExitCode
	}
	return -1
}

// waitExit hears from the monitor; ok is false when that went away first.
func (c *Container) waitExit(ctx context.Context, st *State) (code int, ok bool) {
	conn, err := c.dial(st)
	if err != nil {
		return 0, false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.Watch(); err != nil {
		return 0, false
	}
	code, err = conn.WaitExit(nil, nil)
	return code, err == nil
}

// lastExit finds the exit code of a container that is removed already.
func (rt *Runtime) lastExit(ctx context.Context, id string) (int, error) {
	e, err := rt.lastEvent(ctx, id, "died")
	if err != nil {
		return -1, err
	}
	if e == nil {
		return -1, &NoContainerError{id[:12]}
	}
	var code int
	_, err = fmt.Sscan(e.Attributes[eventlog.ExitCode], &code)
	return code, err
}

// Restart stops the container, if it runs, and starts it again.
func (c *Container) Restart(ctx context.Context, timeout *uint) error {
	if err := c.Stop(ctx, timeout); err != nil {
		return err
	}
	conn, err := c.Start(ctx, StartOptions{})
	if err != nil {
		return err
	}
	c.rt.event(c, "restart", nil)
	return conn.Close()
}

// Init lets the OCI runtime make the container without running its process.
func (c *Container) Init(ctx context.Context) error {
	if err := c.refuseInfra("initialize"); err != nil {
		return err
	}
	conn, err := c.Start(ctx, StartOptions{InitOnly: true})
	if err != nil {
		return err
	}
	return conn.Close()
}

// Pause freezes all processes of the container through its cgroup.
func (c *Container) Pause(ctx context.Context) error {
	return c.freeze(ctx, "pause", StateRunning)
}

// Unpause lets them go on.
func (c *Container) Unpause(ctx context.Context) error {
	return c.freeze(ctx, "resume", StatePaused)
}

func (c *Container) freeze(ctx context.Context, verb, from string) error {
	if err := c.refuseInfra(verb); err != nil {
		return err
	}
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	word := map[string]string{"pause": "pause", "resume": "unpause"}[verb]
	st, err := c.State()
	if err != nil {
		return err
	}
	if st.Status != from {
		return fmt.Errorf("cannot %s container %s: it is %s, not %s", word, c.Name, st.Status, from)
	}
	r, err := c.rt.OCI()
	if err != nil {
		return err
	}
	if !r.CanFreeze() {
		return WithHint(fmt.Errorf("cannot %s container %s: %s", word, c.Name, r.Cgroups.Reason),
			"pausing needs a cgroup of the container's own: cgroup version 2, and a systemd user session or a delegated cgroup")
	}
	if err := r.Run(ctx, c.cgroupManager(r), verb, c.ID); err != nil {
		return fmt.Errorf("cannot %s container %s: %w", word, c.Name, err)
	}
	c.rt.event(c, word, nil)
	return nil
}
