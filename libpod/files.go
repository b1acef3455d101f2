package libpod

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/hostdev"
	"github.com/carob-containers/carob/pkg/netns"
	"github.com/carob-containers/carob/pkg/rootfs"
)

// resolveHostname: asked for, or of the joined namespace, or the short ID.
func (l *launcher) resolveHostname(ctx context.Context) error {
	c := l.c
	if id, ok := otherContainer(c.Isolation.UTS); ok {
		other, err := c.rt.Container(ctx, id)
		if err != nil {
			return err
		}
		l.in.Hostname = firstOf(other.Isolation.Hostname, other.ID[:12])
		return nil
	}
	switch {
	case c.Isolation.Hostname != "":
		l.in.Hostname = c.Isolation.Hostname
	case c.Isolation.UTS == "host":
		name, err := os.Hostname()
		l.in.Hostname = name
		return err
	default:
		l.in.Hostname = c.ID[:12]
	}
	return nil
}

// madeFile is one that is made for a container and bound into it.
type madeFile struct {
	name string
	path *string // in bundle.Files
	make func() (body string, wanted bool, err error)
}

// networkFiles tell of names and addresses: containers that share a network
// or a host name share these.
func (l *launcher) networkFiles() []madeFile {
	f := &l.in.Files
	return []madeFile{
		{"hosts", &f.Hosts, l.hostsFile}, {"resolv.conf", &f.ResolvConf, l.resolvConf}, {"hostname", &f.Hostname, l.hostnameFile},
	}
}

// writeFiles makes the files that are bound into the container's /etc and /run.
func (l *launcher) writeFiles(ctx context.Context) error {
	if err := l.shareFiles(ctx); err != nil {
		return err
	}
	f := &l.in.Files
	return l.write(append(l.networkFiles(),
		madeFile{".containerenv", &f.Containerenv, l.containerenv}, madeFile{"passwd", &f.Passwd, l.passwdFile},
		madeFile{"group", &f.Group, l.groupFile}, madeFile{"localtime", &f.Localtime, l.localtime}))
}

func (l *launcher) write(files []madeFile) error {
	dir := filepath.Join(l.c.Dir(), store.FilesDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if *f.path != "" {
			continue // somebody else's
		}
		body, wanted, err := f.make()
		if err != nil {
			return fmt.Errorf("cannot make /etc/%s: %w", f.name, err)
		}
		if !wanted {
			continue
		}
		*f.path = filepath.Join(dir, f.name)
		// In place: a file that other containers have bound must keep its inode.
		if err := os.WriteFile(*f.path, []byte(body), 0o644); err != nil {
			return err
		}
		if err := l.giveToRoot(*f.path); err != nil {
			return err
		}
		if err := l.label(*f.path); err != nil {
			return err
		}
	}
	return nil
}

func (l *launcher) hostnameFile() (string, bool, error) {
	return l.in.Hostname + "\n", !l.c.Mounts.NoHostname, nil
}

func (l *launcher) containerenv() (string, bool, error) {
	c := l.c
	if !c.Security.Privileged && !rootless() {
		return "", true, nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "engine=\"carob\"\nname=%q\nid=%q\nimage=%q\nimageid=%q\nrootless=%d\n", c.Name, c.ID, c.ImageName, c.ImageID, boolInt(rootless()))
	if !c.Security.Privileged {
		return "", true, nil
	}
	return b.String(), true, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (l *launcher) hostsFile() (string, bool, error) {
	if l.c.Mounts.NoHosts {
		return "", false, nil
	}
	base, err := l.hostsBase()
	if err != nil {
		return "", false, err
	}
	text, err := netns.Hosts(netns.HostsInput{
		Base: base, Kind: l.net.kind, FullName: l.c.Network.FullName, Hostname: l.in.Hostname, Name: l.c.Name,
		Add: l.c.Network.AddHosts, OwnIPs: l.net.ownIPs(), HostIP: l.hostIP(),
	})
	return string(text), err == nil, err
}

// hostIP is where the container reaches the host, "" where it cannot.
func (l *launcher) hostIP() string {
	switch ip := l.c.Network.HostInternalIP; ip {
	case "":
		return l.net.hostIP()
	case "none":
		return ""
	default:
		return ip
	}
}

func (l *launcher) resolvConf() (string, bool, error) {
	n := l.c.Network
	if len(n.DNS) == 1 && n.DNS[0] == "none" {
		return "", false, nil
	}
	return string(netns.ResolvConf(netns.ResolvInput{
		Host: netns.HostResolvConf(), Kind: l.net.kind, Servers: n.DNS, Search: n.DNSSearch, Options: n.DNSOptions,
		AddServers: n.AddDNS, AddSearch: n.AddDNSSearch, AddOptions: n.AddDNSOptions,
	})), true, nil
}

func (l *launcher) resolveDevices(context.Context) error {
	var err error
	if l.in.Devices, err = hostdev.Resolve(l.c.Mounts.Devices); err != nil {
		return err
	}
	for _, path := range l.c.Resources.BlockDevicePaths() {
		number, err := hostdev.Number(path)
		if err != nil {
			return err
		}
		if l.in.BlockDevices == nil {
			l.in.BlockDevices = map[string]hostdev.DeviceNumber{}
		}
		l.in.BlockDevices[path] = number
	}
	l.in.SeccompProfile, err = seccompProfile(l.c.Container)
	return err
}

// localtime is the zone of --tz.
func (l *launcher) localtime() (string, bool, error) {
	tz := l.c.Process.Timezone
	if tz == "" {
		return "", false, nil
	}
	body, err := rootfs.Timezone(tz)
	return string(body), err == nil, err
}

// giveToRoot makes the container's root, whoever that is outside, the owner
// of a file that is bound into it.
func (l *launcher) giveToRoot(path string) error {
	if l.c.Isolation.Mapping == nil {
		return nil
	}
	owner := l.c.outside(0, 0)
	return os.Chown(path, owner.UID, owner.GID)
}
