package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/netns"
)

// RemoveOptions of rm.
type RemoveOptions struct {
	Force   bool
	Volumes bool  // anonymous volumes too
	Timeout *uint // seconds for the stop that Force implies
	Depend  bool  // and all that depend on it

	withPod bool // an infra container: its pod goes, too
}

// Remove removes a container. A running one needs Force.
func (c *Container) Remove(ctx context.Context, opts RemoveOptions) error {
	if c.Infra && !opts.withPod {
		return WithHint(fmt.Errorf("cannot remove container %s: it is the infra container of pod %s and goes with it", c.Name, c.Pod[:12]),
			"carob pod rm "+c.Pod[:12])
	}
	for {
		err := c.removeDependents(ctx, opts)
		if err == nil {
			err = c.removeAlone(ctx, opts)
		}
		var needed *neededError
		if !errors.As(err, &needed) || c.Infra {
			return err
		}
		if !opts.Depend { // otherwise it came meanwhile, and goes as well
			return WithHint(err, "remove that first, or both with carob rm --depend "+c.Name)
		}
	}
}

// neededError says that another container depends on this one.
type neededError struct {
	c  *Container
	by string // its name
}

func (e *neededError) Error() string {
	if e.c.Infra { // what is said of it is said of its pod
		return "it has got another container, " + e.by
	}
	return fmt.Sprintf("cannot remove container %s: container %s depends on it", e.c.Name, e.by)
}

