package bundle

import (
	"fmt"
	"slices"

	"github.com/moby/profiles/seccomp"
	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// filterAnnotation hands crun a compiled filter, base64, in place of
// linux.seccomp. See crun(1).
const filterAnnotation = "run.oci.seccomp_bpf_data"

// addSeccomp limits the system calls: the default profile fitted to the
// container's capabilities, a file's, or none.
func (g *generator) addSeccomp() error {
	s := &g.Spec.Security
	var err error
	switch {
	case s.Seccomp == "unconfined":
	case s.Seccomp != "":
		if g.SeccompProfile == nil {
			return fmt.Errorf("cannot use seccomp profile %s: it was not read", s.Seccomp)
		}
		g.oci.Config.Linux.Seccomp, err = seccomp.LoadProfile(string(g.SeccompProfile), g.oci.Config)
		if err == nil {
			err = checkActions(g.oci.Config.Linux.Seccomp)
		}
		if err != nil {
			return fmt.Errorf("cannot use seccomp profile %s: %w", s.Seccomp, err)
		}
	case !s.Privileged:
		g.oci.Config.Linux.Seccomp, err = g.defaultSeccomp()
		if err == nil && g.Host.Runtime == "crun" {
			useFilter(g.oci.Config, compileFilter(g.oci.Config.Linux.Seccomp))
		}
	}
	return err
}

// checkActions refuses what no runtime knows, seccomp_rule_add(3).
func checkActions(profile *rspec.LinuxSeccomp) error {
	actions := []rspec.LinuxSeccompAction{profile.DefaultAction}
	for _, s := range profile.Syscalls {
		actions = append(actions, s.Action)
	}
	for _, a := range actions {
		switch a {
		case rspec.ActKill, rspec.ActKillProcess, rspec.ActKillThread, rspec.ActTrap, rspec.ActErrno,
			rspec.ActTrace, rspec.ActAllow, rspec.ActLog, rspec.ActNotify:
		default:
			return fmt.Errorf("%q is no action", a)
		}
	}
	return nil
}

// nestingCalls make containers inside the container possible, as podman's
// default profile has it: without a capability the kernel lets them act on
// namespaces of the caller's own only.
func nestingCalls() []string {
	return []string{"clone", "clone3", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr",
		"move_mount", "open_tree", "pivot_root", "setns", "umount", "umount2", "unshare", "keyctl"}
}

// refusedCalls are known calls no container needs. They get EPERM; a call the
// profile does not know gets ENOSYS, so that a C library newer than the
// profile falls back to what came before.
func refusedCalls() []string {
	return []string{"bdflush", "kexec_file_load", "kexec_load", "migrate_pages", "move_pages", "nfsservctl",
		"nice", "oldfstat", "oldlstat", "oldolduname", "oldstat", "olduname", "pciconfig_iobase", "pciconfig_read",
		"pciconfig_write", "sgetmask", "ssetmask", "swapoff", "swapon", "sysfs", "uselib", "userfaultfd", "ustat",
		"vm86", "vm86old", "vmsplice", "add_key", "request_key", "io_uring_enter", "io_uring_register", "io_uring_setup"}
}

// defaultSeccomp is moby's profile with podman's two differences: see
// nestingCalls and refusedCalls.
func (g *generator) defaultSeccomp() (*rspec.LinuxSeccomp, error) {
	compiled, err := seccomp.GetDefaultProfile(g.oci.Config)
	if err != nil {
		return nil, fmt.Errorf("cannot make the default seccomp profile: %w", err)
	}
	nesting := nestingCalls()
	compiled.Syscalls = slices.DeleteFunc(compiled.Syscalls, func(s rspec.LinuxSyscall) bool {
		return len(s.Names) == 1 && slices.Contains(nesting, s.Names[0])
	})
	compiled.Syscalls = append(compiled.Syscalls, rspec.LinuxSyscall{Names: nesting, Action: rspec.ActAllow})
	refuse(compiled, append(privilegedCalls(), refusedCalls()...))
	return compiled, nil
}

// privilegedCalls are those the profile allows to some capability only.
func privilegedCalls() []string {
	var names []string
	for _, s := range seccomp.DefaultProfile().Syscalls {
		if s.Includes != nil && len(s.Includes.Caps) > 0 {
			names = append(names, s.Names...)
		}
	}
	return names
}

// refuse gives those of the calls that no rule mentions EPERM, and every
// other unmentioned call ENOSYS.
func refuse(profile *rspec.LinuxSeccomp, calls []string) {
	known := make(map[string]bool, 512)
	for _, s := range profile.Syscalls {
		for _, name := range s.Names {
			known[name] = true
		}
	}
	var names []string
	for _, name := range calls {
		if !known[name] {
			known[name] = true
			names = append(names, name)
		}
	}
	notPermitted, noSuchCall := uint(unix.EPERM), uint(unix.ENOSYS)
	profile.DefaultErrnoRet = &noSuchCall
	profile.Syscalls = append(profile.Syscalls, rspec.LinuxSyscall{Names: names, Action: rspec.ActErrno, ErrnoRet: &notPermitted})
}
