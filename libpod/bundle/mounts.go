package bundle

import (
	"fmt"
	"path"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/spec"
)

// defaultShmSize is podman's and docker's size of /dev/shm.
const defaultShmSize = 64 << 20

// addMounts collects the mounts in the order of who may override whom, the
// lowest first, and hands them to the runtime parents first.
func (g *generator) addMounts() error {
	table := &mountTable{}
	base, err := g.baseMounts()
	if err != nil {
		return err
	}
	table.addAll(base)
	table.addAll(g.implicitTmpfs())
	table.addAll(g.fileMounts())
	if g.Spec.Process.Init {
		m, err := g.initMount()
		if err != nil {
			return err
		}
		table.add(m)
	}
	for i := range g.Mounts {
		m, err := g.userMount(&g.Mounts[i])
		if err != nil {
			return err
		}
		table.addUser(m)
	}
	g.oci.Config.Mounts = table.sorted()
	g.oci.Config.Linux.RootfsPropagation = rootPropagation(g.oci.Config.Mounts)
	return nil
}

// mountTable has one mount per destination; what comes later replaces.
type mountTable struct{ list []rspec.Mount }

func (t *mountTable) addAll(list []rspec.Mount) {
	for _, m := range list {
		t.add(m)
	}
}

func (t *mountTable) add(m rspec.Mount) {
	m.Destination = path.Clean("/" + m.Destination)
	for i := range t.list {
		if t.list[i].Destination == m.Destination {
			t.list[i] = m
			return
		}
	}
	t.list = append(t.list, m)
}

// addUser adds a mount of the user. Whoever brings a /dev of his own gets it
// whole: what carob would have put into it goes.
func (t *mountTable) addUser(m rspec.Mount) {
	if path.Clean(m.Destination) == "/dev" {
		t.list = slices.DeleteFunc(t.list, func(have rspec.Mount) bool {
			return strings.HasPrefix(have.Destination, "/dev/")
		})
	}
	t.add(m)
}

// sorted puts a mount before those below it and otherwise keeps the order.
func (t *mountTable) sorted() []rspec.Mount {
	slices.SortStableFunc(t.list, func(a, b rspec.Mount) int { return depth(a.Destination) - depth(b.Destination) })
	return t.list
}

func depth(p string) int {
	if p == "/" {
		return 0
	}
	return strings.Count(p, "/")
}

// rootPropagation is what / must be so that the mounts below can have the
// propagation asked for; the runtime's default is private.
func rootPropagation(mounts []rspec.Mount) string {
	root := ""
	for _, m := range mounts {
		if hasOption(m.Options, "shared", "rshared") {
			return "shared"
		}
		if hasOption(m.Options, "slave", "rslave") {
			root = "rslave"
		}
	}
	return root
}

// baseMounts are those every container has, parents first.
func (g *generator) baseMounts() ([]rspec.Mount, error) {
	shm, err := g.shmMounts()
	if err != nil {
		return nil, err
	}
	dev := rspec.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}}
	if g.readOnlyAll() {
		dev.Options = append(dev.Options, "ro")
	}
	mounts := []rspec.Mount{g.procMount(), dev, g.sysMount(),
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: g.devptsOptions(nil)}}
	mounts = append(mounts, g.mqueueMounts()...)
	mounts = append(mounts, shm...)
	if g.nested() && g.sysMount().Type != "bind" { // a bound /sys has it
		mounts = append(mounts, rspec.Mount{
			Destination: selinuxfs, Type: "bind", Source: selinuxfs, Options: []string{"bind", "rprivate", "nosuid", "noexec", "rw"},
		})
	}
	return append(mounts, g.cgroupMounts()...), nil
}

// readOnlyAll: --read-only with --read-only-tmpfs=false leaves nothing writable.
func (g *generator) readOnlyAll() bool {
	return g.Spec.Mounts.ReadOnly && g.Spec.Mounts.NoReadOnlyTmpfs
}

// procMount: a proc of the host's processes can only be bound where the pid
// namespace belongs to a user namespace above.
func (g *generator) procMount() rspec.Mount {
	m := rspec.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
	if g.pid().isHost && (g.Host.Rootless || g.ownUserNS()) {
		m.Type, m.Source, m.Options = "bind", "/proc", append(m.Options, "rbind", "rw", "rprivate")
	} else if opts := g.Spec.Security.ProcOpts; opts != "" {
		m.Options = append(m.Options, strings.Split(opts, ",")...)
	}
	return m
}

// sysMount: sysfs shows one network namespace, and only the owner of that may
// mount it; others bind the host's. In a user namespace of the container's own
// runc (1.1) is refused even with the network its own, and unlike crun it does
// not bind by itself then.
func (g *generator) sysMount() rspec.Mount {
	m := rspec.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev"}}
	if g.foreignNet() || g.ownUserNS() && g.Host.Runtime == "runc" {
		m.Type, m.Source, m.Options = "bind", "/sys", append(m.Options, "rprivate", "rbind")
	}
	if g.Spec.Security.Privileged {
		m.Options = append(m.Options, "rw")
	} else {
		m.Options = append(m.Options, "ro")
	}
	return m
}

