package spec

import (
	"fmt"
	"path"
	"strings"
)

// joins tells that a namespace mode names somebody else's.
func joins(mode string) bool {
	word, _, _ := strings.Cut(mode, ":")
	return word == "container" || word == "ns" || word == "pod"
}

// validateMode checks the word of a namespace flag against those it knows,
// beside "", private, host, pod, container:NAME and ns:PATH, which all know.
func validateMode(flag, mode string, extra ...string) error {
	word, argument, hasArgument := strings.Cut(mode, ":")
	switch word {
	case "", "private", "host", "pod":
		if hasArgument {
			return fmt.Errorf("invalid %s %q: %s takes no argument", flag, mode, word)
		}
		return nil
	case "container":
		if argument == "" {
			return fmt.Errorf("invalid %s %q: must name a container", flag, mode)
		}
		return nil
	case "ns":
		if !path.IsAbs(argument) {
			return fmt.Errorf("invalid %s %q: must name an absolute path", flag, mode)
		}
		return nil
	}
	return oneOf(flag, word, append([]string{"private", "host", "pod", "container:NAME", "ns:PATH"}, extra...)...)
}

func (c *Container) validateNamespaces() error {
	i := &c.Isolation
	for _, n := range []struct {
		flag, mode string
		extra      []string
	}{
		{"--pid", i.PID, nil},
		{"--ipc", i.IPC, []string{"none", "shareable"}},
		{"--uts", i.UTS, nil},
		{"--cgroupns", i.Cgroup, nil},
		{"--userns", i.User, []string{"keep-id", "auto", "nomap"}},
		{"--network", c.Network.Mode, []string{"none", "bridge", "pasta", "slirp4netns"}},
	} {
		if err := validateMode(n.flag, n.mode, n.extra...); err != nil {
			return err
		}
	}
	return nil
}

func (c *Container) validateIsolation() error {
	i := &c.Isolation
	if i.Hostname != "" {
		if i.UTS == "host" || joins(i.UTS) {
			return fmt.Errorf("cannot set --hostname when running in the %s UTS namespace", i.UTS)
		}
		if len(i.Hostname) > 64 || strings.ContainsAny(i.Hostname, " \t\n/") {
			return fmt.Errorf("invalid --hostname %q: at most 64 characters, without spaces and slashes", i.Hostname)
		}
	}
	mapped := len(i.UIDMap)+len(i.GIDMap) > 0 || i.SubUID != "" || i.SubGID != ""
	if mapped && i.User != "" && i.User != "private" {
		return together("--userns "+i.User, "--uidmap, --gidmap, --subuidname or --subgidname")
	}
	if (len(i.UIDMap) > 0 && i.SubUID != "") || (len(i.GIDMap) > 0 && i.SubGID != "") {
		return together("--uidmap or --gidmap", "--subuidname or --subgidname")
	}
	if i.Mapping == nil {
		return nil
	}
	if err := validateMapping("--uidmap", i.Mapping.UIDs); err != nil {
		return err
	}
	return validateMapping("--gidmap", i.Mapping.GIDs)
}

// validateMapping refuses ranges that overlap on either side, as the kernel
// does. See user_namespaces(7).
func validateMapping(flag string, maps []IDMap) error {
	for i, a := range maps {
		if a.Size == 0 {
			return fmt.Errorf("invalid %s %d:%d:%d: the range is empty", flag, a.Container, a.Host, a.Size)
		}
		for _, b := range maps[:i] {
			if overlap(a.Container, b.Container, a.Size, b.Size) || overlap(a.Host, b.Host, a.Size, b.Size) {
				return fmt.Errorf("invalid %s %d:%d:%d: overlaps %d:%d:%d", flag,
					a.Container, a.Host, a.Size, b.Container, b.Host, b.Size)
			}
		}
	}
	return nil
}

func overlap(a, b, sizeA, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

func (c *Container) validateSecurity() error {
	s := &c.Security
	if s.SeccompPolicy != "" {
		if err := oneOf("--seccomp-policy", s.SeccompPolicy, "default", "image"); err != nil {
			return err
		}
	}
	if s.Seccomp != "" && s.Seccomp != "unconfined" && !path.IsAbs(s.Seccomp) {
		return fmt.Errorf("invalid --security-opt seccomp=%s: must be unconfined or an absolute path", s.Seccomp)
	}
	for _, l := range s.Label {
		key, value, _ := strings.Cut(l, ":")
		switch key {
		case "disable", "nested":
		case "user", "role", "type", "level", "filetype":
			if value == "" {
				return fmt.Errorf("invalid --security-opt label=%s: %s needs a value", l, key)
			}
		default:
			return fmt.Errorf("invalid --security-opt label=%s: must be disable, nested, or one of user:, role:, type:, level:, filetype: with a value", l)
		}
	}
	for _, list := range [][]string{s.Mask, s.Unmask} {
		for _, p := range strings.Split(strings.Join(list, ":"), ":") {
			if p != "" && !strings.EqualFold(p, "ALL") && !path.IsAbs(p) {
				return fmt.Errorf("invalid --security-opt mask or unmask %q: must be an absolute path", p)
			}
		}
	}
	return nil
}
