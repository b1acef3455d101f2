package libpod

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/netns"
	"github.com/carob-containers/carob/pkg/userns"
)

// Network kinds.
const (
	netNone  = "none"
	netHost  = "host"
	netPasta = "pasta"
	netSlirp = "slirp4netns"
	netJoin  = "container"
	netPath  = "ns"
)

// network is a container's network while it is being set up. The user's
// network takes longer than all the rest of a start, so it is begun first and
// waited for last.
type network struct {
	kind    string
	join    string   // container ID or path
	ns      *os.File // of a namespace of our making
	helper  *netns.Helper
	claimed bool
}

// networkKind reads Network.Mode. An unprivileged user's default is pasta;
// root has bridges in a later version and until then shares pasta's way.
func networkKind(mode string) (kind, arg string, err error) {
	kind, arg, _ = strings.Cut(mode, ":")
	switch kind {
	case "", "private", "default":
		return netPasta, arg, nil
	case netNone, netHost, netPasta, netSlirp, netJoin, netPath:
		return kind, arg, nil
	case "bridge":
		return "", "", fmt.Errorf("cannot use network %q: named and bridge networks come in a later version of carob", mode)
	}
	return "", "", fmt.Errorf("cannot use network %q: it is not a known network mode", mode)
}

// PublishedPorts are those of the network that the container is in: its own,
// or that of another container, as its pod's is.
func (c *Container) PublishedPorts(ctx context.Context) ([]spec.Port, error) {
	id, joined := otherContainer(c.Network.Mode)
	if !joined {
		return c.Network.Ports, nil
	}
	other, err := c.rt.Container(ctx, id)
	if err != nil {
		return nil, ignoreGone(err)
	}
	return other.PublishedPorts(ctx)
}

// beginNetwork starts setting up the network of c, which may not exist yet
// but has its ID.
func (rt *Runtime) beginNetwork(ctx context.Context, c *spec.Container) (*network, error) {
	kind, arg, err := networkKind(c.Network.Mode)
	if err != nil {
		return nil, err
	}
	n := &network{kind: kind, join: arg}
	if kind != netPasta && kind != netSlirp {
		return n, nil
	}
	ns, err := netns.New()
	if err != nil {
		return nil, err
	}
	return rt.helpNetwork(ctx, c, ns)
}

// helpNetwork starts the helper that connects ns, c's, to the outside.
func (rt *Runtime) helpNetwork(ctx context.Context, c *spec.Container, ns *os.File) (*network, error) {
	kind, arg, err := networkKind(c.Network.Mode)
	if err != nil {
		return nil, err
	}
	n := &network{kind: kind, join: arg, ns: ns}
	runDir := rt.dirs.ContainerRun(c.ID)
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, err
	}
	n.helper, err = netns.Start(ctx, netns.Config{
		Kind: kind, Given: strings.HasPrefix(c.Network.Mode, kind), Options: arg,
		Namespace: n.ns, Ports: netPorts(c.Network.Ports), PIDFile: filepath.Join(runDir, monitor.PastaPID), LockDir: rt.dirs.Run,
		Dirs: rt.opts.HelperDirs, SlirpPath: rt.opts.SlirpPath,
	})
	if err != nil {
		n.ns.Close()
		return nil, err
	}
	n.kind = n.helper.Kind()
	return n, nil
}

// PodIP is the address that a pod with a network of that mode will have, ""
// if nobody can tell before.
func (rt *Runtime) PodIP(mode string) string {
	kind, arg, err := networkKind(mode)
	if err != nil || kind != netPasta && kind != netSlirp {
		return ""
	}
	return netns.PlannedIP(netns.Config{
		Kind: kind, Given: strings.HasPrefix(mode, kind), Options: arg, LockDir: rt.dirs.Run,
		Dirs: rt.opts.HelperDirs, SlirpPath: rt.opts.SlirpPath,
	})
}

// sweepNetworks ends what killed starts have left of networks.
func (rt *Runtime) sweepNetworks() error {
	return netns.Sweep(filepath.Dir(rt.dirs.ContainerRun("any")), monitor.PastaPID, rt.supervised, monitor.SocketFile, store.SandboxFile)
}

