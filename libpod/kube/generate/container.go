package generate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/carob-containers/carob/libpod/spec"
)

// memberWriter writes one container.
type memberWriter struct {
	*podWriter
	c     *spec.Container
	binds map[string]string
	out   core.Container
}

func (m *memberWriter) lost(what string) {
	m.warn("container %s: %s is not written: Kubernetes has no words for it", m.c.Name, what)
}

func (m *memberWriter) build() {
	c := m.c
	m.out = core.Container{Name: strings.TrimPrefix(c.Name, m.name+"-"), Image: c.ImageName, WorkingDir: c.Process.WorkDir, TTY: c.Process.Terminal, Stdin: c.Process.Stdin}
	if m.out.Image == "" {
		m.out.Image = c.Image
	}
	if c.Rootfs != nil {
		m.lost("its root file system " + c.Rootfs.Path)
	}
	m.setCommand()
	m.setEnv()
	m.setSecurity()
	m.setMounts()
	m.setShm()
	m.setProbes()
	m.setAnnotations()
	m.warnOfLabels()
	if r := resources(&c.Resources); r != nil {
		m.out.Resources = *r
	}
	if c.Process.Timezone != "" {
		m.lost("its time zone")
	}
	if c.Process.Umask != "" {
		m.lost("its umask")
	}
}

func (m *memberWriter) setCommand() {
	word := escape
	if m.c.Process.CommandTemplate {
		word = func(text string) string { return text }
	}
	if e := m.c.Process.Entrypoint; e != nil {
		for _, w := range *e {
			m.out.Command = append(m.out.Command, word(w))
		}
	}
	for _, w := range m.c.Process.Command {
		m.out.Args = append(m.out.Args, word(w))
	}
}

// escape keeps what looks like $(NAME) from being taken for it.
func escape(text string) string {
	if !strings.Contains(text, "$(") && !strings.Contains(text, "$$") {
		return text
	}
	return spec.EscapeExpand(text)
}

// setEnv writes secrets first: what is made of them comes behind.
func (m *memberWriter) setEnv() {
	p := &m.c.Process
	for _, s := range p.Secrets {
		if s.Type != "env" || s.Key == "" {
			m.lost("the secret " + s.Source)
			continue
		}
		m.out.Env = append(m.out.Env, core.EnvVar{Name: s.Target, ValueFrom: &core.EnvVarSource{
			SecretKeyRef: &core.SecretKeySelector{LocalObjectReference: core.LocalObjectReference{Name: s.Source}, Key: s.Key},
		}})
	}
	for _, name := range sorted(p.Env) {
		m.out.Env = append(m.out.Env, core.EnvVar{Name: name, Value: escape(p.Env[name])})
	}
	for _, name := range sorted(p.EnvTemplates) {
		m.out.Env = append(m.out.Env, core.EnvVar{Name: name, Value: p.EnvTemplates[name]})
	}
}

// resources writes limits, or nil.
func resources(r *spec.Resources) *core.ResourceRequirements {
	out := &core.ResourceRequirements{}
	put := func(list *core.ResourceList, name core.ResourceName, q *resource.Quantity) {
		if *list == nil {
			*list = core.ResourceList{}
		}
		(*list)[name] = *q
	}
	if r.CPUs > 0 {
		put(&out.Limits, core.ResourceCPU, resource.NewMilliQuantity(int64(r.CPUs*1000+0.5), resource.DecimalSI))
	}
	if n, err := spec.ParseSize(r.Memory); err == nil && n > 0 {
		put(&out.Limits, core.ResourceMemory, resource.NewQuantity(n, resource.BinarySI))
	}
	if r.CPUShares > 0 {
		put(&out.Requests, core.ResourceCPU, resource.NewMilliQuantity(int64((r.CPUShares*1000+1023)/1024), resource.DecimalSI))
	}
	if n, err := spec.ParseSize(r.MemoryReservation); err == nil && n > 0 {
		put(&out.Requests, core.ResourceMemory, resource.NewQuantity(n, resource.BinarySI))
	}
	if out.Limits == nil && out.Requests == nil {
		return nil
	}
	return out
}

