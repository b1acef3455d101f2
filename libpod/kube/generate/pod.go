package generate

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// podWriter writes one pod, or a container in a pod of its own.
type podWriter struct {
	*writer
	from        *kube.GeneratePod
	out         core.PodSpec
	name        string
	labels      map[string]string
	annotations map[string]string
	volumes     map[string]string // what is mounted, and the name of its volume
	claimed     []core.Volume
}

// annotation begins podman's own annotations.
const annotation = "io.podman.annotations."

// shared is the container that says what the pod shares.
func (p *podWriter) shared() *spec.Container {
	if p.from.Infra != nil {
		return p.from.Infra
	}
	if p.from.Spec == nil {
		return &p.from.Containers[0].Spec
	}
	return &spec.Container{}
}

func (p *podWriter) build() {
	first := &p.from.Containers[0].Spec
	p.name, p.labels = first.Name+"-pod", map[string]string{}
	if p.from.Spec != nil {
		p.name = p.from.Spec.Name
		maps.Copy(p.labels, p.from.Spec.Labels)
	} else {
		maps.Copy(p.labels, first.Labels)
	}
	maps.DeleteFunc(p.labels, func(key, _ string) bool { return strings.HasPrefix(key, "io.kubernetes.") })
	if p.labels["app"] == "" {
		p.labels["app"] = p.name
	}
	p.annotations, p.volumes = map[string]string{}, map[string]string{}
	for key, value := range first.Annotations {
		p.annotations[key] = value
	}
	p.setShares()
	p.setNames()
	p.setRestart()
	p.setLife()
	for i := range p.from.Containers {
		p.addContainer(&p.from.Containers[i], i)
	}
	p.setGroups()
	p.out.Volumes = p.claimed
}

