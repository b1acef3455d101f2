package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// A play with --replace sets the old pods aside: they, and their containers,
// get other names and run on while the new ones are made. They are stopped
// before the new ones start, which need their ports, and removed when those
// run. Until then all can be undone: the journal says which pods were set
// aside and what ran in them. Its line makesDone is the turning point: a play
// that is killed after it is not undone but brought to its end.

// setAside sets all pods aside that the plan's objects have made.
func (p *play) setAside(ctx context.Context) error {
	if !p.opts.Replace {
		return nil
	}
	for {
		pods, err := p.rt.podsOf(ctx, p.plan.Owners)
		if err != nil {
			return err
		}
		pods = slices.DeleteFunc(pods, func(o *Pod) bool { return o.Kube.ReplacedBy == p.log.id })
		if len(pods) == 0 {
			return nil
		}
		if err := p.setPodAside(ctx, pods[0]); err != nil { // the oldest first, as every play does
			return err
		}
	}
}

// setPodAside sets one aside. When another play is making or replacing it, it
// waits for the end of that and leaves it at that.
func (p *play) setPodAside(ctx context.Context, old *Pod) error {
	lock, err := old.Lock(ctx)
	if errors.Is(err, errNoPod) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Release()
	now, err := p.rt.Pod(ctx, old.ID)
	if err != nil {
		return ignoreGonePod(err)
	}
	for _, other := range []string{now.Kube.Play, now.Kube.ReplacedBy} {
		if p.rt.playLives(other) {
			lock.Release() // it has to change the pod
			return p.rt.awaitPlay(ctx, other)
		}
	}
	live, err := now.liveMembers(ctx)
	if err != nil {
		return err
	}
	if err := p.log.announce(made{Kind: makesAside, Name: now.ID, Live: live}); err != nil {
		return err
	}
	p.replaced = append(p.replaced, now)
	suffix := asideSuffix(p.log.id)
	changed := *now.Pod
	origin := *now.Kube
	origin.ReplacedBy = p.log.id
	changed.Name, changed.Kube = now.Name+suffix, &origin
	if err := p.rt.db.Update(ctx, func(t *store.Tx) error { return t.ReplacePod(&changed) }); err != nil {
		return fmt.Errorf("cannot set pod %s aside: %w", now.Name, err)
	}
	return now.renameMembers(ctx, func(name string) string { return name + suffix })
}

// asideSuffix is what the names of pods and containers end in that a play has
// set aside.
func asideSuffix(play string) string { return "-replaced-" + play[:12] }

func (rt *Runtime) playLives(play string) bool {
	_, err := os.Lstat(rt.dirs.KubeJournal(play))
	return play != "" && err == nil
}

// awaitPlay waits for the end of a play, and undoes one that was killed.
func (rt *Runtime) awaitPlay(ctx context.Context, play string) error {
	lock, err := store.Acquire(ctx, rt.dirs.KubeJournal(play), false)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lock.Release()
	return rt.UndoKilledPlays(ctx)
}

// liveMembers are the IDs of those that run, or will run again.
func (p *Pod) liveMembers(ctx context.Context) ([]string, error) {
	all, err := p.Members(ctx)
	if err != nil {
		return nil, err
	}
	var live []string
	for _, c := range all {
		st, err := c.State()
		if ignoreGone(err) != nil {
			return nil, err
		}
		if err == nil && (st.Live() || st.Orphan) {
			live = append(live, c.ID)
		}
	}
	return live, nil
}

func (p *Pod) renameMembers(ctx context.Context, name func(string) string) error {
	all, err := p.Members(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := ignoreGone(c.rename(ctx, name(c.Name))); err != nil {
			return err
		}
	}
	return nil
}

// stopReplaced stops the old pods: the new ones need their ports and files.
func (p *play) stopReplaced(ctx context.Context) error {
	return eachPod(p.replaced, func(o *Pod) error { return ignoreGonePod(o.Stop(ctx, nil)) })
}