// setSecurity writes users, capabilities and what else narrows or widens.
func (m *memberWriter) setSecurity() {
	s, c, yes, no := &core.SecurityContext{}, m.c, true, false
	m.setUser(s)
	sec := &c.Security
	if len(sec.CapAdd)+len(sec.CapDrop) > 0 {
		s.Capabilities = &core.Capabilities{}
		for _, name := range sec.CapAdd {
			s.Capabilities.Add = append(s.Capabilities.Add, core.Capability(name))
		}
		for _, name := range sec.CapDrop {
			s.Capabilities.Drop = append(s.Capabilities.Drop, core.Capability(name))
		}
	}
	if sec.Privileged {
		s.Privileged = &yes
	}
	if sec.NoNewPrivileges {
		s.AllowPrivilegeEscalation = &no
	}
	if c.Mounts.ReadOnly {
		s.ReadOnlyRootFilesystem = &yes
	}
	if slices.Contains(sec.Unmask, "ALL") {
		unmasked := core.UnmaskedProcMount
		s.ProcMount = &unmasked
	}
	switch {
	case sec.Seccomp == "unconfined":
		s.SeccompProfile = &core.SeccompProfile{Type: core.SeccompProfileTypeUnconfined}
	case sec.Seccomp != "":
		m.annotations[annotation+"seccomp/"+m.out.Name] = sec.Seccomp
	}
	if sec.AppArmor != "" {
		m.annotations[annotation+"apparmor/"+m.out.Name] = sec.AppArmor
	}
	s.SELinuxOptions = m.labels4(sec.Label)
	if *s != (core.SecurityContext{}) {
		m.out.SecurityContext = s
	}
}

func (m *memberWriter) labels4(words []string) *core.SELinuxOptions {
	var o core.SELinuxOptions
	for _, word := range words {
		key, value, _ := strings.Cut(word, ":")
		switch key {
		case "user":
			o.User = value
		case "role":
			o.Role = value
		case "type":
			o.Type = value
		case "level":
			o.Level = value
		default:
			m.annotations[annotation+"label/"+m.out.Name] = word
		}
	}
	if o == (core.SELinuxOptions{}) {
		return nil
	}
	return &o
}

func (m *memberWriter) setUser(s *core.SecurityContext) {
	user, group, _ := strings.Cut(m.c.Process.User, ":")
	for _, part := range []struct {
		what, word string
		to         **int64
	}{{"user", user, &s.RunAsUser}, {"group", group, &s.RunAsGroup}} {
		if part.word == "" {
			continue
		}
		id, err := strconv.ParseInt(part.word, 10, 64)
		if err != nil {
			m.warn("container %s: the %s %s is not written: Kubernetes knows numbers only", m.c.Name, part.what, part.word)
			continue
		}
		*part.to = &id
	}
}

// addPorts writes the pod's ports.
func (m *memberWriter) addPorts() {
	for _, p := range m.ports() {
		out := core.ContainerPort{ContainerPort: int32(p.Container), HostPort: int32(p.HostPort), HostIP: p.HostIP}
		if p.Protocol != "tcp" {
			out.Protocol = core.Protocol(strings.ToUpper(p.Protocol))
		}
		m.out.Ports = append(m.out.Ports, out)
	}
}

func (m *memberWriter) setProbes() {
	if p := m.c.Probes; p != nil {
		m.out.StartupProbe, m.out.LivenessProbe, m.out.ReadinessProbe = probe(p.Startup), probe(p.Liveness), probe(p.Readiness)
	}
	if h := m.c.Health; h != nil && len(h.Test) > 1 && m.out.LivenessProbe == nil {
		m.out.LivenessProbe = healthProbe(h)
	}
	var l core.Lifecycle
	if h := m.c.Hooks; h != nil {
		l.PostStart, l.PreStop = hook(h.PostStart), hook(h.PreStop)
	}
	if sig := m.c.Process.StopSignal; sig != "" {
		if n, err := spec.ParseSignal(sig); err == nil {
			signal := core.Signal(unix.SignalName(unix.Signal(n)))
			l.StopSignal = &signal
		}
	}
	if l != (core.Lifecycle{}) {
		m.out.Lifecycle = &l
	}
}

// healthDefault are the seconds between docker's health checks, and those that
// each may take, where nothing else was said.
const healthDefault = 30

func healthProbe(h *spec.Health) *core.Probe {
	command := h.Test[1:]
	if h.Test[0] == "CMD-SHELL" {
		command = append([]string{"sh", "-c"}, command...)
	}
	return &core.Probe{
		ProbeHandler:        core.ProbeHandler{Exec: &core.ExecAction{Command: command}},
		InitialDelaySeconds: whole(h.StartPeriod), FailureThreshold: int32(h.Retries),
		// Kubernetes' own defaults are shorter.
		PeriodSeconds: cmp.Or(whole(h.Interval), healthDefault), TimeoutSeconds: cmp.Or(whole(h.Timeout), healthDefault),
	}
}

