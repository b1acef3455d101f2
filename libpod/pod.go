package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/hostdev"
)

// Pod is one pod: what was asked for, and the way to what it is.
type Pod struct {
	*spec.Pod
	rt *Runtime
}

var errNoPod = errors.New("no such pod")

// NoPodError says that there is no such pod (any more).
type NoPodError struct{ Name string }

func (e *NoPodError) Error() string {
	return fmt.Sprintf("no pod with name or ID %s found: no such pod", e.Name)
}

func (e *NoPodError) Is(target error) bool { return target == errNoPod }

// Pod finds a pod by name, ID or start of its ID.
func (rt *Runtime) Pod(ctx context.Context, given string) (*Pod, error) {
	p, err := rt.db.Pod(ctx, given)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &NoPodError{given}
	}
	if err != nil {
		return nil, err
	}
	return &Pod{p, rt}, nil
}

// Pods returns all pods, oldest first. One whose infra container a killed
// create or rm has left half made is finished off on the way.
func (rt *Runtime) Pods(ctx context.Context) ([]*Pod, error) {
	if err := rt.UndoKilledPlays(ctx); err != nil {
		return nil, err
	}
	if _, err := rt.Containers(ctx); err != nil {
		return nil, err
	}
	specs, err := rt.db.Pods(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]*Pod, 0, len(specs))
	known := make(map[string]bool, len(specs))
	for _, s := range specs {
		known[s.ID] = true
		all = append(all, &Pod{s, rt})
	}
	return all, rt.sweepPodLocks(ctx, known)
}

// PodNames are the names of all pods by ID. Unlike Pods it finishes nothing
// off, and so takes away nothing that the caller has just seen.
func (rt *Runtime) PodNames(ctx context.Context) (map[string]string, error) {
	specs, err := rt.db.Pods(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(specs))
	for _, p := range specs {
		names[p.ID] = p.Name
	}
	return names, nil
}

// sweepPodLocks removes the locks and control groups of pods that are gone. One that is held, or
// has just been made, belongs to a pod that is not in the database yet.
func (rt *Runtime) sweepPodLocks(ctx context.Context, known map[string]bool) error {
	files, err := os.ReadDir(filepath.Dir(rt.dirs.PodLock("any")))
	if err != nil {
		return fmt.Errorf("cannot look for locks of former pods: %w", err)
	}
	for _, f := range files {
		id, isGroup := strings.CutSuffix(f.Name(), store.PodGroupSuffix)
		info, err := f.Info()
		if known[id] || err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if isGroup {
			_ = rt.dropGroup(ctx, id) // a later listing tries again
			continue
		}
		if lock, err := store.TryAcquire(rt.dirs.PodLock(f.Name())); err == nil && lock != nil {
			os.Remove(rt.dirs.PodLock(f.Name())) // a later listing tries again
			lock.Release()
		}
	}
	return nil
}

// Lock keeps other commands from changing the pod as a whole until released.
// It is taken before the lock of any of its containers.
func (p *Pod) Lock(ctx context.Context) (*store.Lock, error) {
	l, err := store.Acquire(ctx, p.rt.dirs.PodLock(p.ID), false)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &NoPodError{p.Name}
	}
	return l, err
}

// PodOptions are what making a pod needs beside the pod itself.
type PodOptions struct {
	// Infra is what the members will share: network, ports, hosts, dns, user
	// namespace, size of shared memory, kernel parameters. nil: no infra
	// container.
	Infra   *spec.Container
	Replace bool // remove a pod of the same name first
}

