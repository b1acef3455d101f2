package libpod

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/rootfs"
)

// process describes the new process as the OCI runtime wants it
// (runtime-spec, config.md, "Process"): the container's own of its last start,
// changed by the options.
func (x *execution) process(pid int) ([]byte, error) {
	body, err := os.ReadFile(filepath.Join(x.c.Dir(), store.BundleFile))
	if err != nil {
		return nil, fmt.Errorf("cannot exec in container %s: %w", x.c.Name, err)
	}
	var cfg struct{ Process rspec.Process }
	if err := json.Unmarshal(body, &cfg); err != nil {
		return nil, fmt.Errorf("cannot read %s of container %s: %w", store.BundleFile, x.c.Name, err)
	}
	p := &cfg.Process
	p.Args, p.Terminal, p.ConsoleSize = x.o.Args, x.o.Terminal, nil
	p.Rlimits = withinRlimits(p.Rlimits, rlimits())
	if x.o.WorkDir != "" {
		p.Cwd = x.o.WorkDir
	}
	if x.o.User != "" {
		if err := x.setUser(p, fmt.Sprintf("/proc/%d/root", pid)); err != nil {
			return nil, err
		}
	}
	if err := x.setCapabilities(p); err != nil {
		return nil, err
	}
	if x.o.Terminal {
		p.Env = withEnv(p.Env, "TERM", "xterm", false)
		if s := x.o.Streams.Size; s.Rows != 0 {
			p.ConsoleSize = &rspec.Box{Height: uint(s.Rows), Width: uint(s.Cols)}
		}
	}
	for _, name := range sortedKeys(x.o.Env) {
		p.Env = withEnv(p.Env, name, x.o.Env[name], true)
	}
	return json.Marshal(p)
}

// withinRlimits lowers the limits of the container's start to those we have
// ourselves, which may be lower, and which an unprivileged user cannot raise.
func withinRlimits(limits []rspec.POSIXRlimit, own map[string]bundle.Rlimit) []rspec.POSIXRlimit {
	if !rootless() {
		return limits
	}
	for i := range limits {
		l := &limits[i]
		if o, ok := own[strings.ToLower(strings.TrimPrefix(l.Type, "RLIMIT_"))]; ok {
			l.Hard = min(l.Hard, o.Hard)
			l.Soft = min(l.Soft, l.Hard)
		}
	}
	return limits
}

// setUser makes the process another user's, who has another home, unless HOME
// was set by hand.
func (x *execution) setUser(p *rspec.Process, root string) error {
	u, err := rootfs.Lookup(root, x.o.User)
	if err != nil {
		return &execError{"cannot exec as user " + x.o.User + ": " + err.Error()}
	}
	own, err := rootfs.Lookup(root, fmt.Sprintf("%d:%d", p.User.UID, p.User.GID))
	if err == nil && slices.Contains(p.Env, "HOME="+own.Home) {
		p.Env = withEnv(p.Env, "HOME", u.Home, true)
	}
	p.User.UID, p.User.GID, p.User.AdditionalGids = u.UID, u.GID, []uint32{u.GID}
	for _, gid := range u.Groups {
		if !slices.Contains(p.User.AdditionalGids, gid) {
			p.User.AdditionalGids = append(p.User.AdditionalGids, gid)
		}
	}
	for _, g := range x.c.Process.Groups {
		if gid, err := rootfs.LookupGroup(root, g); err == nil && !slices.Contains(p.User.AdditionalGids, gid) {
			p.User.AdditionalGids = append(p.User.AdditionalGids, gid)
		}
	}
	return nil
}

// setCapabilities gives root all that the container may have, and others what
// was added on purpose.
func (x *execution) setCapabilities(p *rspec.Process) error {
	caps := p.Capabilities
	if caps == nil {
		caps = &rspec.LinuxCapabilities{}
	}
	bounding, added := caps.Bounding, x.addedCapabilities(caps.Bounding)
	if x.o.Privileged {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return err
		}
		bounding, added = bundle.CapabilityNames(capBnd(string(status))), nil
	}
	p.Capabilities = &rspec.LinuxCapabilities{Bounding: bounding}
	if p.User.UID == 0 {
		p.Capabilities.Effective, p.Capabilities.Permitted = bounding, bounding
	} else if len(added) > 0 {
		p.Capabilities.Effective, p.Capabilities.Permitted = added, added
		p.Capabilities.Inheritable, p.Capabilities.Ambient = added, added
	}
	return nil
}

// addedCapabilities are those of --cap-add, as far as the container has them.
func (x *execution) addedCapabilities(bounding []string) []string {
	var added []string
	for _, word := range x.c.Security.CapAdd {
		name := "CAP_" + strings.TrimPrefix(strings.ToUpper(word), "CAP_")
		if name == "CAP_ALL" {
			return bounding
		}
		if slices.Contains(bounding, name) {
			added = append(added, name)
		}
	}
	return added
}

// withEnv sets a variable in a list of NAME=VALUE, only if it is not there
// unless over says so.
func withEnv(env []string, name, value string, over bool) []string {
	i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	switch {
	case i < 0:
		return append(env, name+"="+value)
	case over:
		env[i] = name + "=" + value
	}
	return env
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
