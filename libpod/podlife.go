package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// Start starts the pod: its infra container, its init containers one after
// the other to their end, then all others.
func (p *Pod) Start(ctx context.Context) error {
	lock, err := p.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := p.start(ctx, everyMember); err != nil {
		return fmt.Errorf("cannot start pod %s: %w", p.Name, err)
	}
	p.rt.podEvent(p, "start")
	return nil
}

func everyMember(*Container) bool { return true }

// start starts the infra container, init containers, and those of the others
// that are wanted.
func (p *Pod) start(ctx context.Context, wanted func(*Container) bool) error {
	all, err := p.Members(ctx)
	if err != nil {
		return err
	}
	if p.Infra != "" {
		if err := p.rt.ensureRunning(ctx, p.Infra, StartOptions{Service: true}); err != nil {
			return err
		}
		if err := p.mendNetwork(ctx); err != nil {
			return err
		}
	}
	regular := slices.DeleteFunc(slices.Clone(all), func(c *Container) bool { return c.Infra || c.InitType != "" || !wanted(c) })
	if !anyLive(regular) {
		if err := p.initialize(ctx, all); err != nil {
			return err
		}
	}
	return together(regular, func(c *Container) error {
		return ignoreGone(p.rt.ensureRunning(ctx, c.ID, StartOptions{})) // --rm: it ran meanwhile
	})
}

func anyLive(list []*Container) bool {
	return slices.ContainsFunc(list, func(c *Container) bool {
		st, err := c.State()
		return err == nil && st.Live()
	})
}

// initialize runs the init containers; one that fails ends it.
func (p *Pod) initialize(ctx context.Context, all []*Container) error {
	for _, c := range all {
		if c.InitType == "" {
			continue
		}
		code, err := c.runToEnd(ctx)
		if err != nil {
			return fmt.Errorf("init container %s: %w", c.Name, err)
		}
		if code != 0 {
			return fmt.Errorf("init container %s ended with exit code %d", c.Name, code)
		}
		if c.InitType != spec.InitOnce {
			continue
		}
		if err := c.Remove(ctx, RemoveOptions{Volumes: true}); err != nil && !errors.Is(err, errNoContainer) {
			return err
		}
	}
	return nil
}

// runToEnd starts a container and waits for its end, which it brings about if
// ctx ends first.
func (c *Container) runToEnd(ctx context.Context) (code int, err error) {
	conn, err := c.Start(ctx, StartOptions{Dependent: true})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Stop(syscall.SIGKILL, 0) })
	defer stop()
	if err = conn.Send(monitor.MsgWatch, nil); err == nil {
		code, err = conn.WaitExit(nil, nil)
	}
	if err == nil {
		err = conn.WaitCleaned()
	}
	if errors.Is(err, client.ErrGone) {
		return c.endCode(ctx) // it ended before we could watch, or its monitor was killed
	}
	return code, errors.Join(err, ctx.Err())
}

// endCode reads from the record how a container ended.
func (c *Container) endCode(ctx context.Context) (int, error) {
	if err := c.settle(ctx, nil); err != nil {
		return 0, err
	}
	st, err := c.State()
	if err != nil {
		return 0, err
	}
	return int(st.ExitCode), ctx.Err()
}

// Stop stops all containers, those that others require last, and the infra
// container after them. timeout is in seconds, nil: each one's own.
func (p *Pod) Stop(ctx context.Context, timeout *uint) error {
	lock, err := p.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	return p.stop(ctx, timeout)
}

func (p *Pod) stop(ctx context.Context, timeout *uint) error {
	all, err := p.Members(ctx)
	if err != nil {
		return err
	}
	for _, wave := range waves(all) {
		err := together(wave, func(c *Container) error { return ignoreGone(c.Stop(ctx, timeout)) })
		if err != nil {
			return fmt.Errorf("cannot stop pod %s: %w", p.Name, err)
		}
	}
	if err := p.rt.dropGroup(ctx, p.ID); err != nil {
		return fmt.Errorf("cannot stop pod %s: %w", p.Name, err)
	}
	p.rt.podEvent(p, "stop")
	return nil
}

