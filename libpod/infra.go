package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/netns"
	"github.com/carob-containers/carob/pkg/selinux"
	"github.com/carob-containers/carob/pkg/sys"
	"github.com/carob-containers/carob/pkg/userns"
	"github.com/carob-containers/carob/pkg/userns/sandbox"
)

// An infra container has no image, no OCI runtime and no monitor. Its process
// is a sandbox (pkg/userns/sandbox), which holds the lock on the record file
// by itself. Nobody sees it end but whoever looks next, and its end loses
// nothing: while a member lives its namespaces do, and a new sandbox joins
// them (docs/decisions/0008).

// infraStart is one start of an infra container.
type infraStart struct {
	c        *Container
	service  bool // it stays in the systemd service we are in
	record   *os.File
	net      *network
	survivor *Container // a member that still runs in the shared namespaces, nil
	pid      int        // of its first process
	cgroupns bool       // a cgroup namespace is to be made
	sandbox  int        // pid of the new sandbox
	files    []*os.File // to be closed
}

func (c *Container) startInfra(ctx context.Context, opts StartOptions) (err error) {
	record, err := c.openRecord(os.O_RDWR)
	if err != nil {
		return err
	}
	defer record.Close()
	if err := lockInfraRecord(ctx, record); err != nil {
		return fmt.Errorf("cannot start container %s: %w", c.Name, err)
	}
	s := &infraStart{c: c, record: record, service: opts.Service}
	defer s.close()
	leaveSession()
	if err := os.MkdirAll(c.RunDir(), 0o700); err != nil {
		return err
	}
	if s.survivor, s.pid, err = c.survivor(ctx); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		if s.survivor == nil {
			os.RemoveAll(c.RunDir())
		}
		return fmt.Errorf("cannot start container %s: %w", c.Name, err)
	}
	c.rt.event(c, "start", nil)
	if opts.Notify == "" || opts.Notify == notifyIgnore || opts.Dependent {
		return nil
	}
	c.announceInfra(s.sandbox)
	return nil
}

// recordWait bounds the wait for a sandbox whose command was killed before it
// let go of it: such a one ends by itself, a moment later.
const recordWait = 2 * time.Second

func lockInfraRecord(ctx context.Context, record *os.File) error {
	for end := time.Now().Add(recordWait); ; {
		held, err := monitor.LockRecord(int(record.Fd()))
		if err != nil || !held {
			return err
		}
		if time.Now().After(end) {
			return errors.New("its record is held by another process")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *infraStart) close() {
	for _, f := range s.files {
		f.Close() // only read from
	}
}

func (s *infraStart) begin(ctx context.Context) (err error) {
	if s.net, err = s.network(ctx); err != nil {
		return err
	}
	defer s.net.abort()
	var sb *sandbox.Sandbox
	err = sys.InMountNamespace(func() error {
		cfg, err := s.config(ctx)
		if err != nil {
			return err
		}
		if err := s.mountShm(cfg); err != nil {
			return err
		}
		sb, err = sandbox.Start(*cfg)
		return err
	})
	if err != nil {
		return err
	}
	hold, err := s.enterGroup(ctx, sb)
	defer hold.Release()
	if err == nil {
		err = s.finish(ctx, sb)
	}
	if err != nil {
		sb.Abort()
	}
	return err
}

// enterGroup puts the sandbox into the pod's control group. In a service it is
// left where it is, for systemd takes only processes that are there for the
// service's own; it weighs nothing.
func (s *infraStart) enterGroup(ctx context.Context, sb *sandbox.Sandbox) (*store.Lock, error) {
	p, err := s.c.rt.Pod(ctx, s.c.Pod)
	if err != nil {
		return nil, err
	}
	g, hold, err := p.openGroup(ctx)
	stays := s.service && !p.Shares("cgroup") && userns.InService()
	if err == nil && g != nil && !stays {
		err = p.enterGroup(ctx, g, sb.PID)
	}
	if err == nil && s.cgroupns {
		err = sb.UnshareCgroup()
	}
	return hold, err
}

// finish makes what members will want, waits for the network and lets the
// sandbox live on. What is written last is the record: before that the
// sandbox ends with us, and after that nothing of ours may fail any more.
func (s *infraStart) finish(ctx context.Context, sb *sandbox.Sandbox) error {
	if err := s.setSysctls(sb.PID); err != nil {
		return err
	}
	if err := s.writeFiles(ctx); err != nil {
		return err
	}
	if err := s.net.wait(); err != nil {
		return err
	}
	c := s.c
	if err := c.writeMonitorPID(sb.PID); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.RunDir(), store.SandboxFile), nil, 0o600); err != nil {
		return err
	}
	rec := &monitor.Record{}
	if old, err := monitor.ReadRecord(int(s.record.Fd())); err == nil {
		rec.Seq = old.Seq
	}
	rec.BootID, rec.RunDir, rec.State = c.rt.bootID, c.RunDir(), monitor.StateRunning
	rec.PID, rec.PIDStart, rec.Started = sb.PID, startTime(sb.PID), time.Now().UnixNano()
	if err := monitor.WriteRecord(int(s.record.Fd()), rec); err != nil {
		return err
	}
	if err := sb.Release(); err != nil {
		return err
	}
	s.net.handOver()
	s.sandbox = sb.PID
	return nil
}