// CreatePod makes a pod from p, completing it (ID, name, infra).
//
// The pod's row is written in one transaction with that of its infra
// container, and goes with it: whatever finishes a half made container off
// finishes its pod off, too.
func (rt *Runtime) CreatePod(ctx context.Context, p *spec.Pod, opts PodOptions) (*Pod, error) {
	p.ID, p.Created = newID(), time.Now()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if opts.Infra != nil {
		if err := opts.Infra.Validate(); err != nil {
			return nil, err
		}
	}
	if _, err := rt.volumesFrom(ctx, &spec.Container{Mounts: spec.Mounts{VolumesFrom: p.VolumesFrom}}); err != nil {
		return nil, err
	}
	if err := rt.checkPodHost(p); err != nil {
		return nil, err
	}
	if opts.Replace && p.Name != "" {
		if err := rt.replacePod(ctx, p.Name); err != nil {
			return nil, err
		}
	}
	lock, err := store.Acquire(ctx, rt.dirs.PodLock(p.ID), true)
	if err != nil {
		return nil, fmt.Errorf("cannot create pod: %w", err)
	}
	defer lock.Release()
	pod := &Pod{p, rt}
	if opts.Infra != nil {
		err = pod.createInfra(ctx, opts.Infra)
	} else {
		err = pod.named(ctx, func() error {
			return rt.db.Update(ctx, func(t *store.Tx) error { return t.AddPod(p) })
		})
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(rt.dirs.PodLock(p.ID)))
	}
	rt.podEvent(pod, "create")
	return pod, nil
}

// checkPodHost refuses limits and devices that this host cannot give.
func (rt *Runtime) checkPodHost(p *spec.Pod) error {
	if _, err := hostdev.Resolve(p.Devices); err != nil {
		return err
	}
	pod := &Pod{p, rt}
	if p.Limited() || p.Resources.CgroupParent != "" {
		if _, err := pod.limits(); err != nil {
			return err
		}
	}
	_, err := pod.group()
	return err
}

func (rt *Runtime) replacePod(ctx context.Context, name string) error {
	old, err := rt.Pod(ctx, name)
	if errors.Is(err, errNoPod) || err == nil && old.Name != name {
		return nil
	}
	if err != nil {
		return err
	}
	zero := uint(0)
	return old.Remove(ctx, RemoveOptions{Force: true, Volumes: true, Timeout: &zero})
}

// named calls insert under the pod's name, or under free ones until it works.
func (p *Pod) named(ctx context.Context, insert func() error) error {
	given := p.Name != ""
	for try := 0; ; try++ {
		if !given {
			p.Name = randomName(try)
		}
		err := insert()
		if !errors.Is(err, store.ErrExists) {
			return err
		}
		if !given && try < 20 {
			continue
		}
		if try > 0 {
			return p.nameInUse(ctx)
		}
		// By what a killed command has left perhaps: the listing sweeps it.
		if _, err := p.rt.Containers(ctx); err != nil {
			return err
		}
	}
}

func (p *Pod) nameInUse(ctx context.Context) error {
	if other, err := p.rt.db.Pod(ctx, p.Name); err == nil {
		return WithHint(fmt.Errorf("cannot create pod: the pod name %q is already in use by %s", p.Name, other.ID),
			"remove it first (carob pod rm "+p.Name+"), take another name, or use --replace")
	}
	return WithHint(fmt.Errorf("cannot create pod: the name %q is already in use by a container", p.Name), "take another name")
}

// createInfra makes the infra container and with it the pod.
func (p *Pod) createInfra(ctx context.Context, c *spec.Container) error {
	c.ID = newID()
	c.Infra, c.Pod, p.Infra = true, p.ID, c.ID
	if c.Name == "" {
		c.Name = p.ID[:12] + "-infra"
	}
	c.Labels, c.CreateCommand = p.Labels, p.CreateCommand
	if len(c.Security.Label) == 0 {
		c.Security.Label = p.Security.Label
	}
	return p.named(ctx, func() error {
		c.Isolation.Hostname = firstOf(p.Hostname, p.Name)
		_, err := p.rt.createContainer(ctx, c, CreateOptions{}, p.Pod)
		return err
	})
}

// Members returns the pod's containers, the infra container first.
func (p *Pod) Members(ctx context.Context) ([]*Container, error) {
	specs, err := p.rt.db.Members(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	all := make([]*Container, 0, len(specs))
	for _, s := range specs {
		c := &Container{Container: s, rt: p.rt}
		if !c.halfMade() {
			all = append(all, c)
		}
	}
	return all, nil
}

// Shares tells whether members get that namespace from the infra container.
func (p *Pod) Shares(namespace string) bool {
	return p.Infra != "" && slices.Contains(p.Share, namespace)
}