// supervised tells that a container has a monitor or a sandbox, or is about to:
// one that was just forked has made nothing yet.
func (rt *Runtime) supervised(id string) bool {
	record, err := os.Open(filepath.Join(rt.dirs.Container(id), monitor.RecordFile))
	if err != nil {
		return false
	}
	defer record.Close()
	held, err := monitor.RecordLocked(int(record.Fd()))
	return held || err != nil
}

// immediate tells that there is nothing to wait for.
func (n *network) immediate() bool { return n.helper == nil }

// wait waits until the network works.
func (n *network) wait() error {
	if n.helper == nil {
		return nil
	}
	return n.helper.Wait()
}

// handOver says that the monitor owns the network from now on.
func (n *network) handOver() {
	n.claimed = true
	if n.helper != nil {
		n.helper.Release()
	}
	if n.ns != nil {
		n.ns.Close()
	}
}

// abort ends what was begun, unless it was handed over.
func (n *network) abort() {
	if n == nil || n.claimed {
		return
	}
	if n.helper != nil {
		n.helper.Kill()
	}
	if n.ns != nil {
		n.ns.Close()
	}
}

// pin gives the namespace a path in the present mount namespace, which the
// OCI runtime can open and which dies with the mount namespace.
func (n *network) pin(runDir string) (string, error) {
	return pinNamespace("/proc/self/fd/"+strconv.Itoa(int(n.ns.Fd())), filepath.Join(runDir, "netns"))
}

func pinNamespace(from, path string) (string, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return "", err
	}
	f.Close()
	if err := unix.Mount(from, path, "", unix.MS_BIND, ""); err != nil {
		return "", fmt.Errorf("cannot pin the namespace %s: %w", from, err)
	}
	return path, nil
}

func netPorts(ports []spec.Port) []netns.Port {
	out := make([]netns.Port, 0, len(ports))
	for _, p := range ports {
		out = append(out, netns.Port{HostIP: p.HostIP, Host: p.HostPort, Container: p.Container, Range: p.Range, Protocol: p.Protocol})
	}
	return out
}

// resolvePorts checks the network mode and gives every published port a host
// port, which the container keeps.
func (rt *Runtime) resolvePorts(_ context.Context, c *spec.Container, img *baseImage) error {
	kind, _, err := networkKind(c.Network.Mode)
	if err != nil {
		return err
	}
	if c.Network.PublishAll {
		c.Network.Ports = append(c.Network.Ports, exposedPorts(c, img)...)
	}
	if len(c.Network.Ports) > 0 && (kind == netJoin || kind == netPath) {
		return fmt.Errorf("cannot publish ports in network %q: they belong to whoever made that network", c.Network.Mode)
	}
	for i := range c.Network.Ports {
		p := &c.Network.Ports[i]
		if p.HostPort != 0 {
			continue
		}
		if p.HostPort, err = netns.FreePort(p.Protocol, p.HostIP, p.Range); err != nil {
			return err
		}
	}
	return nil
}

// exposedPorts are the image's and --expose's that are not published by hand.
func exposedPorts(c *spec.Container, img *baseImage) []spec.Port {
	words := append([]string{}, c.Network.Expose...)
	if img != nil {
		for p := range img.config.Config.ExposedPorts {
			words = append(words, p)
		}
	}
	var out []spec.Port
	for _, w := range words {
		p, err := parseExposed(w)
		if err != nil || published(append(c.Network.Ports, out...), p) {
			continue
		}
		out = append(out, p)
	}
	return out
}

func published(ports []spec.Port, p spec.Port) bool {
	for _, have := range ports {
		if have.Protocol == p.Protocol && p.Container >= have.Container && p.Container < have.Container+max(have.Range, 1) {
			return true
		}
	}
	return false
}

