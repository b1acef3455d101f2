package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/cgroup"
	"github.com/carob-containers/carob/pkg/cgroup/group"
	"github.com/carob-containers/carob/pkg/userns"
)

// A pod's control group holds those of its members and limits them together.
// It is made by whatever starts first in the pod and removed when the pod
// stops. Where it is, which depends on who made it, stands in the file
// store.Dirs.PodGroup: it is locked exclusively by who makes or removes the
// group, and shared by who puts a container into it.

// podGroup is a pod's control group on this host.
type podGroup struct {
	pod     *Pod
	manager string // cgroup.FS or cgroup.Systemd
	slice   string // its name, with systemd
	path    string // from the root of the hierarchy
}

// group tells where the pod's control group is to be; nil: it has none.
func (p *Pod) group() (*podGroup, error) {
	if p.NoShareParent {
		return nil, nil
	}
	r, err := p.rt.OCI()
	if err != nil || r.Cgroups.Manager == cgroup.None {
		return nil, err
	}
	g := &podGroup{pod: p, manager: r.Cgroups.Manager}
	if g.manager == cgroup.FS {
		g.path = path.Join("/", firstOf(p.Resources.CgroupParent, r.Cgroups.Own, "carob"), "carob-pod-"+p.ID)
		return g, nil
	}
	parent := p.sliceParent()
	if !strings.HasSuffix(parent, ".slice") {
		return nil, fmt.Errorf("cannot use cgroup parent %s: systemd needs the name of a slice (NAME.slice)", parent)
	}
	g.slice = strings.TrimPrefix(strings.TrimSuffix(path.Base(parent), ".slice")+"-carob_pod_"+p.ID+".slice", "-")
	g.path = slicePath(g.slice)
	return g, nil
}

func (p *Pod) sliceParent() string {
	if parent := p.Resources.CgroupParent; parent != "" {
		return parent
	}
	if rootless() {
		return "user.slice"
	}
	return "machine.slice"
}

// slicePath is where systemd has a slice: a-b.slice is inside a.slice.
func slicePath(name string) string {
	at := "/"
	if rootless() {
		uid := strconv.Itoa(userns.RealUID())
		at = "/user.slice/user-" + uid + ".slice/user@" + uid + ".service"
	}
	so := ""
	for word := range strings.SplitSeq(strings.TrimSuffix(name, ".slice"), "-") {
		so = strings.TrimPrefix(so+"-"+word, "-")
		at = path.Join(at, so+".slice")
	}
	return at
}

// parent is the group as bundle.Input.CgroupParent names it.
func (g *podGroup) parent() string {
	if g.manager == cgroup.Systemd {
		return g.slice
	}
	return g.path
}

// openGroup makes the pod's control group unless it is there. As long as the
// lock is held nobody removes it. Both are nil for a pod without one.
func (p *Pod) openGroup(ctx context.Context) (*podGroup, *store.Lock, error) {
	g, err := p.group()
	if err != nil || g == nil {
		return nil, nil, err
	}
	file := p.rt.dirs.PodGroup(p.ID)
	for try := 0; ; try++ {
		lock, err := store.AcquireShared(ctx, file, true)
		if err == nil && g.read(lock) {
			return g, lock, nil
		}
		lock.Release()
		if err == nil && try < 5 {
			err = g.make(ctx, file)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) || try == 5 {
			return nil, nil, fmt.Errorf("cannot make the control group of pod %s: %w", p.Name, err)
		}
	}
}

// read takes the path from the file and tells whether the group is there.
func (g *podGroup) read(lock *store.Lock) bool {
	known, err := groupPath(lock)
	if err != nil || known == "" || !group.Exists(known) {
		return false
	}
	if g.manager == cgroup.FS {
		g.path = known
	}
	return known == g.path
}

func groupPath(lock *store.Lock) (string, error) {
	b, err := io.ReadAll(io.NewSectionReader(lock.File(), 0, 4096))
	return strings.TrimSpace(string(b)), err
}

