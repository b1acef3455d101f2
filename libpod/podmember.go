package libpod

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/carob-containers/carob/libpod/spec"
)

// joinPod makes c a member of the pod that it names: what it does not ask for
// by itself it gets from the pod.
func (rt *Runtime) joinPod(ctx context.Context, c *spec.Container) error {
	if c.Pod == "" {
		if c.InitType != "" {
			return errors.New("cannot create container: an init container must belong to a pod: --pod NAME")
		}
		return nil
	}
	p, err := rt.Pod(ctx, c.Pod)
	if err != nil {
		return fmt.Errorf("cannot create container: %w", err)
	}
	if err := p.complete(ctx); err != nil {
		return fmt.Errorf("cannot create container: %w", err)
	}
	c.Pod = p.ID
	if c.InitType != "" {
		if err := p.refuseInit(ctx); err != nil {
			return err
		}
		c.Restart = spec.Restart{Policy: spec.RestartNo}
	}
	if err := p.lendNamespaces(ctx, c); err != nil {
		return err
	}
	p.lend(c)
	return nil
}

// refuseInit refuses an init container of a pod whose other containers would
// not wait for it.
func (p *Pod) refuseInit(ctx context.Context) error {
	st, err := p.State(ctx)
	if err != nil || st.Status == PodCreated || st.Status == PodExited {
		return err
	}
	return WithHint(fmt.Errorf("cannot create container: pod %s runs, and its init containers come before all others", p.Name),
		"stop the pod first: carob pod stop "+p.Name)
}

// complete refuses a pod whose infra container is being made or removed.
func (p *Pod) complete(ctx context.Context) error {
	if p.Infra == "" {
		return nil
	}
	infra, err := p.rt.Container(ctx, p.Infra)
	if errors.Is(err, errNoContainer) || err == nil && infra.halfMade() {
		return &NoPodError{p.Name}
	}
	return err
}

// lendNamespaces has c join those of the infra container that are shared.
func (p *Pod) lendNamespaces(ctx context.Context, c *spec.Container) error {
	if p.Infra == "" {
		return nil
	}
	if err := p.refuseOwn(c); err != nil {
		return err
	}
	infra, err := p.rt.Container(ctx, p.Infra)
	if err != nil {
		return err
	}
	join := "container:" + p.Infra
	for _, ns := range []struct {
		name string
		mode *string
	}{
		{"net", &c.Network.Mode}, {"ipc", &c.Isolation.IPC}, {"uts", &c.Isolation.UTS},
		{"pid", &c.Isolation.PID}, {"cgroup", &c.Isolation.Cgroup},
	} {
		if p.Shares(ns.name) && (*ns.mode == "" || *ns.mode == "pod") {
			*ns.mode = join
		}
	}
	// The namespaces belong to the infra container's user namespace: whoever
	// joins them joins that, too.
	if infra.Isolation.Mapping != nil {
		c.Isolation.User = join
		c.Process.User = firstOf(c.Process.User, infra.Process.User) // keep-id's
	}
	return nil
}

// refuseOwn refuses what belongs to the pod as a whole.
func (p *Pod) refuseOwn(c *spec.Container) error {
	n := &c.Network
	net := p.Shares("net") && (n.Mode == "" || n.Mode == "pod")
	own := func(flag string) error {
		return WithHint(fmt.Errorf("cannot create container: %s belongs to pod %s, whose network all its containers share", flag, p.Name),
			"give it to carob pod create")
	}
	iso := &c.Isolation
	switch {
	case iso.User != "" || len(iso.UIDMap)+len(iso.GIDMap) > 0 || iso.SubUID+iso.SubGID != "":
		return WithHint(fmt.Errorf("cannot create container: the user namespace belongs to pod %s and is the same for all its containers", p.Name),
			"give --userns to carob pod create")
	case net && (len(n.Ports) > 0 || n.PublishAll):
		return own("--publish")
	case net && len(n.AddHosts) > 0:
		return own("--add-host")
	case net && len(n.DNS)+len(n.DNSSearch)+len(n.DNSOptions) > 0:
		return own("--dns")
	case p.Shares("uts") && (c.Isolation.UTS == "" || c.Isolation.UTS == "pod") && c.Isolation.Hostname != "":
		return WithHint(fmt.Errorf("cannot create container: --hostname belongs to pod %s, whose name all its containers share", p.Name),
			"give it to carob pod create")
	case p.Shares("ipc") && (c.Isolation.IPC == "" || c.Isolation.IPC == "pod") && c.Mounts.ShmSize != "":
		return WithHint(fmt.Errorf("cannot create container: --shm-size belongs to pod %s, whose shared memory all its containers share", p.Name),
			"give it to carob pod create")
	}
	return nil
}

// lend gives c what the pod gives every member.
func (p *Pod) lend(c *spec.Container) {
	if c.Restart.Policy == "" {
		c.Restart = p.Pod.Restart
	}
	for _, m := range p.Volumes {
		taken := func(have spec.Mount) bool { return have.Destination == m.Destination }
		if !slices.ContainsFunc(c.Mounts.List, taken) {
			c.Mounts.List = append(c.Mounts.List, m)
		}
	}
	c.Mounts.VolumesFrom = append(c.Mounts.VolumesFrom, p.VolumesFrom...)
	for _, d := range p.Devices {
		if !slices.Contains(c.Mounts.Devices, d) {
			c.Mounts.Devices = append(c.Mounts.Devices, d)
		}
	}
	s, mine := &c.Security, p.Security
	s.NoNewPrivileges = s.NoNewPrivileges || mine.NoNewPrivileges
	s.Seccomp, s.AppArmor, s.ProcOpts = firstOf(s.Seccomp, mine.Seccomp), firstOf(s.AppArmor, mine.AppArmor), firstOf(s.ProcOpts, mine.ProcOpts)
	s.Label = append(slices.Clone(mine.Label), s.Label...)
	s.Mask = append(slices.Clone(mine.Mask), s.Mask...)
	s.Unmask = append(slices.Clone(mine.Unmask), s.Unmask...)
}