// survivor finds a running member of c's pod.
func (c *Container) survivor(ctx context.Context) (*Container, int, error) {
	specs, err := c.rt.db.Members(ctx, c.Pod)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range specs {
		other := &Container{Container: m, rt: c.rt}
		if m.Infra || other.halfMade() || !joinsAny(m, c.ID) {
			continue
		}
		if st, err := other.State(); err == nil && st.Running() && st.PID > 0 {
			return other, st.PID, nil
		}
	}
	return nil, 0, nil
}

func joinsAny(c *spec.Container, infra string) bool {
	for _, mode := range []string{c.Network.Mode, c.Isolation.IPC, c.Isolation.UTS} {
		if id, ok := otherContainer(mode); ok && id == infra {
			return true
		}
	}
	return false
}

// inherits tells whether the survivor still has the namespace that mode, one
// of its own modes, names.
func (s *infraStart) inherits(mode func(*spec.Container) string) bool {
	if s.survivor == nil {
		return false
	}
	id, ok := otherContainer(mode(s.survivor.Container))
	return ok && id == s.c.ID
}

func netMode(c *spec.Container) string { return c.Network.Mode }

// network begins the pod's network, or takes the survivor's. A helper that
// was killed meanwhile gets a successor.
func (s *infraStart) network(ctx context.Context) (*network, error) {
	if !s.inherits(netMode) {
		return s.c.rt.beginNetwork(ctx, s.c.Container)
	}
	ns, err := s.openNamespace("net")
	if err != nil {
		return nil, err
	}
	kind, _, err := networkKind(s.c.Network.Mode)
	if err != nil {
		return nil, err
	}
	if kind != netPasta && kind != netSlirp || netns.Running(filepath.Join(s.c.RunDir(), monitor.PastaPID)) {
		return &network{kind: kind, ns: ns}, nil
	}
	return s.c.rt.helpNetwork(ctx, s.c.Container, ns)
}

// mendNetwork gives the network of a running pod another helper, if that was
// killed.
func (p *Pod) mendNetwork(ctx context.Context) error {
	c, err := p.rt.Container(ctx, p.Infra)
	if err != nil {
		return err
	}
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	st, err := c.State()
	kind, _, err2 := networkKind(c.Network.Mode)
	if err = errors.Join(err, err2); err != nil || !st.Running() || kind != netPasta && kind != netSlirp {
		return err
	}
	if netns.Running(filepath.Join(c.RunDir(), monitor.PastaPID)) {
		return nil
	}
	if found, err := c.findHelper(); err != nil || found {
		return err
	}
	ns, err := os.Open(procNamespace(st.PID, "net"))
	if err != nil {
		return fmt.Errorf("cannot mend the network of pod %s: %w", p.Name, err)
	}
	leaveSession()
	n, err := p.rt.helpNetwork(ctx, c.Container, ns)
	if err != nil {
		return err
	}
	defer n.abort()
	if err := n.wait(); err != nil {
		return err
	}
	n.handOver()
	return nil
}

// findHelper finds the network helper again after the runtime directory was
// wiped. What says that it has an owner comes first, or a sweep would end it.
func (c *Container) findHelper() (bool, error) {
	pidFile := filepath.Join(c.RunDir(), monitor.PastaPID)
	if _, err := os.Lstat(pidFile); err == nil {
		return false, nil
	}
	err := os.MkdirAll(c.RunDir(), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(c.RunDir(), store.SandboxFile), nil, 0o600)
	}
	if err != nil {
		return false, err
	}
	return netns.Recover(pidFile)
}

func (s *infraStart) openNamespace(file string) (*os.File, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(s.pid) + "/ns/" + file)
	if err != nil {
		return nil, fmt.Errorf("cannot open a namespace of container %s: %w", s.survivor.Name, err)
	}
	return f, nil
}