// removeDependents removes what depends on c, or refuses to, before c is
// stopped for nothing.
func (c *Container) removeDependents(ctx context.Context, opts RemoveOptions) error {
	deps, err := c.rt.db.Dependents(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, d := range deps {
		other := &Container{Container: d, rt: c.rt}
		if other.swept(ctx) {
			continue
		}
		if !opts.Depend {
			return &neededError{c, d.Name}
		}
		if err := other.Remove(ctx, opts); err != nil && !errors.Is(err, errNoContainer) {
			return err
		}
	}
	return nil
}

// removeAlone removes a container on which no other depends; *neededError
// when one came meanwhile.
func (c *Container) removeAlone(ctx context.Context, opts RemoveOptions) error {
	defer c.mainProcess().waitGone() // it may still need the lock
	lock, err := c.Lock(ctx)
	if errors.Is(err, errNoContainer) {
		return c.erase(ctx)
	}
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := c.endForRemoval(ctx, opts); err != nil {
		return err
	}
	if err := c.releaseVolumes(ctx); err != nil {
		return err
	}
	volumes := c.anonymousVolumes(opts.Volumes || c.Container.Remove)
	if err := c.erase(ctx); err != nil {
		return err
	}
	c.rt.event(c, "remove", nil)
	return c.rt.removeAnonymous(ctx, volumes)
}

// endForRemoval stops what runs, or refuses to.
func (c *Container) endForRemoval(ctx context.Context, opts RemoveOptions) error {
	st, err := c.settled(ctx)
	if errors.Is(err, errNoContainer) {
		return nil // half made: erase does the rest
	}
	if err != nil {
		return err
	}
	if st.Running() || st.Status == StateRestarting {
		if !opts.Force {
			return WithHint(fmt.Errorf("cannot remove container %s as it is %s: running or paused containers cannot be removed without force", c.Name, st.Status),
				"stop it first (carob stop "+c.Name+") or use carob rm --force")
		}
	}
	if st.Live() || st.Stale || st.Orphan {
		return c.end(ctx, st, opts.Timeout)
	}
	return nil
}

// erase removes all of the container's traces. Every step may find its work
// done already: it is also what finishes a killed create or rm.
func (c *Container) erase(ctx context.Context) error {
	if err := c.beginErasure(ctx); err != nil {
		return err
	}
	if c.hasLayer() {
		images, err := c.rt.Images()
		if err != nil {
			return err
		}
		c.hide(images)
		if err := images.DeleteContainer(c.ID); err != nil {
			return fmt.Errorf("cannot remove the layer of container %s: %w", c.Name, err)
		}
	}
	c.forgetRun(ctx)
	if err := netns.Stop(filepath.Join(c.RunDir(), monitor.PastaPID)); err != nil {
		return err
	}
	if err := os.RemoveAll(c.RunDir()); err != nil {
		return err
	}
	c.removeCIDFile()
	if err := c.rt.db.Update(ctx, c.forgetRow); err != nil {
		return err
	}
	return os.RemoveAll(c.Dir())
}

// beginErasure removes the record, unless something needs the container: from
// then on it is half made, and nothing comes any more that needs it. For both
// are done while no other command writes to the database, and create looks for
// the records of what it needs in the transaction that adds its row.
func (c *Container) beginErasure(ctx context.Context) error {
	pod := ""
	if c.Infra {
		pod = c.Pod
	}
	return c.rt.db.Update(ctx, func(t *store.Tx) error {
		by, err := t.NeededBy(c.ID, pod)
		if err != nil {
			return err
		}
		if by != "" {
			return &neededError{c, by}
		}
		if err := ignoreMissing(os.Remove(filepath.Join(c.Dir(), monitor.RecordFile))); err != nil {
			return fmt.Errorf("cannot remove container %s: %w", c.Name, err)
		}
		return nil
	})
}

// removeCIDFile removes the file of --cidfile along with the container: a unit
// that starts the next one claims it anew. A file that is another container's
// by now, or cannot be removed, is left.
func (c *Container) removeCIDFile() {
	if c.CIDFile == "" {
		return
	}
	if id, err := os.ReadFile(c.CIDFile); err == nil && strings.TrimSpace(string(id)) == c.ID {
		_ = os.Remove(c.CIDFile)
	}
}

// forgetRow removes the container from the database; a pod goes with its
// infra container.
func (c *Container) forgetRow(t *store.Tx) error {
	err := t.RemoveContainer(c.ID)
	if err != nil || !c.Infra {
		return err
	}
	members, err := t.RemovePod(c.Pod)
	if err == nil && len(members) > 0 {
		return fmt.Errorf("cannot remove pod %s: it has got another container, %s", c.Pod[:12], members[0][:12])
	}
	return err
}

// sweep finishes a half made container unless its maker still works on it.
func (c *Container) sweep(ctx context.Context) bool {
	lock, err := store.TryAcquire(filepath.Join(c.Dir(), store.LockFile))
	if errors.Is(err, os.ErrNotExist) {
		return c.erase(ctx) == nil // the directory is gone, the row is not
	}
	if err != nil || lock == nil {
		return true // being made or removed right now: not there for anybody else
	}
	defer lock.Release()
	return !c.halfMade() && !c.unknown(ctx) || c.erase(ctx) == nil
}

// swept finishes a half made container, and tells whether it was one and is
// gone.
func (c *Container) swept(ctx context.Context) bool {
	return c.halfMade() && c.sweep(ctx) && c.unknown(ctx)
}

// unknown tells that the database has no such container.
func (c *Container) unknown(ctx context.Context) bool {
	_, err := c.rt.db.Container(ctx, c.ID)
	return errors.Is(err, store.ErrNotFound)
}

// sweepNamed frees a name that a half made container holds.
func (rt *Runtime) sweepNamed(ctx context.Context, name string) bool {
	s, err := rt.db.Container(ctx, name)
	if err != nil || s.Name != name {
		return errors.Is(err, store.ErrNotFound)
	}
	return (&Container{Container: s, rt: rt}).swept(ctx)
}

func (rt *Runtime) removeNamed(ctx context.Context, name string) error {
	s, err := rt.db.Container(ctx, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.Name != name {
		return nil
	}
	if err != nil {
		return err
	}
	zero := uint(0)
	err = (&Container{Container: s, rt: rt}).Remove(ctx, RemoveOptions{Force: true, Volumes: true, Timeout: &zero})
	if errors.Is(err, errNoContainer) {
		return nil
	}
	return err
}