// make makes the group. What is written first is where it is, so that one
// whose maker was killed is found.
func (g *podGroup) make(ctx context.Context, file string) error {
	lock, err := store.Acquire(ctx, file, true)
	if err != nil {
		return err
	}
	defer lock.Release()
	old := *g
	if old.read(lock) {
		return nil // somebody was quicker
	}
	if err := lock.File().Truncate(0); err != nil {
		return err
	}
	if _, err := lock.File().WriteAt([]byte(g.path+"\n"), 0); err != nil {
		return err
	}
	limits, err := g.pod.limits()
	if err != nil {
		return err
	}
	if g.manager == cgroup.FS {
		return group.Make(g.path, limits)
	}
	err = withSystemd(ctx, func(conn *dbus.Conn) error { return group.StartSlice(ctx, conn, g.slice, limits) })
	for i := 0; err == nil && i < 1000 && !group.Exists(g.path); i++ {
		time.Sleep(time.Millisecond) // its answer says only that it has begun
	}
	return err
}

func withSystemd(ctx context.Context, do func(*dbus.Conn) error) error {
	conn, err := userns.Systemd(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close())
}

// limited is a container with the pod's limits, for the code that knows what
// a container's are.
func (p *Pod) limited() *spec.Container {
	none := int64(0)
	c := &spec.Container{ID: p.ID, Resources: p.Resources}
	c.Resources.PidsDefault = &none
	return c
}

func (p *Pod) limits() (*rspec.LinuxResources, error) {
	c := p.limited()
	r, err := p.rt.OCI()
	if err != nil {
		return nil, err
	}
	host, err := p.rt.hostFacts(r, c)
	if err != nil {
		return nil, err
	}
	l := &launcher{c: &Container{Container: c, rt: p.rt}, in: bundle.Input{Spec: c, Host: host}}
	if err := l.resolveDevices(context.Background()); err != nil {
		return nil, err
	}
	return bundle.Resources(l.in)
}

// podGroup is the control group that c gets from its pod, "" if it gets none.
// As long as the lock is held nobody removes it.
func (c *Container) podGroup(ctx context.Context) (string, *store.Lock, error) {
	if c.Pod == "" || !c.ownsCgroup() || c.Resources.Cgroups == "split" || c.Resources.CgroupParent != "" {
		return "", nil, nil
	}
	p, err := c.rt.Pod(ctx, c.Pod)
	if err != nil {
		return "", nil, err
	}
	g, hold, err := p.openGroup(ctx)
	if err != nil || g == nil {
		return "", nil, err
	}
	return g.parent(), hold, nil
}

// enterGroup puts the sandbox of the pod's infra container into the group.
func (p *Pod) enterGroup(ctx context.Context, g *podGroup, pid int) error {
	if g.manager == cgroup.FS {
		return group.Enter(path.Join(g.path, "carob-"+p.Infra), pid)
	}
	// The time makes the name another one than that of a former sandbox.
	name := fmt.Sprintf("carob-%s-%d.scope", p.Infra, time.Now().UnixMilli())
	return withSystemd(ctx, func(conn *dbus.Conn) error { return group.StartScope(ctx, conn, name, g.slice, pid) })
}

// dropGroup removes the pod's control group, unless a container is being put
// into it. The pod itself may be gone already.
func (rt *Runtime) dropGroup(ctx context.Context, pod string) error {
	file := rt.dirs.PodGroup(pod)
	if _, err := os.Lstat(file); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := store.TryAcquire(file)
	if err != nil || lock == nil {
		return err
	}
	defer lock.Release()
	at, err := groupPath(lock)
	if err != nil {
		return err
	}
	if strings.HasSuffix(at, ".slice") && group.Exists(at) {
		err = withSystemd(ctx, func(conn *dbus.Conn) error { return group.StopSlice(ctx, conn, filepath.Base(at)) })
	} else if at != "" {
		err = group.Remove(at)
	}
	return errors.Join(err, os.Remove(file))
}