// config says which namespaces the sandbox makes and which it joins.
func (s *infraStart) config(ctx context.Context) (*sandbox.Config, error) {
	c := s.c
	root, err := s.emptyRoot()
	if err != nil {
		return nil, err
	}
	cfg := &sandbox.Config{Name: c.Name, Record: s.record, Root: root}
	iso := &c.Isolation
	for _, ns := range []struct {
		file string
		flag uintptr
		mode func(*spec.Container) string
		own  string
	}{
		{"ipc", unix.CLONE_NEWIPC, func(c *spec.Container) string { return c.Isolation.IPC }, iso.IPC},
		{"uts", unix.CLONE_NEWUTS, func(c *spec.Container) string { return c.Isolation.UTS }, iso.UTS},
		{"cgroup", unix.CLONE_NEWCGROUP, func(c *spec.Container) string { return c.Isolation.Cgroup }, iso.Cgroup},
		{"pid", unix.CLONE_NEWPID, func(c *spec.Container) string { return c.Isolation.PID }, iso.PID},
	} {
		join, err := s.toJoin(ctx, ns.file, ns.own, s.inherits(ns.mode))
		switch {
		case err != nil:
			return nil, err
		case join != nil:
			cfg.Join = append(cfg.Join, join)
		case ns.own == "host":
		case ns.flag == unix.CLONE_NEWCGROUP:
			s.cgroupns = true // later: its top is where the sandbox then is
		default:
			cfg.New |= ns.flag
		}
	}
	if cfg.New&unix.CLONE_NEWUTS != 0 {
		cfg.Hostname = iso.Hostname
	}
	net, err := s.netToJoin(ctx)
	if err != nil {
		return nil, err
	}
	if net != nil {
		cfg.Join = append(cfg.Join, net)
	}
	return cfg, s.userNamespace(cfg)
}

// emptyRoot makes the directory in which the sandbox lives.
func (s *infraStart) emptyRoot() (*os.File, error) {
	path := filepath.Join(s.c.RunDir(), "root")
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := os.Chmod(path, 0o711); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err == nil {
		s.files = append(s.files, f)
	}
	return f, err
}

// toJoin is the open file of a namespace that is there already, nil if there
// is none.
func (s *infraStart) toJoin(ctx context.Context, file, mode string, inherited bool) (*os.File, error) {
	path, _, err := s.c.rt.namespacePath(ctx, mode, file)
	if err != nil {
		return nil, err
	}
	if inherited {
		path = "/proc/" + strconv.Itoa(s.pid) + "/ns/" + file
	}
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err == nil {
		s.files = append(s.files, f)
	}
	return f, err
}

// netToJoin is the network namespace the sandbox enters; nil is carob's own.
func (s *infraStart) netToJoin(ctx context.Context) (*os.File, error) {
	switch {
	case s.net.ns != nil:
		return s.net.ns, nil
	case s.net.kind == netHost:
		return nil, nil
	case s.net.kind == netNone:
		ns, err := netns.New()
		if err == nil {
			s.files = append(s.files, ns)
		}
		return ns, err
	}
	return s.toJoin(ctx, "net", s.c.Network.Mode, false)
}

func (s *infraStart) userNamespace(cfg *sandbox.Config) error {
	m := s.c.Isolation.Mapping
	if m == nil {
		return nil
	}
	if s.survivor != nil {
		ns, err := s.openNamespace("user")
		if err != nil {
			return err
		}
		s.files = append(s.files, ns)
		cfg.User = ns
		return nil
	}
	cfg.UIDs, cfg.GIDs = procMappings(m.UIDs), procMappings(m.GIDs)
	return nil
}

func procMappings(maps []spec.IDMap) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(maps))
	for i, m := range maps {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.Container), HostID: int(m.Host), Size: int(m.Size)}
	}
	return out
}

// infraShm is where, in the sandbox's mount namespace, the members' /dev/shm
// is mounted.
func (c *Container) infraShm() string { return filepath.Join(c.RunDir(), "shm") }

// mountShm mounts the shared memory of the pod's IPC namespace, that of the
// survivor if there is one.
func (s *infraStart) mountShm(cfg *sandbox.Config) error {
	at := s.c.infraShm()
	if cfg.New&unix.CLONE_NEWIPC == 0 && !s.inherits(func(c *spec.Container) string { return c.Isolation.IPC }) {
		return nil
	}
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if cfg.New&unix.CLONE_NEWIPC == 0 {
		return s.inheritShm(at)
	}
	size := "65536k"
	if word := s.c.Mounts.ShmSize; word != "" {
		n, err := spec.ParseSize(word)
		if err != nil {
			return err
		}
		size = strconv.FormatInt(n, 10)
	}
	options := "mode=1777,size=" + size
	if s.c.Isolation.Mapping != nil {
		owner := s.c.outside(0, 0)
		options += fmt.Sprintf(",uid=%d,gid=%d", owner.UID, owner.GID)
	}
	options = selinux.MountData(options, s.c.mountLabel())
	if err := unix.Mount("shm", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("cannot mount the pod's shared memory: %w", err)
	}
	return nil
}

