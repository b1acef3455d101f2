package bundle

import (
	"fmt"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/spec"
)

// sharing is how one namespace of the container comes about.
type sharing struct {
	kind   rspec.LinuxNamespaceType
	flag   string
	mode   string // as typed
	path   string // of a namespace to join
	isHost bool   // the host's, by mode or because the one to join is
}

// private tells that the namespace is made for this container alone.
func (s sharing) private() bool { return !s.isHost && s.path == "" }

func newSharing(kind rspec.LinuxNamespaceType, flag, mode, path string, isHost bool) sharing {
	return sharing{kind: kind, flag: flag, mode: mode, path: path, isHost: isHost || mode == "host"}
}

func (g *generator) pid() sharing {
	return newSharing(rspec.PIDNamespace, "--pid", g.Spec.Isolation.PID, g.Namespaces.PID, g.Namespaces.PIDHost)
}

func (g *generator) ipc() sharing {
	return newSharing(rspec.IPCNamespace, "--ipc", g.Spec.Isolation.IPC, g.Namespaces.IPC, g.Namespaces.IPCHost)
}

func (g *generator) uts() sharing {
	return newSharing(rspec.UTSNamespace, "--uts", g.Spec.Isolation.UTS, g.Namespaces.UTS, g.Namespaces.UTSHost)
}

func (g *generator) net() sharing {
	return newSharing(rspec.NetworkNamespace, "--network", g.Spec.Network.Mode, g.Namespaces.Net, g.Namespaces.NetHost)
}

// cgroup namespaces hide nothing on cgroup v1, where the default is the host's.
func (g *generator) cgroup() sharing {
	mode := g.Spec.Isolation.Cgroup
	if mode == "" && g.Host.CgroupVersion != 2 {
		mode = "host"
	}
	return newSharing(rspec.CgroupNamespace, "--cgroupns", mode, g.Namespaces.Cgroup, g.Namespaces.CgroupHost)
}

func (g *generator) addNamespaces() error {
	ns := []rspec.LinuxNamespace{{Type: rspec.MountNamespace}}
	for _, s := range []sharing{g.pid(), g.net(), g.ipc(), g.uts(), g.cgroup()} {
		if err := s.check(); err != nil {
			return err
		}
		if !s.isHost {
			ns = append(ns, rspec.LinuxNamespace{Type: s.kind, Path: s.path})
		}
	}
	g.oci.Config.Linux.Namespaces = ns
	if uts := g.uts(); uts.private() && g.Hostname != "" {
		g.oci.SetHostname(g.Hostname)
	}
	return g.addUserNamespace()
}

// check refuses a mode that names somebody else's namespace which nobody
// looked up: a container must not get one of its own by mistake.
func (s sharing) check() error {
	word, _, _ := strings.Cut(s.mode, ":")
	if (word == "container" || word == "ns" || word == "pod") && s.private() {
		return fmt.Errorf("cannot join the %s namespace of %s %s: it is not there", s.kind, s.flag, s.mode)
	}
	return nil
}

// addUserNamespace adds the container's own mapping. Without one the
// container lives in the user namespace carob runs in.
func (g *generator) addUserNamespace() error {
	if path := g.Namespaces.User; path != "" {
		g.oci.Config.Linux.Namespaces = append(g.oci.Config.Linux.Namespaces, rspec.LinuxNamespace{Type: rspec.UserNamespace, Path: path})
		// Runtimes want a mapping even when it is not theirs to make.
		g.oci.AddLinuxUIDMapping(0, 0, 1)
		g.oci.AddLinuxGIDMapping(0, 0, 1)
		return nil
	}
	m := g.Spec.Isolation.Mapping
	if m == nil {
		return nil
	}
	if len(m.UIDs) == 0 || len(m.GIDs) == 0 {
		return fmt.Errorf("cannot use --userns %s: no ids are mapped", g.Spec.Isolation.User)
	}
	g.oci.Config.Linux.Namespaces = append(g.oci.Config.Linux.Namespaces, rspec.LinuxNamespace{Type: rspec.UserNamespace})
	g.oci.Config.Linux.UIDMappings, g.oci.Config.Linux.GIDMappings = ociMappings(m.UIDs), ociMappings(m.GIDs)
	return nil
}

func ociMappings(maps []spec.IDMap) []rspec.LinuxIDMapping {
	list := make([]rspec.LinuxIDMapping, len(maps))
	for i, m := range maps {
		list[i] = rspec.LinuxIDMapping{ContainerID: m.Container, HostID: m.Host, Size: m.Size}
	}
	return list
}

// foreignNet tells that the network namespace belongs to another user
// namespace than the container: nothing may be mounted or set on its behalf.
func (g *generator) foreignNet() bool {
	net := g.net()
	if net.isHost {
		return g.Host.Rootless || g.ownUserNS()
	}
	return net.path != "" && g.ownUserNS()
}

func (g *generator) ownUserNS() bool {
	return g.Spec.Isolation.Mapping != nil || g.Namespaces.User != ""
}

func personality(domain string) *rspec.LinuxPersonality {
	return &rspec.LinuxPersonality{Domain: rspec.LinuxPersonalityDomain(domain)}
}