// whole are seconds, rounded up: less than one would be none at all.
func whole(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

func probe(p *spec.Probe) *core.Probe {
	if p == nil {
		return nil
	}
	out := &core.Probe{
		InitialDelaySeconds: whole(p.InitialDelay), PeriodSeconds: whole(p.Period), TimeoutSeconds: whole(p.Timeout),
		FailureThreshold: int32(p.Failures), SuccessThreshold: int32(p.Successes),
	}
	out.Exec, out.HTTPGet = actions(&p.Action)
	if t := p.TCP; t != nil {
		out.TCPSocket = &core.TCPSocketAction{Host: t.Host, Port: intstr.FromInt32(int32(t.Port))}
	}
	if g := p.GRPC; g != nil {
		out.GRPC = &core.GRPCAction{Port: int32(g.Port), Service: &g.Service}
	}
	if p.TerminationGrace != nil {
		n := int64(*p.TerminationGrace)
		out.TerminationGracePeriodSeconds = &n
	}
	return out
}

func actions(a *spec.Action) (*core.ExecAction, *core.HTTPGetAction) {
	var exec *core.ExecAction
	if a.Exec != nil {
		exec = &core.ExecAction{Command: a.Exec}
	}
	if a.HTTP == nil {
		return exec, nil
	}
	get := &core.HTTPGetAction{Path: a.HTTP.Path, Host: a.HTTP.Host, Port: intstr.FromInt32(int32(a.HTTP.Port)), Scheme: core.URIScheme(strings.ToUpper(a.HTTP.Scheme))}
	for _, h := range a.HTTP.Headers {
		get.HTTPHeaders = append(get.HTTPHeaders, core.HTTPHeader{Name: h.Name, Value: h.Value})
	}
	return exec, get
}

func hook(a *spec.Action) *core.LifecycleHandler {
	if a == nil {
		return nil
	}
	out := &core.LifecycleHandler{}
	out.Exec, out.HTTPGet = actions(a)
	if a.Sleep > 0 {
		out.Sleep = &core.SleepAction{Seconds: int64(whole(a.Sleep))}
	}
	return out
}

// warnOfLabels names what single containers cannot have in Kubernetes.
func (m *memberWriter) warnOfLabels() {
	for _, one := range []struct {
		what      string
		own, pods map[string]string
	}{{"label", m.c.Labels, m.labels}, {"annotation", m.c.Annotations, m.annotations}} {
		for _, key := range slices.Sorted(maps.Keys(one.own)) {
			value, written := one.pods[key]
			if strings.HasPrefix(key, "io.kubernetes.") || strings.HasPrefix(key, "io.containers.autoupdate") || written && value == one.own[key] {
				continue
			}
			m.warn("container %s: its %s %s is not written: Kubernetes has them for whole pods", m.c.Name, one.what, key)
		}
	}
}

// setAnnotations writes, in podman's annotations, what Kubernetes has no
// fields for.
func (m *memberWriter) setAnnotations() {
	c := m.c
	note := func(name, value string) {
		if value != "" {
			m.annotations[annotation+name+"/"+m.out.Name] = value
		}
	}
	if c.Process.Init {
		note("init", "TRUE")
	}
	if c.Resources.PidsLimit != nil {
		note("pids-limit", fmt.Sprint(*c.Resources.PidsLimit))
	}
	note("cpuset", c.Resources.CPUSetCPUs)
	note("memory-nodes", c.Resources.CPUSetMems)
	note("ulimit", strings.Join(c.Resources.Ulimits, ","))
	note("volumes-from", strings.Join(c.Mounts.VolumesFrom, ";"))
	if v := c.Process.SdNotify; v != "" {
		m.annotations["io.containers.sdnotify/"+m.out.Name] = v
	}
	for _, key := range []string{"io.containers.autoupdate", "io.containers.autoupdate.authfile"} {
		if v := c.Labels[key]; v != "" {
			m.annotations[key+"/"+m.out.Name] = v
		}
	}
	if !m.ask.PodmanOnly {
		return
	}
	if c.Remove {
		note("autoremove", "TRUE")
	}
	note("cid-file", c.CIDFile)
	if c.Security.Privileged {
		note("privileged", "TRUE")
	}
}
