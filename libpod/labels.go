package libpod

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/selinux"
)

// labelHint is for hosts whose policy was made without containers in mind.
const labelHint = "install a policy that knows containers, or run without labels: --security-opt label=disable, " +
	"for all containers label = false under [containers] in containers.conf"

// resolveLabels chooses the SELinux labels of a container, with categories
// that no other container has. Until it is in the database, nobody else may
// choose.
func (rt *Runtime) resolveLabels(ctx context.Context, c *spec.Container, img *baseImage, plan *createPlan) error {
	c.Security.SELinux = nil
	if !plan.host.SELinux {
		return nil
	}
	joined, err := rt.joinedLabels(ctx, c)
	if err != nil {
		return err
	}
	words, err := labelWords(c, joined)
	if err != nil {
		return err
	}
	if plan.labels, err = store.Acquire(ctx, filepath.Join(rt.dirs.State, "labels.lock"), true); err != nil {
		return err
	}
	taken, err := rt.takenLabels(ctx)
	if err != nil {
		return err
	}
	l := &spec.SELinuxLabels{}
	if l.Process, l.Mount, err = selinux.Choose(words, taken); err == nil && runsInit(c, img) && !hasType(words) {
		l.Process, err = selinux.ForInit(l.Process)
	}
	if err != nil {
		return WithHint(fmt.Errorf("cannot label the container for SELinux: %w", err), labelHint)
	}
	c.Security.SELinux = l
	return rt.warnOfLayers(l.Process)
}

// warnOfLayers says when the layers of images have a label that containers
// cannot use, which they have when their directory was made before its parent
// was labelled. The kernel shows a container labels of its own, but mprotect(2)
// of a mapped file is checked against the layer's (seen with Linux 6.1): what
// protects its relocated data, as all that is linked with glibc does, ends
// before it has begun, with exit code 127.
func (rt *Runtime) warnOfLayers(process string) error {
	images, err := rt.Images()
	if err != nil {
		return err
	}
	paths := images.Paths()
	layers := filepath.Join(paths.GraphRoot, "overlay")
	label, refused := selinux.Refused(process, layers)
	if !refused || rt.opts.Warn == nil {
		return nil
	}
	rt.opts.Warn("SELinux keeps containers from the layers of images in " + layers + ", which are labelled " + label +
		"; try, as root: restorecon -R " + paths.GraphRoot)
	return nil
}

// joinedLabels are those of the containers whose processes or shared memory c
// is to see.
func (rt *Runtime) joinedLabels(ctx context.Context, c *spec.Container) ([]*spec.SELinuxLabels, error) {
	var out []*spec.SELinuxLabels
	for _, mode := range []string{c.Isolation.PID, c.Isolation.IPC} {
		id, ok := otherContainer(mode)
		if !ok {
			continue
		}
		other, err := rt.Container(ctx, id)
		if err != nil {
			return nil, err
		}
		if l := other.Security.SELinux; l != nil {
			out = append(out, l)
		}
	}
	return out, nil
}

// labelWords are the words of --security-opt label= that count for c. It has
// the labels of the containers it joins, but for what it asks for itself.
// Labels are off for containers that are to see the host's processes or shared
// memory, unless one is asked for, and always for privileged ones.
func labelWords(c *spec.Container, joined []*spec.SELinuxLabels) ([]string, error) {
	own := slices.DeleteFunc(slices.Clone(c.Security.Label), func(w string) bool { return w == "nested" })
	off := c.Isolation.PID == "host" || c.Isolation.IPC == "host"
	var words []string
	for _, l := range joined {
		like, err := selinux.Like(l.Process)
		if err != nil {
			return nil, err
		}
		off = off || l.Process == ""
		words = append(words, like...)
	}
	if c.Security.Privileged || off && len(own) == 0 {
		return []string{"disable"}, nil
	}
	return append(words, own...), nil
}

// takenLabels are the labels of all containers, of those that other programs
// keep in the storage, too.
func (rt *Runtime) takenLabels(ctx context.Context) ([]string, error) {
	taken, err := rt.db.MountLabels(ctx)
	if err != nil {
		return nil, err
	}
	images, err := rt.Images()
	if err != nil {
		return nil, err
	}
	others, err := images.Containers()
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		taken = append(taken, o.MountOptions().Label)
	}
	return taken, nil
}

// runsInit tells whether the container runs systemd, for which policies have a
// type of its own.
func runsInit(c *spec.Container, img *baseImage) bool {
	return img != nil && bundle.Systemd(c, &img.config.Config.ImageConfig)
}

func hasType(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "type:") })
}

// mountLabel is the label of the container's files, "" where there are none.
func (c *Container) mountLabel() string {
	if l := c.Security.SELinux; l != nil && l.Mount != "" && selinux.Enabled() {
		return l.Mount
	}
	return ""
}

// pipeLabel is the label of pipes that lead into and out of the container, ""
// where its processes have none of their own.
func (c *Container) pipeLabel() string {
	if l := c.Security.SELinux; l == nil || l.Process == "" {
		return ""
	}
	return c.mountLabel()
}

// label gives the container a file, or a directory with all that is in it.
func (l *launcher) label(path string) error {
	if err := selinux.Relabel(path, l.c.mountLabel(), false); err != nil {
		return fmt.Errorf("cannot label %s for SELinux: %w", path, err)
	}
	return nil
}

// labelFor gives user a file of c's: both may use it.
func (c *Container) labelFor(user *Container, path string) error {
	have, want := c.mountLabel(), user.mountLabel()
	if want == "" || have == want {
		return nil
	}
	shared, err := selinux.Shared(firstOf(have, want))
	if err != nil {
		return err
	}
	return selinux.Label(path, shared)
}

// relabel makes a mount's files the container's own (option Z) or everybody's
// (z).
func (l *launcher) relabel(m *spec.Mount) error {
	if m.Relabel == "" {
		return nil
	}
	if err := selinux.Relabel(m.Source, l.c.mountLabel(), m.Relabel == "z"); err != nil {
		return fmt.Errorf("cannot relabel %s (option %s): %w", m.Source, m.Relabel, err)
	}
	return nil
}
