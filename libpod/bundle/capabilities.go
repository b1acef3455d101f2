package bundle

import (
	"fmt"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/spec"
)

// capabilitySet is a set of capabilities, bit n for capability n of
// linux/capability.h.
type capabilitySet uint64

// capabilityNames are the kernel's, by number, without CAP_.
func capabilityNames() []string {
	return []string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
		"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
		"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
		"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
		"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
		"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
	}
}

// DefaultCapabilities are what a container's root keeps.
func DefaultCapabilities() []string {
	return []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE",
		"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
}

// addCapabilities gives root all that the container may have, and any other
// user what was asked for by name, as ambient capabilities so that it
// survives the exec of an ordinary program.
func (g *generator) addCapabilities() error {
	names := capabilityNames()
	all := capabilitySet(1)<<len(names) - 1
	if g.Host.Capabilities != 0 {
		all &= capabilitySet(g.Host.Capabilities)
	}
	s := &g.Spec.Security
	bounding, err := mergeCapabilities(names, all, s)
	if err != nil {
		return err
	}
	added, err := parseCapabilities(names, all, s.CapAdd)
	if err != nil {
		return err
	}
	bounding, added = bounding&all, added&all&bounding
	g.caps = bounding
	caps := &rspec.LinuxCapabilities{Bounding: bounding.list(names)}
	if g.User.UID == 0 {
		caps.Effective, caps.Permitted = caps.Bounding, caps.Bounding
	} else if added != 0 && !s.Privileged {
		list := added.list(names)
		caps.Effective, caps.Permitted, caps.Inheritable, caps.Ambient = list, list, list, list
	}
	g.oci.Config.Process.Capabilities = caps
	return nil
}

// mergeCapabilities is the bounding set: --privileged, or the defaults with
// --cap-add and --cap-drop, of which either may say ALL.
func mergeCapabilities(names []string, all capabilitySet, s *spec.Security) (capabilitySet, error) {
	if s.Privileged {
		return all, nil
	}
	added, err := parseCapabilities(names, all, s.CapAdd)
	if err != nil {
		return 0, err
	}
	dropped, err := parseCapabilities(names, all, s.CapDrop)
	if err != nil {
		return 0, err
	}
	usual := s.DefaultCaps
	if usual == nil {
		usual = DefaultCapabilities()
	}
	defaults, err := parseCapabilities(names, all, usual)
	if err != nil {
		return 0, err
	}
	switch addAll, dropAll := hasAll(s.CapAdd), hasAll(s.CapDrop); {
	case addAll && dropAll:
		return 0, fmt.Errorf("adding all caps and removing all caps not allowed")
	case dropAll:
		return added, nil
	case addAll:
		return all &^ dropped, nil
	case added&dropped != 0:
		return 0, fmt.Errorf("capability %q cannot be dropped and added", (added & dropped).list(names)[0])
	}
	return (defaults | added) &^ dropped, nil
}

func hasAll(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, "ALL") })
}

func parseCapabilities(names []string, all capabilitySet, words []string) (capabilitySet, error) {
	var set capabilitySet
	for _, word := range words {
		name := strings.TrimPrefix(strings.ToUpper(word), "CAP_")
		n := slices.Index(names, name)
		switch {
		case name == "ALL":
			set |= all
		case n < 0:
			return 0, fmt.Errorf("%q: unknown capability", "CAP_"+name)
		default:
			set |= 1 << n
		}
	}
	return set, nil
}

// list is the set as sorted CAP_ names.
func (set capabilitySet) list(names []string) []string {
	var list []string
	for n, name := range names {
		if set&(1<<n) != 0 {
			list = append(list, "CAP_"+name)
		}
	}
	slices.Sort(list)
	return list
}