// joinNamespaces finds the namespaces of others and our own network.
func (l *launcher) joinNamespaces(ctx context.Context) error {
	ns := &l.in.Namespaces
	iso := l.c.Isolation
	for _, j := range []struct {
		mode, file string
		path       *string
	}{
		{iso.PID, "pid", &ns.PID}, {iso.IPC, "ipc", &ns.IPC}, {iso.UTS, "uts", &ns.UTS},
		{iso.Cgroup, "cgroup", &ns.Cgroup}, {iso.User, "user", &ns.User}, {l.c.Network.Mode, "net", &ns.Net},
	} {
		path, sandbox, err := l.c.rt.namespacePath(ctx, j.mode, j.file)
		// A sandbox may be killed and another take its place in the same
		// namespaces (decision 8). Its pid would be nobody's, or somebody
		// else's, when the monitor runs the container again.
		if err == nil && sandbox {
			path, err = pinNamespace(path, filepath.Join(l.c.RunDir(), "ns-"+j.file))
		}
		if err != nil {
			return err
		}
		*j.path = path
	}
	if ns.User != "" && sameNamespace(ns.User, "/proc/self/ns/user") {
		ns.User = "" // that container lives where carob does
	}
	// The host's are kept, which nobody without rights on the host can join.
	for _, h := range []struct {
		path, file string
		host       *bool
	}{{ns.PID, "pid", &ns.PIDHost}, {ns.IPC, "ipc", &ns.IPCHost}, {ns.UTS, "uts", &ns.UTSHost}, {ns.Cgroup, "cgroup", &ns.CgroupHost}} {
		*h.host = h.path != "" && sameNamespace(h.path, "/proc/self/ns/"+h.file)
	}
	ns.NetHost = l.net.kind == netHost || ns.Net != "" && sameNamespace(ns.Net, "/proc/self/ns/net")
	if l.net.ns != nil {
		path, err := l.net.pin(l.c.RunDir())
		ns.Net = path
		return err
	}
	return nil
}

// namespacePath is what "container:ID" and "ns:PATH" point to, "" for the
// rest; sandbox: it belongs to an infra container.
func (rt *Runtime) namespacePath(ctx context.Context, mode, file string) (path string, sandbox bool, err error) {
	if path, ok := strings.CutPrefix(mode, "ns:"); ok {
		if _, err := os.Stat(path); err != nil {
			return "", false, fmt.Errorf("cannot join the %s namespace %s: %w", file, path, err)
		}
		return path, false, nil
	}
	id, ok := otherContainer(mode)
	if !ok {
		return "", false, nil
	}
	other, err := rt.Container(ctx, id)
	if err != nil {
		return "", false, err
	}
	st, err := other.State()
	if err != nil {
		return "", false, err
	}
	if st.PID == 0 {
		return "", false, fmt.Errorf("cannot join the %s namespace of container %s: it is not running", file, other.Name)
	}
	return "/proc/" + strconv.Itoa(st.PID) + "/ns/" + file, other.Infra, nil
}

func sameNamespace(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func rootless() bool { return userns.Rootless() }

// ownIPs and hostIP are the addresses that /etc/hosts names.
func (n *network) ownIPs() []string {
	if n.helper == nil {
		return nil
	}
	if ip := n.helper.OwnIP(); ip != "" {
		return []string{ip}
	}
	return nil
}

func (n *network) hostIP() string {
	if n.helper != nil {
		return n.helper.HostIP()
	}
	return netns.HostIP()
}

// parseExposed reads PORT[-PORT][/PROTOCOL], as EXPOSE and --expose have it.
func parseExposed(word string) (spec.Port, error) {
	ports, proto, _ := strings.Cut(word, "/")
	first, last, isRange := strings.Cut(ports, "-")
	from, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return spec.Port{}, err
	}
	to := from
	if isRange {
		if to, err = strconv.ParseUint(last, 10, 16); err != nil || to < from {
			return spec.Port{}, fmt.Errorf("cannot use the range %s", ports)
		}
	}
	return spec.Port{Container: uint16(from), Range: uint16(to - from + 1), Protocol: firstOf(proto, "tcp")}, nil
}