func (s *infraStart) inheritShm(at string) error {
	fd, err := openMountOf(s.pid, "/dev/shm")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot take over the pod's shared memory: %w", err)
	}
	defer unix.Close(fd)
	return unix.MoveMount(fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// setSysctls writes the kernel parameters of the pod's namespaces, from a
// thread inside them: what /proc/sys shows depends on who looks.
func (s *infraStart) setSysctls(pid int) error {
	host, err := s.c.rt.infraHost(s.c.Container)
	if err != nil {
		return err
	}
	in := bundle.Input{Spec: s.c.Container, Host: host}
	in.Namespaces.NetHost = s.net.kind == netHost
	values, err := bundle.Sysctls(in)
	if err == nil {
		err = s.foreignSysctls(values)
	}
	if err != nil || len(values) == 0 {
		return err
	}
	return sys.OnThread(func() error {
		if err := enterSysctls(pid); err != nil {
			return fmt.Errorf("cannot enter the pod's namespaces: %w", err)
		}
		return writeSysctls(values)
	})
}

// enterSysctls takes the thread into the namespaces of pid that kernel
// parameters belong to. The host's, in which it is already, may not be entered.
func enterSysctls(pid int) error {
	flags := 0
	for file, flag := range map[string]int{"net": unix.CLONE_NEWNET, "ipc": unix.CLONE_NEWIPC} {
		if !sameNamespace(procNamespace(pid, file), "/proc/thread-self/ns/"+file) {
			flags |= flag
		}
	}
	if flags == 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, flags)
}

// foreignSysctls makes of the values what they are for a network namespace that
// is ours where the pod has a user namespace, as setNetSysctls has it.
func (s *infraStart) foreignSysctls(values map[string]string) error {
	m := s.c.Isolation.Mapping
	if m == nil {
		return nil
	}
	switch s.net.kind {
	case netNone, netPasta, netSlirp:
		if values[netPortStart] == "" {
			values[netPortStart] = "0"
		}
	}
	return pingOutside(values, m)
}

func (rt *Runtime) infraHost(c *spec.Container) (bundle.Host, error) {
	r, err := rt.OCI()
	if err != nil {
		return bundle.Host{}, err
	}
	return rt.hostFacts(r, c)
}

// writeFiles makes the hosts, resolv.conf and hostname that members have
// bound; those of a network that lives on stay as they are.
func (s *infraStart) writeFiles(ctx context.Context) error {
	if s.inherits(netMode) {
		return nil
	}
	l := &launcher{c: s.c, net: s.net}
	if err := l.resolveHostname(ctx); err != nil {
		return err
	}
	if err := l.shareFiles(ctx); err != nil {
		return err
	}
	return l.write(l.networkFiles())
}

// endInfra ends the sandbox and writes that down. The caller holds c's lock.
func (c *Container) endInfra(ctx context.Context, st *State) error {
	fd, err := unix.PidfdOpen(st.PID, 0)
	if err == nil {
		defer unix.Close(fd)
		err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot stop container %s: %w", c.Name, err)
	}
	for pause := 200 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		now, err := c.State()
		if err != nil {
			return err
		}
		if now.Stale {
			now.ExitCode, now.Error, now.StoppedByUser = 0, "", true
			c.rt.event(c, "died", map[string]string{"containerExitCode": "0"})
			return c.clean(ctx, now)
		}
		if !now.Live() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// netInUse tells whether c is an infra container whose network a member still
// uses: then it is not taken down with c.
func (c *Container) netInUse(ctx context.Context) (bool, error) {
	if !c.Infra {
		return false, nil
	}
	other, _, err := c.survivor(ctx)
	return other != nil && other.Network.Mode == "container:"+c.ID, err
}

// refuseInfra is for what needs a root file system or a program of the
// container's own.
func (c *Container) refuseInfra(verb string) error {
	if !c.Infra {
		return nil
	}
	return WithHint(fmt.Errorf("cannot %s container %s: it is the infra container of pod %s, which holds namespaces and has no files and no program",
		verb, c.Name, c.Pod[:12]), "use one of the pod's other containers: carob ps --filter pod="+c.Pod[:12])
}
