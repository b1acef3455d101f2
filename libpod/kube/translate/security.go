package translate

import (
	"fmt"
	"math"
	"path"
	"path/filepath"

	core "k8s.io/api/core/v1"

	"github.com/carob-containers/carob/libpod/spec"
)

// maxID is the highest user or group; the one above stands for none.
const maxID = math.MaxUint32 - 1

// security is what counts for one container: its own word, else the pod's.
type security struct {
	user, group *int64
	nonRoot     *bool
	selinux     *core.SELinuxOptions
	seccomp     *core.SeccompProfile
	apparmor    *core.AppArmorProfile
	own         core.SecurityContext
	pod         core.PodSecurityContext
}

func first[T any](list ...*T) *T {
	for _, p := range list {
		if p != nil {
			return p
		}
	}
	return nil
}

func (m *member) security() security {
	var s security
	if c := m.pod.spec.SecurityContext; c != nil {
		s.pod = *c
	}
	if c := m.c.SecurityContext; c != nil {
		s.own = *c
	}
	s.user, s.group = first(s.own.RunAsUser, s.pod.RunAsUser), first(s.own.RunAsGroup, s.pod.RunAsGroup)
	s.nonRoot = first(s.own.RunAsNonRoot, s.pod.RunAsNonRoot)
	s.selinux = first(s.own.SELinuxOptions, s.pod.SELinuxOptions)
	s.seccomp = first(s.own.SeccompProfile, s.pod.SeccompProfile)
	s.apparmor = first(s.own.AppArmorProfile, s.pod.AppArmorProfile)
	return s
}

func (m *member) setSecurity() error {
	s, out, at := m.security(), &m.out.Security, m.field("securityContext")
	if err := m.setUser(&s); err != nil {
		return m.errorf(at, "%w", err)
	}
	out.Privileged = isTrue(s.own.Privileged)
	out.NoNewPrivileges = s.own.AllowPrivilegeEscalation != nil && !*s.own.AllowPrivilegeEscalation
	if out.NoNewPrivileges && out.Privileged {
		return m.errorf(at, "privileged contradicts allowPrivilegeEscalation: false")
	}
	if c := s.own.Capabilities; c != nil {
		for _, name := range c.Add {
			out.CapAdd = append(out.CapAdd, string(name))
		}
		for _, name := range c.Drop {
			out.CapDrop = append(out.CapDrop, string(name))
		}
	}
	if isTrue(s.own.ReadOnlyRootFilesystem) {
		m.out.Mounts.ReadOnly, m.out.Mounts.NoReadOnlyTmpfs = true, true
	}
	if p := s.own.ProcMount; p != nil {
		switch *p {
		case core.UnmaskedProcMount:
			out.Unmask = []string{"ALL"}
		case core.DefaultProcMount:
		default:
			return m.errorf(at+".procMount", "%q is neither Default nor Unmasked", *p)
		}
	}
	setSELinux(out, s.selinux)
	if err := m.setSeccomp(s.seccomp); err != nil {
		return m.errorf(at+".seccompProfile", "%w", err)
	}
	if err := setAppArmor(out, s.apparmor); err != nil {
		return m.errorf(at+".appArmorProfile", "%w", err)
	}
	if m.pod.spec.HostPID {
		m.out.Isolation.PID = "host"
	}
	m.out.Mounts.NoHosts, m.out.Mounts.NoHostname = m.src.Options.NoHosts, m.src.Options.NoHostname
	return nil
}

func (m *member) setUser(s *security) error {
	p := &m.out.Process
	for _, id := range append([]*int64{s.user, s.group}, pointers(s.pod.SupplementalGroups)...) {
		if id != nil && (*id < 0 || *id > maxID) {
			return fmt.Errorf("%d is no user or group", *id)
		}
	}
	switch {
	case s.user != nil && s.group != nil:
		p.User = fmt.Sprintf("%d:%d", *s.user, *s.group)
	case s.user != nil:
		p.User = fmt.Sprint(*s.user)
	case s.group != nil:
		p.User = fmt.Sprintf(":%d", *s.group) // the image's user
	}
	if isTrue(s.nonRoot) {
		if s.user != nil && *s.user == 0 {
			return fmt.Errorf("runAsUser 0 contradicts runAsNonRoot")
		}
		m.nonRoot = s.user == nil
	}
	for _, g := range s.pod.SupplementalGroups {
		p.Groups = append(p.Groups, fmt.Sprint(g))
	}
	if g := m.pod.out.FSGroup; g != nil {
		p.Groups = append(p.Groups, fmt.Sprint(*g))
	}
	return nil
}

func pointers(list []int64) []*int64 {
	out := make([]*int64, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func setSELinux(out *spec.Security, o *core.SELinuxOptions) {
	if o == nil {
		return
	}
	for _, part := range []struct{ key, value string }{{"user", o.User}, {"role", o.Role}, {"type", o.Type}, {"level", o.Level}} {
		if part.value != "" {
			out.Label = append(out.Label, part.key+":"+part.value)
		}
	}
}

func (m *member) setSeccomp(p *core.SeccompProfile) error {
	if p == nil {
		return nil
	}
	if err := checkProfile(string(p.Type), p.LocalhostProfile); err != nil {
		return err
	}
	switch p.Type {
	case core.SeccompProfileTypeUnconfined:
		m.out.Security.Seccomp = "unconfined"
	case core.SeccompProfileTypeLocalhost:
		if !filepath.IsLocal(*p.LocalhostProfile) {
			return fmt.Errorf("localhostProfile %q leads out of --seccomp-profile-root", *p.LocalhostProfile)
		}
		m.out.Security.Seccomp = path.Join(m.src.Options.SeccompRoot, *p.LocalhostProfile)
	}
	return nil
}

func setAppArmor(out *spec.Security, p *core.AppArmorProfile) error {
	if p == nil {
		return nil
	}
	if err := checkProfile(string(p.Type), p.LocalhostProfile); err != nil {
		return err
	}
	switch p.Type {
	case core.AppArmorProfileTypeUnconfined:
		out.AppArmor = "unconfined"
	case core.AppArmorProfileTypeLocalhost:
		out.AppArmor = *p.LocalhostProfile
	}
	return nil
}

// checkProfile: the types are the same for seccomp and AppArmor, and Localhost
// has a profile's name, and only that one.
func checkProfile(kind string, localhost *string) error {
	switch core.SeccompProfileType(kind) {
	case core.SeccompProfileTypeLocalhost:
		if localhost == nil || *localhost == "" {
			return fmt.Errorf("localhostProfile is missing")
		}
	case core.SeccompProfileTypeRuntimeDefault, core.SeccompProfileTypeUnconfined:
		if localhost != nil {
			return fmt.Errorf("localhostProfile %q goes with type Localhost, not with %s", *localhost, kind)
		}
	default:
		return fmt.Errorf("type %q is none of RuntimeDefault, Unconfined, Localhost", kind)
	}
	return nil
}
