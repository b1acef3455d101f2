package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/libpod/oci"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/cgroup"
	"github.com/carob-containers/carob/pkg/netns"
	"github.com/carob-containers/carob/pkg/ocihooks"
	"github.com/carob-containers/carob/pkg/rootfs"
	"github.com/carob-containers/carob/pkg/sys"
	"github.com/carob-containers/carob/pkg/userns"
)

// launch takes a container that has no monitor to a running process.
//
// Whatever can go wrong before the monitor is forked leaves nothing behind:
// mounts live in a namespace of their own, the network is ended here, and
// files in the run directory are removed.
func (c *Container) launch(ctx context.Context, opts StartOptions) (conn *client.Conn, err error) {
	leaveSession()
	record, err := c.openRecord(os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer record.Close()
	if err := c.takeRecord(ctx, record); err != nil {
		return nil, fmt.Errorf("cannot start container %s: %w", c.Name, err)
	}
	net := c.net
	c.net = nil
	if net == nil {
		if err := c.clearRun(ctx); err != nil {
			return nil, fmt.Errorf("cannot start container %s: %w", c.Name, err)
		}
	}
	if err := os.MkdirAll(c.RunDir(), 0o700); err != nil {
		return nil, err
	}
	if net == nil {
		if net, err = c.rt.beginNetwork(ctx, c.Container); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil && !errors.Is(err, client.ErrGone) {
			net.abort()
			// A monitor that took the network over may not be through with it.
			_ = netns.Stop(filepath.Join(c.RunDir(), monitor.PastaPID)) // the start's own error says more
			os.RemoveAll(c.RunDir())
		}
		// A monitor that died may have left a process: what the directory knows
		// is needed by whoever adopts it, which is the next command.
	}()
	if err := errors.Join(c.useVolumes(ctx), c.promiseEnd(ctx)); err != nil {
		return nil, fmt.Errorf("cannot start container %s: %w", c.Name, err)
	}
	parent, hold, err := c.podGroup(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot start container %s: %w", c.Name, err)
	}
	defer hold.Release()
	err = sys.InMountNamespace(func() error {
		l := &launcher{c: c, opts: opts, net: net}
		l.in.CgroupParent = parent
		if err := l.prepare(ctx); err != nil {
			return err
		}
		conn, err = client.Spawn(ctx, client.SpawnOptions{
			Program: c.rt.opts.Monitor, Dir: c.Dir(), Record: record,
			Stdio: opts.Stdio, Extra: opts.ExtraFiles, Attach: opts.Streams, ClaimRemove: opts.ClaimRemove,
			Env: monitorEnv(runtimeEnv(os.Environ())),
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start container %s: %w", c.Name, err)
	}
	if err := c.letGo(conn, net, opts); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// leaveSession takes us out of the login session before anything is forked
// that is to outlive it. A container in the session is better than none.
func leaveSession() { _ = userns.LeaveSession(true) }

// takeRecord locks the record for the monitor to come. The one before may
// have noted the end and be on its way out; it has a few seconds.
func (c *Container) takeRecord(ctx context.Context, record *os.File) error {
	deadline := time.Now().Add(10 * time.Second)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		held, err := monitor.LockRecord(int(record.Fd()))
		if err != nil || !held {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("another monitor holds it")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// letGo writes the monitor down, waits for the network, lets the process run
// and waits until it does.
func (c *Container) letGo(conn *client.Conn, net *network, opts StartOptions) error {
	err := c.writeMonitorPID(conn.PID())
	if err != nil {
		err = fmt.Errorf("cannot start container %s: %w", c.Name, err)
	} else {
		err = net.wait()
	}
	if err != nil {
		// The monitor must be through with the directories before we remove
		// them; that it cannot be reached any more says so too.
		if conn.Watch() == nil && conn.Stop(syscall.SIGKILL, 0) == nil {
			_ = conn.WaitCleaned()
		}
		return err
	}
	net.handOver()
	if !c.startsAtOnce(net, opts) && !opts.InitOnly {
		if err := conn.Start(); err != nil {
			return err
		}
	}
	switch {
	case opts.InitOnly:
		_, err := conn.Until(nil, nil, monitor.MsgCreated)
		return err
	case opts.Streams == 0:
		if _, err := conn.WaitStarted(); err != nil {
			return err
		}
		if opts.Dependent {
			return nil
		}
		c.Announce(conn.PID())
	}
	return nil
}

// startsAtOnce tells whether the monitor may create and start in one call of
// the runtime; a network that is still being set up needs two, and so do pid
// files, without which the process must not begin.
func (c *Container) startsAtOnce(net *network, opts StartOptions) bool {
	return !opts.InitOnly && net.immediate() && c.PIDFile == "" && c.MonitorPIDFile == ""
}

// launcher gathers what a start needs, inside the new mount namespace.
type launcher struct {
	c    *Container
	opts StartOptions
	net  *network

	oci    *oci.Runtime
	image  *baseImage
	rootfs string
	in     bundle.Input
	// boundIDs are users whose lines come in bound files: the root file system
	// cannot be written to.
	boundIDs []rootfs.Identity
	parts    []monitor.Part
}

func (l *launcher) prepare(ctx context.Context) error {
	var err error
	if l.oci, err = l.c.rt.OCI(); err != nil {
		return err
	}
	if l.oci.NeedsHiddenCgroups() {
		if err := hideCgroups(); err != nil {
			return err
		}
	}
	if l.c.cgroupManager(l.oci) == cgroup.FS {
		if err := cgroup.MakeRoom(l.oci.Cgroups.Own); err != nil {
			return err
		}
	}
	sealProgram(l.oci.Path)
	if err := l.mountRootfs(); err != nil {
		return err
	}
	if err := l.gather(ctx); err != nil {
		return err
	}
	cfg, err := bundle.Generate(l.in)
	if err != nil {
		return refused(err)
	}
	if err := ocihooks.Apply(cfg, l.hookDirs(), l.hasBinds()); err != nil {
		return err
	}
	if err := l.setNetSysctls(cfg); err != nil {
		return err
	}
	if l.c.Rootfs != nil {
		if err := l.ensureMountpoints(cfg); err != nil {
			return err
		}
	}
	if err := l.writeBundle(cfg); err != nil {
		return err
	}
	return l.c.writeConfig(l.monitorConfig(ctx, cfg))
}

// gather fills in bundle.Input: every look-up that a start needs.
func (l *launcher) gather(ctx context.Context) error {
	host, err := l.hostFacts()
	if err != nil {
		return err
	}
	l.in.Spec, l.in.Rootfs, l.in.Host, l.in.ExtraEnv = l.c.Container, l.rootfs, *host, maps.Clone(l.opts.Env)
	l.in.Rows, l.in.Cols = l.opts.Rows, l.opts.Cols
	if l.image != nil {
		l.in.Image = &l.image.config.Config.ImageConfig
	}
	for _, step := range []func(context.Context) error{
		l.joinNamespaces, l.shareShm, l.resolveHostname, l.lookupUser, l.resolveMounts, l.addSubscriptions, l.resolveSecrets, l.resolveDevices, l.completeRootfs, l.writeFiles, l.letNotify,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hostFacts are left behind by create when start follows in the same process.
func (l *launcher) hostFacts() (*bundle.Host, error) {
	if l.c.host != nil {
		return l.c.host, nil
	}
	h, err := l.c.rt.hostFacts(l.oci, l.c.Container)
	return &h, err
}

func (l *launcher) mountRootfs() error {
	c := l.c
	if c.Rootfs != nil {
		return l.mountGivenRootfs()
	}
	var err error
	if l.image, err = c.image(); err != nil {
		return fmt.Errorf("its image cannot be used: %w", err)
	}
	if l.rootfs, err = c.mountLayer(); err != nil {
		return err
	}
	l.rootfs, err = withinReach(c.Isolation.Mapping, l.rootfs)
	return err
}

func (l *launcher) writeBundle(cfg *rspec.Spec) error {
	body, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(l.c.Dir(), store.BundleFile), body, 0o600)
}

func (l *launcher) monitorConfig(ctx context.Context, cfg *rspec.Spec) *monitor.Config {
	c, rt := l.c, l.c.rt
	m := &monitor.Config{
		ID: c.ID, Name: c.Name, Bundle: c.Dir(), RunDir: c.RunDir(), Rootfs: l.rootfs, Image: c.ImageName,
		Runtime: l.oci.Argv(c.cgroupManager(l.oci)), PreserveFDs: len(l.opts.ExtraFiles),
		Start: c.startsAtOnce(l.net, l.opts), AwaitStart: l.opts.InitOnly, Terminal: c.Process.Terminal, Stdin: c.Process.Stdin,
		Rows: l.opts.Rows, Cols: l.opts.Cols,
		PipeLabel: c.pipeLabel(), LogDriver: c.logDriver(), LogPath: c.LogPath(), LogMaxSize: c.Log.MaxSize, LogMaxFile: max(c.Log.MaxFile, 1), LogTag: c.Log.Tag,
		RestartPolicy: c.Container.Restart.Policy, RestartMax: c.Container.Restart.Max,
		StopSignal: int(c.stopSignal(l.image)), StopTimeout: c.stopTimeout(), Timeout: c.Process.Timeout,
		PIDFile: c.PIDFile, Remove: c.Container.Remove, Cleanup: rt.selfArgv("container", "cleanup", "--rm", c.ID), Again: rt.selfArgv("container", "cleanup", c.ID), Sleeper: rt.sleeper(),
		EventBase: c.Labels, Pod: c.Pod, CreateFlags: rt.opts.CreateFlags,
	}
	if log := rt.eventLog(); log != nil {
		m.Events, m.EventJournal = log.Path, log.Journal
	}
	m.Parts = l.parts
	c.useHealth(m, l.image)
	m.Notify = c.monitorNotify(l.opts.Dependent)
	m.Cgroup = c.ownsCgroup() && l.oci.CanFreeze()
	if c.cgroupManager(l.oci) == cgroup.FS {
		m.CgroupPath = cfg.Linux.CgroupsPath
	}
	if c.endsOthers {
		m.AtEnd = rt.selfArgv("container", "cleanup", c.ID)
	}
	if l.oci.Name == "crun" && hasPIDNamespace(cfg) && (cfg.Hooks == nil || len(cfg.Hooks.Poststop) == 0) {
		m.RuntimeState = filepath.Join(l.oci.Root, c.ID)
	}
	return m
}

// hookDirs are where the hooks of containers are.
func (l *launcher) hookDirs() []string {
	if dirs := l.c.rt.opts.HookDirs; len(dirs) > 0 {
		return dirs
	}
	return ocihooks.DefaultDirs()
}

// hasBinds tells whether the user asked for bind mounts.
func (l *launcher) hasBinds() bool {
	return slices.ContainsFunc(l.c.Mounts.List, func(m spec.Mount) bool { return m.Type == spec.MountBind })
}

// selfArgv is the argv of a carob that works on the same state.
func (rt *Runtime) selfArgv(words ...string) []string {
	return append(slices.Clone(rt.opts.Self), words...)
}

// sleeper is this program as the one to doze in, nil when it is not at its
// path any more.
func (rt *Runtime) sleeper() *monitor.Sleeper {
	program, err := os.Executable()
	var st syscall.Stat_t
	if err != nil || syscall.Stat("/proc/self/exe", &st) != nil {
		return nil
	}
	return &monitor.Sleeper{Program: program, Device: uint64(st.Dev), Inode: st.Ino, Changed: st.Ctim.Nano()}
}

// hasPIDNamespace tells whether the container's end is the end of all its
// processes: it has a pid namespace of its own.
func hasPIDNamespace(cfg *rspec.Spec) bool {
	return slices.ContainsFunc(cfg.Linux.Namespaces, func(n rspec.LinuxNamespace) bool {
		return n.Type == rspec.PIDNamespace && n.Path == ""
	})
}

// cgroupManager is who makes the container's cgroup.
func (c *Container) cgroupManager(r *oci.Runtime) string {
	switch {
	case !c.ownsCgroup():
		return cgroup.None
	case c.Resources.Cgroups == "split" && r.Cgroups.Manager != cgroup.None:
		return cgroup.FS // it lies within what systemd has given to carob
	}
	return r.Cgroups.Manager
}

// ownsCgroup tells whether the runtime is to make a cgroup.
func (c *Container) ownsCgroup() bool { return c.Resources.Cgroups != "disabled" }

func (c *Container) logDriver() string {
	if c.Log.Driver == "" {
		return "k8s-file"
	}
	return c.Log.Driver
}

// LogPath is the file the output goes to with k8s-file and json-file.
func (c *Container) LogPath() string {
	if c.Log.Path != "" {
		return c.Log.Path
	}
	if c.Log.Dir != "" {
		return filepath.Join(c.Log.Dir, c.ID+".log")
	}
	return filepath.Join(c.Dir(), store.LogFile)
}

func (c *Container) stopTimeout() uint {
	if c.Process.StopTimeout != nil {
		return *c.Process.StopTimeout
	}
	return 10
}

// image is the container's image; create has left it behind when start
// follows in the same process.
func (c *Container) image() (*baseImage, error) {
	if c.base != nil || c.Rootfs != nil {
		return c.base, nil
	}
	images, err := c.rt.Images()
	if err != nil {
		return nil, err
	}
	img, err := images.Lookup(c.ImageID)
	if err != nil {
		return nil, err
	}
	config, err := img.Config()
	if err != nil {
		return nil, err
	}
	c.base = &baseImage{img, config}
	return c.base, nil
}