func (p *podWriter) setShares() {
	c := p.shared()
	p.out.HostNetwork = c.Network.Mode == "host"
	p.out.HostIPC = c.Isolation.IPC == "host"
	for _, m := range p.from.Containers {
		p.out.HostPID = p.out.HostPID || m.Spec.Isolation.PID == "host"
	}
	if p.from.Spec != nil && slices.Contains(p.from.Spec.Share, "pid") {
		yes := true
		p.out.ShareProcessNamespace = &yes
	}
	switch mode, no := c.Isolation.User, false; {
	case mode == "" || mode == "host" || strings.HasPrefix(mode, "container:"):
	case mode == "auto":
		p.out.HostUsers = &no
	default:
		p.annotations[annotation+"userns"] = mode
	}
	for _, key := range sorted(c.Resources.Sysctl) {
		p.security().Sysctls = append(p.security().Sysctls, core.Sysctl{Name: key, Value: c.Resources.Sysctl[key]})
	}
	switch mode, _, _ := strings.Cut(c.Network.Mode, ":"); mode {
	case "", "host", "private", "pasta", "slirp4netns", "pod":
	default:
		p.warn("pod %s: the network %s is not written; give it to kube play with --network", p.name, c.Network.Mode)
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// security is the pod's security context, made on demand.
func (p *podWriter) security() *core.PodSecurityContext {
	if p.out.SecurityContext == nil {
		p.out.SecurityContext = &core.PodSecurityContext{}
	}
	return p.out.SecurityContext
}

func (p *podWriter) setNames() {
	c := p.shared()
	hostname := c.Isolation.Hostname
	if p.from.Spec != nil {
		hostname = p.from.Spec.Hostname
	}
	hostname = p.setSubdomain(hostname, c.Network.FullName)
	if hostname != "" && hostname != p.name {
		p.out.Hostname = hostname
	}
	for _, word := range c.Network.AddHosts {
		names, ip, _ := strings.Cut(word, ":")
		if ip == "host-gateway" {
			p.warn("pod %s: the host name %s of host-gateway is not written: Kubernetes has no such address", p.name, names)
			continue
		}
		p.out.HostAliases = append(p.out.HostAliases, core.HostAlias{IP: ip, Hostnames: strings.Split(names, ";")})
	}
	p.setDNS(&c.Network)
}

// setSubdomain finds it in the full name, which may be the hostname as well,
// and returns the hostname without it. A namespace is not written, of nothing.
func (p *podWriter) setSubdomain(hostname, full string) string {
	inside, ok := strings.CutSuffix(full, kube.ServiceDomain)
	if !ok {
		return hostname
	}
	if hostname == full {
		hostname, _, _ = strings.Cut(full, ".")
		yes := true
		p.out.SetHostnameAsFQDN = &yes
	}
	domain := strings.TrimPrefix(inside, hostname+".")
	p.out.Subdomain = domain[:max(strings.LastIndexByte(domain, '.'), 0)]
	return hostname
}

// setDNS: servers of one's own are dnsPolicy None; without it dnsConfig adds to
// what the host has.
func (p *podWriter) setDNS(n *spec.Network) {
	servers, search, options := n.AskedDNS()
	switch {
	case len(servers)+len(search)+len(options) == 0:
		return
	case slices.Contains(servers, "none"):
		p.warn("pod %s: it is not written that /etc/resolv.conf is the image's: Kubernetes has no words for it", p.name)
		return
	case len(n.DNS) == 0 && len(n.DNSSearch)+len(n.DNSOptions) > 0:
		p.warn("pod %s: its search domains and DNS options stand in the host's place; played again they are added to them", p.name)
	case len(n.DNS) > 0 && (len(n.DNSSearch) == 0 || len(n.DNSOptions) == 0):
		p.warn("pod %s: its servers want dnsPolicy None, which takes no search domains or DNS options from the host", p.name)
	}
	p.out.DNSConfig = &core.PodDNSConfig{Nameservers: servers, Searches: search}
	if len(n.DNS) > 0 {
		p.out.DNSPolicy = core.DNSNone
		p.out.DNSConfig.Searches = slices.DeleteFunc(search, isRoot)
	}
	for _, word := range slices.DeleteFunc(options, isRoot) {
		name, value, has := strings.Cut(word, ":")
		o := core.PodDNSConfigOption{Name: name}
		if has {
			o.Value = &value
		}
		p.out.DNSConfig.Options = append(p.out.DNSConfig.Options, o)
	}
}

// isRoot is the word of an empty list.
func isRoot(word string) bool { return word == "." }

// mains are the members that run as long as the pod does.
func (p *podWriter) mains() []*spec.Container {
	var out []*spec.Container
	for i := range p.from.Containers {
		if c := &p.from.Containers[i].Spec; c.InitType == "" && !p.sidecar(c) {
			out = append(out, c)
		}
	}
	return out
}

// sidecar tells that others require c, which is always run again.
func (p *podWriter) sidecar(c *spec.Container) bool {
	return c.InitType == "" && c.Restart.Policy == spec.RestartAlways && slices.ContainsFunc(p.from.Containers, func(o kube.GenerateContainer) bool {
		return slices.Contains(o.Spec.Requires, c.ID)
	})
}

func restartPolicy(r spec.Restart) core.RestartPolicy {
	switch r.Policy {
	case spec.RestartAlways, spec.RestartUnlessStopped:
		return core.RestartPolicyAlways
	case spec.RestartOnFailure:
		return core.RestartPolicyOnFailure
	}
	return core.RestartPolicyNever
}

func (p *podWriter) setRestart() {
	p.out.RestartPolicy = core.RestartPolicyNever
	if mains := p.mains(); len(mains) > 0 {
		p.out.RestartPolicy = restartPolicy(mains[0].Restart)
	}
}

// defaultGrace is how long a container without a stop timeout has to stop.
const defaultGrace = 10

// setLife takes the longest time that a container has to stop, or may run.
func (p *podWriter) setLife() {
	var grace int64
	given := false
	for i := range p.from.Containers {
		c := &p.from.Containers[i].Spec
		own := int64(defaultGrace)
		if t := c.Process.StopTimeout; t != nil {
			own, given = int64(min(*t, math.MaxInt32)), true
		}
		grace = max(grace, own)
		if t := int64(c.Process.Timeout); t > 0 {
			if have := p.out.ActiveDeadlineSeconds; have == nil || *have < t {
				p.out.ActiveDeadlineSeconds = &t
			}
		}
	}
	if given {
		p.out.TerminationGracePeriodSeconds = &grace
	}
	if p.from.Spec != nil {
		if r := resources(&p.from.Spec.Resources); r != nil {
			p.out.Resources = r
		}
	}
}

// setGroups writes the supplementary groups, which belong to the pod.
func (p *podWriter) setGroups() {
	var fsGroup *uint32
	if p.from.Spec != nil && p.from.Spec.Kube != nil {
		fsGroup = p.from.Spec.Kube.FSGroup
	}
	if fsGroup != nil {
		gid := int64(*fsGroup)
		p.security().FSGroup = &gid
	}
	var groups []int64
	for i := range p.from.Containers {
		c := &p.from.Containers[i].Spec
		for _, g := range c.Process.Groups {
			gid, err := strconv.ParseInt(g, 10, 64)
			switch {
			case err != nil:
				p.warn("container %s: the group %s is not written: Kubernetes knows numbers only", c.Name, g)
			case fsGroup != nil && gid == int64(*fsGroup), slices.Contains(groups, gid):
			default:
				groups = append(groups, gid)
			}
		}
	}
	if len(groups) == 0 {
		return
	}
	p.security().SupplementalGroups = groups
	for i := range p.from.Containers {
		c := &p.from.Containers[i].Spec
		for _, gid := range groups {
			if word := strconv.FormatInt(gid, 10); !slices.Contains(c.Process.Groups, word) {
				p.warn("container %s: it gets the group %s of another container: Kubernetes gives groups to whole pods", c.Name, word)
			}
		}
	}
}

// addContainer writes a member. The pod's ports stand with the first one.
func (p *podWriter) addContainer(from *kube.GenerateContainer, i int) {
	m := &memberWriter{podWriter: p, c: &from.Spec, binds: from.Binds}
	m.build()
	if i == p.firstMain() {
		m.addPorts()
	}
	always := core.ContainerRestartPolicyAlways
	switch {
	case m.c.InitType != "":
		if m.c.InitType == spec.InitAlways {
			p.annotations[annotation+"init.container.type/"+m.out.Name] = spec.InitAlways
		}
		p.out.InitContainers = append(p.out.InitContainers, m.out)
	case p.sidecar(m.c):
		m.out.RestartPolicy = &always
		p.out.InitContainers = append(p.out.InitContainers, m.out)
	default:
		if policy := restartPolicy(m.c.Restart); policy != p.out.RestartPolicy {
			own := core.ContainerRestartPolicy(policy)
			m.out.RestartPolicy = &own
		}
		p.out.Containers = append(p.out.Containers, m.out)
	}
}

func (p *podWriter) firstMain() int {
	return slices.IndexFunc(p.from.Containers, func(c kube.GenerateContainer) bool { return c.Spec.InitType == "" && !p.sidecar(&c.Spec) })
}