// putBack gives a pod that was set aside its names back and starts what ran in
// it. What cannot be put right by doing it again is told, and does not keep
// the journal.
func (rt *Runtime) putBack(ctx context.Context, m made, play string) (told, err error) {
	p, err := rt.Pod(ctx, m.Name)
	if err != nil || p.ID != m.Name {
		return nil, ignoreGonePod(err)
	}
	lock, err := p.Lock(ctx)
	if err != nil {
		return nil, ignoreGonePod(err)
	}
	defer lock.Release()
	suffix := asideSuffix(play)
	name := func(now string) string { return strings.TrimSuffix(now, suffix) }
	changed := *p.Pod
	origin := *p.Kube
	origin.ReplacedBy = ""
	changed.Name, changed.Kube = name(p.Name), &origin
	told = p.renameMembers(ctx, name)
	err = rt.db.Update(ctx, func(t *store.Tx) error { return t.ReplacePod(&changed) })
	if errors.Is(err, store.ErrExists) {
		told = errors.Join(told, fmt.Errorf("pod %s keeps this name: %s is taken", p.Name, changed.Name))
		changed.Name = p.Name
		err = rt.db.Update(ctx, func(t *store.Tx) error { return t.ReplacePod(&changed) })
	}
	if err != nil {
		return told, err
	}
	p.Pod = &changed
	if len(m.Live) == 0 {
		return told, nil
	}
	ran := func(c *Container) bool { return slices.Contains(m.Live, c.ID) }
	if err := p.start(ctx, ran); err != nil {
		told = errors.Join(told, fmt.Errorf("cannot start pod %s again: %w", p.Name, err))
	}
	return told, ctx.Err()
}

// dropReplaced removes a pod whose successor runs.
func (rt *Runtime) dropReplaced(ctx context.Context, id string) error {
	p, err := rt.Pod(ctx, id)
	if err != nil || p.ID != id {
		return ignoreGonePod(err)
	}
	zero := uint(0) // it was stopped before
	return ignoreGonePod(p.Remove(ctx, RemoveOptions{Force: true, Volumes: true, Timeout: &zero}))
}

// replaceSecrets stores those whose data has changed. The old ones are set
// aside under other names.
func (p *play) replaceSecrets(ctx context.Context) error {
	for i := range p.plan.Secrets {
		s := &p.plan.Secrets[i]
		old, err := p.rt.secretNamed(ctx, s.Name)
		if err != nil {
			return err
		}
		same, err := p.rt.holds(old, s.Data)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		stored := &spec.StoredSecret{Name: s.Name, Labels: s.Labels}
		if err := p.log.announce(made{Kind: makesSecretAside, Name: s.Name, ID: old.ID}); err != nil {
			return err
		}
		if err := p.rt.supersedeSecret(ctx, old, stored, s.Data, s.Name+asideSuffix(p.log.id)); err != nil {
			return err
		}
		p.out.Secrets = append(p.out.Secrets, stored.ID)
	}
	return nil
}

// putSecretBack gives an old secret its name back, in place of the new one.
func (rt *Runtime) putSecretBack(ctx context.Context, m made) error {
	old, err := rt.Secret(ctx, m.ID)
	var none *NoSecretError
	if errors.As(err, &none) || err == nil && (old.ID != m.ID || old.Name == m.Name) {
		return nil
	}
	if err != nil {
		return err
	}
	successor, err := rt.secretNamed(ctx, m.Name)
	if err != nil && !errors.As(err, &none) {
		return err
	}
	err = rt.db.Update(ctx, func(t *store.Tx) error {
		if successor != nil {
			if err := t.RemoveSecret(successor.ID); err != nil {
				return err
			}
		}
		return t.RenameSecret(old, m.Name)
	})
	if err != nil || successor == nil {
		return err
	}
	return rt.removeSecretData(successor.ID)
}

// putObjectBack is the same for an object that is kept.
func (rt *Runtime) putObjectBack(ctx context.Context, m made) error {
	return rt.db.Update(ctx, func(t *store.Tx) error { return t.PutKubeObject(*m.Object) })
}
