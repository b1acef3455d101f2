package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
)

// Clone makes a pod like p with copies of its containers. podPatch and
// infraPatch are JSON of the fields of spec.Pod and of the infra container
// that are to be different.
func (p *Pod) Clone(ctx context.Context, podPatch, infraPatch []byte) (*Pod, error) {
	all, err := p.Members(ctx)
	if err != nil {
		return nil, err
	}
	fresh, infra, err := p.copied(ctx, all, podPatch, infraPatch)
	if err != nil {
		return nil, fmt.Errorf("cannot clone pod %s: %w", p.Name, err)
	}
	created, err := p.rt.CreatePod(ctx, fresh, PodOptions{Infra: infra})
	if err != nil {
		return nil, err
	}
	ids := map[string]string{p.Infra: created.Infra}
	for _, c := range all {
		if c.Infra {
			continue
		}
		n, err := p.cloneMember(ctx, c, created, ids)
		if err != nil {
			err = fmt.Errorf("cannot clone container %s: %w", c.Name, err)
			return nil, errors.Join(err, created.Remove(context.WithoutCancel(ctx), RemoveOptions{Force: true, Volumes: true}))
		}
		ids[c.ID] = n.ID
	}
	return created, nil
}

// copied are the pod and its infra container as they are to be made.
func (p *Pod) copied(ctx context.Context, all []*Container, podPatch, infraPatch []byte) (*spec.Pod, *spec.Container, error) {
	fresh := &spec.Pod{}
	if err := patched(p.Pod, fresh, podPatch); err != nil {
		return nil, nil, err
	}
	if fresh.Name == "" || fresh.Name == p.Name {
		var err error
		if fresh.Name, err = p.rt.cloneName(ctx, p.Name); err != nil {
			return nil, nil, err
		}
	}
	fresh.Infra, fresh.IDFile = "", ""
	fresh.Kube = nil // no file made the copy: kube down and --replace leave it alone
	i := slices.IndexFunc(all, func(c *Container) bool { return c.Infra })
	if i < 0 {
		return fresh, nil, nil
	}
	infra := &spec.Container{}
	if err := patched(all[i].Container, infra, infraPatch); err != nil {
		return nil, nil, err
	}
	if infra.Name == all[i].Name {
		infra.Name = ""
	}
	infra.Isolation.Mapping, infra.Security.SELinux = nil, nil
	return fresh, infra, nil
}

// cloneName is the first free name for a copy, as podman counts: NAME-clone,
// NAME-clone1 and so on, for a copy of a copy, too.
func (rt *Runtime) cloneName(ctx context.Context, name string) (string, error) {
	if original, isClone := strings.CutSuffix(strings.TrimRight(name, "0123456789"), "-clone"); isClone {
		name = original
	}
	fresh := name + "-clone"
	for i := 1; ; i++ {
		if taken, err := rt.db.NameTaken(ctx, fresh); err != nil || !taken {
			return fresh, err
		}
		fresh = fmt.Sprintf("%s-clone%d", name, i)
	}
}

// patched makes to a deep copy of from, changed by patch. The patch's own
// identity and time are empty words and do not count.
func patched(from, to any, patch []byte) error {
	body, err := json.Marshal(from)
	if err != nil {
		return err
	}
	changes := map[string]any{}
	if err := json.Unmarshal(patch, &changes); err != nil {
		return err
	}
	for _, key := range []string{"id", "created"} {
		delete(changes, key)
	}
	if changes["name"] == "" {
		delete(changes, "name")
	}
	changed, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	return errors.Join(json.Unmarshal(body, to), json.Unmarshal(changed, to))
}

// cloneMember copies a container into the pod to. ids tells the copies of what
// was copied before, for namespaces joined and containers required.
func (p *Pod) cloneMember(ctx context.Context, from *Container, to *Pod, ids map[string]string) (*Container, error) {
	c := &spec.Container{}
	if err := patched(from.Container, c, []byte("{}")); err != nil {
		return nil, err
	}
	name, err := p.rt.cloneName(ctx, from.Name)
	if err != nil {
		return nil, err
	}
	c.ID, c.Created, c.Name, c.Pod = "", time.Time{}, name, to.ID
	c.CIDFile, c.PIDFile, c.MonitorPIDFile = "", "", ""
	c.Isolation.Mapping, c.Security.SELinux = nil, nil
	if c.ImageID != "" {
		c.Image = c.ImageID
	}
	for _, mode := range []*string{
		&c.Network.Mode, &c.Isolation.IPC, &c.Isolation.UTS, &c.Isolation.PID, &c.Isolation.Cgroup, &c.Isolation.User,
	} {
		id, ok := otherContainer(*mode)
		switch {
		case ok && id == p.Infra:
			*mode = "" // lent by the pod
		case ok && ids[id] != "":
			*mode = "container:" + ids[id]
		}
	}
	for i, id := range c.Requires {
		c.Requires[i] = firstOf(ids[id], id)
	}
	p.takeBack(c)
	for i := range c.Mounts.List {
		// Those of Kubernetes YAML are the pod's, and filled: the copy has them, too.
		if m := &c.Mounts.List[i]; m.Anonymous && !m.MakeSubPath {
			m.Source = "" // a volume of its own
		}
	}
	return p.rt.CreateContainer(ctx, c, CreateOptions{Pull: PullOptions{Policy: "never"}})
}

// takeBack undoes lend.
func (p *Pod) takeBack(c *spec.Container) {
	for _, v := range p.VolumesFrom {
		if i := slices.Index(c.Mounts.VolumesFrom, v); i >= 0 {
			c.Mounts.VolumesFrom = slices.Delete(c.Mounts.VolumesFrom, i, i+1)
		}
	}
	c.Mounts.List = slices.DeleteFunc(c.Mounts.List, func(m spec.Mount) bool {
		return slices.ContainsFunc(p.Volumes, func(v spec.Mount) bool { return v.Destination == m.Destination && v.Source == m.Source })
	})
	c.Mounts.Devices = slices.DeleteFunc(c.Mounts.Devices, func(d string) bool { return slices.Contains(p.Devices, d) })
	for _, list := range []struct {
		from *[]string
		lent []string
	}{{&c.Security.Label, p.Security.Label}, {&c.Security.Mask, p.Security.Mask}, {&c.Security.Unmask, p.Security.Unmask}} {
		if n := len(list.lent); n <= len(*list.from) && slices.Equal((*list.from)[:n], list.lent) {
			*list.from = (*list.from)[n:]
		}
	}
}
