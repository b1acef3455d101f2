package libpod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// DescribeForKube gathers the pods, containers and volumes of the given names
// for ask. Containers that are in no pod come into one together.
func (rt *Runtime) DescribeForKube(ctx context.Context, names []string, ask *kube.Generate) error {
	ask.Anonymous, ask.Contents = map[string]spec.Volume{}, map[string]map[string][]byte{}
	alone := kube.GeneratePod{}
	for _, name := range names {
		if err := rt.describe(ctx, name, ask, &alone); err != nil {
			return err
		}
	}
	if len(alone.Containers) > 0 {
		ask.Pods = append([]kube.GeneratePod{alone}, ask.Pods...)
	}
	return nil
}

func (rt *Runtime) describe(ctx context.Context, name string, ask *kube.Generate, alone *kube.GeneratePod) error {
	c, err := rt.Container(ctx, name)
	if err == nil {
		if c.Pod != "" {
			return WithHint(fmt.Errorf("cannot write container %s alone: it belongs to pod %s", c.Name, c.Pod[:12]), "carob kube generate "+c.Pod[:12])
		}
		described, err := rt.describeContainer(ctx, c, ask)
		alone.Containers = append(alone.Containers, described)
		return err
	}
	if !errors.Is(err, errNoContainer) {
		return err
	}
	p, err := rt.Pod(ctx, name)
	if err == nil {
		return rt.describePod(ctx, p, ask)
	}
	if !errors.Is(err, errNoPod) {
		return err
	}
	v, err := rt.db.Volume(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("cannot write %s: name or ID %q not found: there is no such container, pod or volume", name, name)
	}
	if err == nil {
		ask.Volumes = append(ask.Volumes, *v)
	}
	return err
}

func (rt *Runtime) describePod(ctx context.Context, p *Pod, ask *kube.Generate) error {
	out := kube.GeneratePod{Spec: p.Pod}
	members, err := p.Members(ctx)
	if err != nil {
		return err
	}
	for _, c := range members {
		if c.Infra {
			out.Infra = c.Container
			continue
		}
		described, err := rt.describeContainer(ctx, c, ask)
		if err != nil {
			return err
		}
		out.Containers = append(out.Containers, described)
	}
	if len(out.Containers) == 0 {
		return fmt.Errorf("cannot write pod %s: it has no containers", p.Name)
	}
	ask.Pods = append(ask.Pods, out)
	return nil
}

// describeContainer adds what only the host knows: what bind mounts show, and
// the volumes that go with the container.
func (rt *Runtime) describeContainer(ctx context.Context, c *Container, ask *kube.Generate) (kube.GenerateContainer, error) {
	out := kube.GenerateContainer{Spec: *c.Container, Binds: map[string]string{}}
	if img, err := c.image(); err == nil && img != nil { // its labels come with it again
		out.Spec.Labels = maps.Clone(c.Labels)
		maps.DeleteFunc(out.Spec.Labels, func(key, value string) bool {
			theirs, has := img.config.Config.Labels[key]
			return has && theirs == value
		})
	}
	for _, m := range c.Mounts.List {
		switch {
		case m.Type == spec.MountBind:
			out.Binds[m.Source] = kindOfFile(m.Source)
		case m.Type == spec.MountVolume && m.Anonymous:
			v, err := rt.db.Volume(ctx, m.Source)
			if err != nil {
				return out, err
			}
			ask.Anonymous[m.Source], ask.Contents[m.Source] = *v, rt.contents(v)
		}
	}
	return out, nil
}

// contents reads what was written into a volume; what is not there any more is
// left out.
func (rt *Runtime) contents(v *spec.Volume) map[string][]byte {
	if v.Files == nil {
		return nil
	}
	found := map[string][]byte{}
	dir, err := os.OpenRoot(rt.VolumeData(v.Name))
	if err != nil {
		return found
	}
	defer dir.Close()
	for _, f := range v.Files.Files {
		if body, err := dir.ReadFile(f.Path); err == nil {
			found[f.Path] = body
		}
	}
	return found
}

// kindOfFile is "" for what is not there.
func kindOfFile(path string) string {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return ""
	case st.IsDir():
		return "directory"
	case st.Mode()&fs.ModeSocket != 0:
		return "socket"
	}
	return "file"
}