// stopIfIdle is the exit policy "stop": the pod is stopped once none of its
// containers runs, will run again or is being started. idle tells that this is
// so, and stopped that the pod was stopped here. The wait for the pod's lock
// ends with patience.
func (p *Pod) stopIfIdle(ctx, patience context.Context) (idle, stopped bool, err error) {
	lock, err := p.Lock(patience)
	if err != nil {
		return false, false, ignoreGonePod(err)
	}
	defer lock.Release()
	all, err := p.Members(ctx)
	if err != nil {
		return false, false, err
	}
	for _, c := range all {
		if c.Infra {
			continue
		}
		if busy, err := c.busy(); busy || err != nil {
			return false, false, err
		}
	}
	if !anyLive(all) {
		return true, false, nil
	}
	return true, true, p.stop(ctx, nil)
}

// Restart stops the pod and starts it again.
func (p *Pod) Restart(ctx context.Context, timeout *uint) error {
	lock, err := p.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := p.stop(ctx, timeout); err != nil {
		return err
	}
	if err := p.start(ctx, everyMember); err != nil {
		return fmt.Errorf("cannot restart pod %s: %w", p.Name, err)
	}
	p.rt.podEvent(p, "restart")
	return nil
}

// Kill sends a signal to every running container, the infra container last.
func (p *Pod) Kill(ctx context.Context, sig syscall.Signal) error {
	return p.eachRunning(ctx, "kill", func(c *Container) error { return c.Kill(ctx, sig) })
}

// Pause freezes all running containers. The infra container has nothing to
// freeze.
func (p *Pod) Pause(ctx context.Context) error {
	return p.eachInState(ctx, "pause", StateRunning, func(c *Container) error { return c.Pause(ctx) })
}

// Unpause lets paused containers go on.
func (p *Pod) Unpause(ctx context.Context) error {
	return p.eachInState(ctx, "unpause", StatePaused, func(c *Container) error { return c.Unpause(ctx) })
}

func (p *Pod) eachInState(ctx context.Context, verb, status string, act func(*Container) error) error {
	return p.each(ctx, verb, func(c *Container, st *State) bool { return !c.Infra && st.Status == status }, act)
}

func (p *Pod) eachRunning(ctx context.Context, verb string, act func(*Container) error) error {
	return p.each(ctx, verb, func(_ *Container, st *State) bool { return st.Running() }, act)
}

func (p *Pod) each(ctx context.Context, verb string, wanted func(*Container, *State) bool, act func(*Container) error) error {
	lock, err := p.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	all, err := p.Members(ctx)
	if err != nil {
		return err
	}
	for _, wave := range waves(all) {
		err := together(wave, func(c *Container) error {
			st, err := c.Repair(ctx)
			if err != nil || !wanted(c, st) {
				return ignoreGone(err)
			}
			return act(c)
		})
		if err != nil {
			return fmt.Errorf("cannot %s pod %s: %w", verb, p.Name, err)
		}
	}
	p.rt.podEvent(p, verb)
	return nil
}

// Remove removes the pod and its containers. Running ones need Force.
func (p *Pod) Remove(ctx context.Context, opts RemoveOptions) error {
	lock, err := p.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	return p.remove(ctx, opts)
}

// removeIdle removes the pod if it still is idle once we have its lock: an
// infra container that runs alone keeps nobody else from removing its pod.
func (p *Pod) removeIdle(ctx context.Context, opts RemoveOptions) (bool, error) {
	lock, err := p.Lock(ctx)
	if errors.Is(err, errNoPod) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.Release()
	st, err := p.State(ctx)
	if err != nil || !st.idle() {
		return false, err
	}
	return true, p.remove(ctx, opts)
}