func (g *generator) mqueueMounts() []rspec.Mount {
	m := rspec.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}}
	if g.ipc().isHost && (g.Host.Rootless || g.ownUserNS()) {
		if !g.Host.Mqueue {
			return nil
		}
		m.Type, m.Source, m.Options = "bind", "/dev/mqueue", append(m.Options, "bind", "rprivate")
	}
	return []rspec.Mount{m}
}

func (g *generator) shmMounts() ([]rspec.Mount, error) {
	m := rspec.Mount{Destination: "/dev/shm", Type: "bind", Options: []string{"bind", "rprivate", "nosuid", "noexec", "nodev"}}
	ipc := g.ipc()
	switch {
	case ipc.mode == "none":
		return nil, nil
	case g.Files.Shm != "":
		m.Source = g.Files.Shm
	case ipc.isHost:
		m.Source = "/dev/shm"
	default:
		size, err := g.shmSize()
		if err != nil {
			return nil, err
		}
		m.Type, m.Source = "tmpfs", "shm"
		m.Options = []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", size)}
	}
	if g.readOnlyAll() {
		m.Options = append(m.Options, "ro")
	}
	return []rspec.Mount{m}, nil
}

// shmSize is in bytes; 0 means no limit but memory.
func (g *generator) shmSize() (int64, error) {
	if g.Spec.Mounts.ShmSize == "" {
		return defaultShmSize, nil
	}
	n, err := spec.ParseSize(g.Spec.Mounts.ShmSize)
	if err != nil {
		return 0, fmt.Errorf("unable to translate --shm-size: %w", err)
	}
	return n, nil
}

// cgroupMounts: the container sees its own part of the hierarchy, and may
// write to it when it is privileged, runs systemd or is asked to. A bound
// /sys brings the host's along. Where cgroups are v1 there is none to see.
func (g *generator) cgroupMounts() []rspec.Mount {
	if g.Host.CgroupVersion != 2 || g.sysMount().Type == "bind" {
		return nil
	}
	m := rspec.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup"}
	switch {
	case Systemd(g.Spec, g.Image):
		m.Options = []string{"private", "rw"}
	case g.Spec.Security.Privileged || g.unmasked(m.Destination):
		m.Options = []string{"rprivate", "nosuid", "noexec", "nodev", "relatime", "rw"}
	default:
		m.Options = []string{"rprivate", "nosuid", "noexec", "nodev", "relatime", "ro"}
	}
	return []rspec.Mount{m}
}

// implicitTmpfs are the places that are writable with --read-only, and those
// systemd expects to be file systems of their own.
func (g *generator) implicitTmpfs() []rspec.Mount {
	var places []string
	if g.Spec.Mounts.ReadOnly && !g.Spec.Mounts.NoReadOnlyTmpfs {
		places = append(places, "/run", "/tmp", "/var/tmp")
	}
	if Systemd(g.Spec, g.Image) {
		places = append(places, "/run", "/run/lock", "/tmp", "/var/log/journal")
	}
	mounts := make([]rspec.Mount, len(places))
	for i, p := range places {
		mounts[i] = rspec.Mount{Destination: p, Type: "tmpfs", Source: "tmpfs", Options: tmpfsOptions(nil, false)}
	}
	return mounts
}

// fileMounts bind the files carob makes for each container.
func (g *generator) fileMounts() []rspec.Mount {
	f := &g.Files
	inside := []struct{ source, destination string }{
		{f.Hosts, "/etc/hosts"}, {f.ResolvConf, "/etc/resolv.conf"}, {f.Hostname, "/etc/hostname"},
		{f.Passwd, "/etc/passwd"}, {f.Group, "/etc/group"}, {f.Localtime, "/etc/localtime"},
		{f.Containerenv, "/run/.containerenv"}, {f.Secrets, "/run/secrets"},
		{f.Notify, NotifyDir},
	}
	var mounts []rspec.Mount
	for _, file := range inside {
		if file.source != "" {
			mounts = append(mounts, g.fileMount(file.source, file.destination))
		}
	}
	for _, dir := range g.Spec.Mounts.ChrootDirs {
		for _, file := range inside[:3] {
			if file.source != "" {
				mounts = append(mounts, g.fileMount(file.source, path.Join(dir, file.destination)))
			}
		}
	}
	return mounts
}

func (g *generator) fileMount(source, destination string) rspec.Mount {
	m := rspec.Mount{Destination: destination, Type: "bind", Source: source, Options: []string{"bind", "rprivate"}}
	if g.Spec.Mounts.ReadOnly {
		m.Options = append(m.Options, "ro", "nosuid", "noexec", "nodev")
	}
	return m
}

func (g *generator) initMount() (rspec.Mount, error) {
	source := g.Spec.Process.InitPath
	if source == "" {
		source = g.Host.InitPath
	}
	if source == "" {
		return rspec.Mount{}, hinted("install the package catatonit, or name one with --init-path",
			"cannot use --init: no init program was found on the host")
	}
	return rspec.Mount{Destination: initInside, Type: "bind", Source: source, Options: []string{"bind", "ro", "rprivate"}}, nil
}