// remove is Remove for who has the pod's lock.
func (p *Pod) remove(ctx context.Context, opts RemoveOptions) error {
	if !opts.Force {
		if err := p.refuseRunning(ctx); err != nil {
			return err
		}
	}
	if err := p.removeMembers(ctx, opts); err != nil {
		return fmt.Errorf("cannot remove pod %s: %w", p.Name, err)
	}
	// Should it fail, the lock stays, and the next listing tries again.
	if err := p.rt.dropGroup(ctx, p.ID); err != nil {
		return fmt.Errorf("cannot remove pod %s whole: %w", p.Name, err)
	}
	if err := os.Remove(p.rt.dirs.PodLock(p.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	p.rt.podEvent(p, "remove")
	return nil
}

// refuseRunning: an infra container alone is nothing to be careful with.
func (p *Pod) refuseRunning(ctx context.Context) error {
	all, err := p.Members(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		st, err := c.State()
		if err != nil || c.Infra || !st.Running() && st.Status != StateRestarting {
			continue
		}
		return WithHint(fmt.Errorf("cannot remove pod %s: its container %s is %s: running or paused containers cannot be removed without force", p.Name, c.Name, st.Status),
			"stop it first (carob pod stop "+p.Name+") or use carob pod rm --force")
	}
	return nil
}

func (p *Pod) removeMembers(ctx context.Context, opts RemoveOptions) error {
	if err := p.sweepMembers(ctx); err != nil {
		return err
	}
	all, err := p.Members(ctx)
	if err != nil {
		return err
	}
	opts.Force, opts.withPod = true, true // who is running was looked at
	for _, wave := range waves(all) {
		err := together(wave, func(c *Container) error { return ignoreGone(c.Remove(ctx, opts)) })
		if err != nil {
			return err
		}
	}
	if p.Infra != "" { // the pod went with it
		if !slices.ContainsFunc(all, func(c *Container) bool { return c.Infra }) {
			half := &Container{Container: &spec.Container{ID: p.Infra, Name: p.Infra, Infra: true, Pod: p.ID}, rt: p.rt}
			half.sweep(ctx) // a killed create has left it, without being a member
		}
		return nil
	}
	return p.rt.db.Update(ctx, func(t *store.Tx) error {
		members, err := t.RemovePod(p.ID)
		if err == nil && len(members) > 0 {
			return fmt.Errorf("it has got another container, %s", members[0][:12])
		}
		return err
	})
}

// sweepMembers finishes those, but the infra container, that a killed command
// or a power cut has left half made: they keep the pod.
func (p *Pod) sweepMembers(ctx context.Context) error {
	specs, err := p.rt.db.Members(ctx, p.ID)
	for _, s := range specs {
		if c := (&Container{Container: s, rt: p.rt}); !c.Infra && c.halfMade() {
			c.sweep(ctx)
		}
	}
	return err
}

// waves groups containers so that none comes before those that require it;
// the infra container is the last of all.
func waves(all []*Container) [][]*Container {
	var out [][]*Container
	left := slices.Clone(all)
	for len(left) > 0 {
		free := slices.DeleteFunc(slices.Clone(left), func(c *Container) bool { return neededBy(c, left) })
		if len(free) == 0 {
			free = left // a circle, which creation refuses
		}
		out = append(out, free)
		left = slices.DeleteFunc(left, func(c *Container) bool { return slices.Contains(free, c) })
	}
	return out
}

func neededBy(c *Container, others []*Container) bool {
	return slices.ContainsFunc(others, func(o *Container) bool {
		if o == c {
			return false
		}
		return c.Infra || slices.Contains(o.Requires, c.ID) || joinsAny(o.Container, c.ID)
	})
}

// together does act for all of list side by side and joins the errors.
func together(list []*Container, act func(*Container) error) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, c := range list {
		all.Go(func() { errs[i] = act(c) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func ignoreGone(err error) error {
	if errors.Is(err, errNoContainer) {
		return nil
	}
	return err
}
