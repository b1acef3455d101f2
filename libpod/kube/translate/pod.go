package translate

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// Labels that tell where in Kubernetes' world a pod and a container belong,
// with the names that Kubernetes' own node agent uses.
const (
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelContainer = "io.kubernetes.container.name"
)

// podSource is a pod as one object of the file wants it.
type podSource struct {
	name    string
	meta    meta.ObjectMeta
	spec    core.PodSpec
	path    string // of spec in the object
	replica int
	job     *spec.KubeJob
	retries uint // of a job
}

// pod is a podSource on its way into the plan.
type pod struct {
	*translator
	podSource
	o         *object
	namespace string
	out       *kube.Pod
	volumes   map[string]*volume
}

// pod adds a pod to the plan.
func (t *translator) pod(o *object, src podSource) error {
	if !spec.ValidName(src.name) || len(src.name) > 253 {
		return fmt.Errorf("cannot use %s: %q is no name for a pod", o, src.name)
	}
	if other := t.podNames[src.name]; other != "" {
		return fmt.Errorf("cannot use %s: its pod %s has the same name as that of %s", o, src.name, other)
	}
	t.podNames[src.name] = o.String()
	p := &pod{translator: t, podSource: src, o: o, namespace: cmp.Or(src.meta.Namespace, o.Metadata.Namespace), volumes: map[string]*volume{}}
	p.out = &kube.Pod{Spec: spec.Pod{
		Name: src.name, Labels: p.podLabels(), ExitPolicy: spec.ExitPolicyStop, CreateCommand: t.src.Options.CreateCommand,
		Kube: &spec.KubeOrigin{Kind: o.Kind, Name: ownerName(o), Namespace: o.Metadata.Namespace, Replica: src.replica, Job: src.job},
	}}
	if err := p.check(); err != nil {
		return err
	}
	for _, step := range []func() error{p.setShares, p.setNetwork, p.setPod, p.addVolumes, p.addContainers} {
		if err := step(); err != nil {
			return err
		}
	}
	t.plan.Pods = append(t.plan.Pods, *p.out)
	return nil
}

func (p *pod) podLabels() map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, p.meta.Labels)
	labels[labelPod] = p.name
	labels[labelNamespace] = cmp.Or(p.namespace, "default")
	return labels
}

// at names a field of the pod's spec.
func (p *pod) at(format string, args ...any) string {
	return p.path + "." + fmt.Sprintf(format, args...)
}

func (p *pod) errorf(path, format string, args ...any) error {
	return fmt.Errorf("cannot use %s: %s: %w", p.o, path, fmt.Errorf(format, args...))
}

// warnAt warns once, however many replicas there are.
func (p *pod) warnAt(path, format string, args ...any) {
	text := fmt.Sprintf("%s: %s %s", p.o, path, fmt.Sprintf(format, args...))
	if !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

// check refuses what no pod can be.
func (p *pod) check() error {
	s := &p.spec
	if len(s.Containers) == 0 {
		return p.errorf(p.at("containers"), "a pod has at least one container")
	}
	if s.OS != nil && s.OS.Name != core.Linux {
		return p.errorf(p.at("os.name"), "carob runs pods for linux, not for %s", s.OS.Name)
	}
	switch s.RestartPolicy {
	case "", core.RestartPolicyAlways, core.RestartPolicyOnFailure, core.RestartPolicyNever:
	default:
		return p.errorf(p.at("restartPolicy"), "%q is none of Always, OnFailure, Never", s.RestartPolicy)
	}
	seen := map[string]bool{}
	for _, list := range []struct {
		path       string
		containers []core.Container
	}{{"initContainers", s.InitContainers}, {"containers", s.Containers}} {
		for i, c := range list.containers {
			at := p.at("%s[%d]", list.path, i)
			switch {
			case c.Name == "":
				return p.errorf(at+".name", "it is missing")
			case !spec.ValidName(c.Name):
				return p.errorf(at+".name", "%q is no name", c.Name)
			case seen[c.Name]:
				return p.errorf(at+".name", "there are two containers %s", c.Name)
			case c.Image == "":
				return p.errorf(at+".image", "it is missing")
			}
			seen[c.Name] = true
		}
	}
	return nil
}

func isTrue(b *bool) bool { return b != nil && *b }

// setShares decides what the members have in common.
func (p *pod) setShares() error {
	s, infra := &p.spec, &p.out.Infra
	p.out.Spec.Share = []string{"ipc", "net", "uts"}
	if isTrue(s.ShareProcessNamespace) {
		if s.HostPID {
			return p.errorf(p.at("shareProcessNamespace"), "it contradicts hostPID")
		}
		p.out.Spec.Share = append(p.out.Spec.Share, "pid")
	}
	if s.HostNetwork {
		infra.Network.Mode = "host"
	}
	if s.HostIPC {
		infra.Isolation.IPC = "host"
	}
	infra.Isolation.User = p.userNamespace()
	for i, c := range podSysctls(s) {
		if strings.TrimSpace(c.Name) == "" {
			return p.errorf(p.at("securityContext.sysctls[%d].name", i), "it is missing")
		}
		if infra.Resources.Sysctl == nil {
			infra.Resources.Sysctl = map[string]string{}
		}
		key := strings.ReplaceAll(c.Name, "/", ".")
		if _, twice := infra.Resources.Sysctl[key]; twice {
			return p.errorf(p.at("securityContext.sysctls[%d].name", i), "there are two values of %s", key)
		}
		infra.Resources.Sysctl[key] = c.Value
	}
	if c := s.SecurityContext; c != nil { // the containers share its categories
		setSELinux(&infra.Security, c.SELinuxOptions)
	}
	infra.Annotations = p.allAnnotations()
	return nil
}

func podSysctls(s *core.PodSpec) []core.Sysctl {
	if s.SecurityContext == nil {
		return nil
	}
	return s.SecurityContext.Sysctls
}

// userNamespace is the flag's, the annotation's or hostUsers'.
func (p *pod) userNamespace() string {
	mode := cmp.Or(p.src.Options.UserNS, p.meta.Annotations[annotation+"userns"])
	if mode == "" && p.spec.HostUsers != nil && !*p.spec.HostUsers {
		return "auto"
	}
	return mode
}

func (p *pod) setNetwork() error {
	n := &p.out.Infra.Network
	for i, word := range p.src.Options.Network {
		mode, attach, err := spec.ParseNetwork(word)
		if err != nil {
			return err
		}
		if i > 0 && (mode != "bridge" || n.Mode != "bridge") {
			return fmt.Errorf("cannot use --network %s beside %s: only named networks can be combined", word, p.src.Options.Network[0])
		}
		n.Mode = mode
		if attach != nil {
			n.Networks = append(n.Networks, *attach)
		}
	}
	if err := p.setDNS(); err != nil {
		return err
	}
	p.out.Infra.Mounts.NoHosts = p.src.Options.NoHosts
	p.out.Infra.Mounts.NoHostname = p.src.Options.NoHostname
	if len(p.spec.HostAliases) > 0 && p.src.Options.NoHosts {
		return p.errorf(p.at("hostAliases"), "there is no /etc/hosts to write them to with --no-hosts")
	}
	for i, a := range p.spec.HostAliases {
		if len(a.Hostnames) == 0 {
			return p.errorf(p.at("hostAliases[%d].hostnames", i), "an alias has at least one")
		}
		if net.ParseIP(a.IP) == nil {
			return p.errorf(p.at("hostAliases[%d].ip", i), "%q is no IP address", a.IP)
		}
		for _, name := range a.Hostnames {
			if !isHostName(name) {
				return p.errorf(p.at("hostAliases[%d].hostnames", i), "%q is no host name", name)
			}
			n.AddHosts = append(n.AddHosts, name+":"+a.IP)
		}
	}
	return p.setPorts()
}

// isHostName tells whether name can stand in a line of /etc/hosts.
func isHostName(name string) bool { return name != "" && !strings.ContainsAny(name, " \t\r\n#:/") }

func (p *pod) setDNS() error {
	n, c := &p.out.Infra.Network, p.spec.DNSConfig
	if c == nil {
		c = &core.PodDNSConfig{}
	}
	options, err := p.dnsOptions(c.Options)
	if err != nil {
		return err
	}
	for i, server := range c.Nameservers {
		if net.ParseIP(server) == nil {
			return p.errorf(p.at("dnsConfig.nameservers[%d]", i), "%q is no IP address", server)
		}
	}
	switch p.spec.DNSPolicy {
	case core.DNSNone:
		if len(c.Nameservers) == 0 {
			return p.errorf(p.at("dnsConfig.nameservers"), "dnsPolicy None wants at least one")
		}
		n.DNS, n.DNSSearch, n.DNSOptions = c.Nameservers, noneOfHost(c.Searches), noneOfHost(options)
	case "", core.DNSDefault, core.DNSClusterFirst, core.DNSClusterFirstWithHostNet:
		n.AddDNS, n.AddDNSSearch, n.AddDNSOptions = c.Nameservers, c.Searches, options
	default:
		return p.errorf(p.at("dnsPolicy"), "%q is none of Default, ClusterFirst, ClusterFirstWithHostNet, None", p.spec.DNSPolicy)
	}
	return nil
}

// noneOfHost is list in place of the host's, also where it is empty.
func noneOfHost(list []string) []string {
	if len(list) == 0 {
		return []string{"."}
	}
	return list
}

func (p *pod) dnsOptions(list []core.PodDNSConfigOption) ([]string, error) {
	var words []string
	for i, o := range list {
		if o.Name == "" {
			return nil, p.errorf(p.at("dnsConfig.options[%d].name", i), "it is missing")
		}
		word := o.Name
		if o.Value != nil {
			word += ":" + *o.Value
		}
		words = append(words, word)
	}
	return words, nil
}

// setPorts publishes the ports of all containers, and those of --publish in
// their place where the container's port is the same.
func (p *pod) setPorts() error {
	n, o := &p.out.Infra.Network, &p.src.Options
	n.Ports = slices.Clone(o.Ports)
	given := func(port spec.Port) bool {
		return slices.ContainsFunc(o.Ports, func(f spec.Port) bool { return f.Container == port.Container && f.Protocol == port.Protocol })
	}
	for _, list := range []struct {
		path       string
		containers []core.Container
	}{{"initContainers", p.spec.InitContainers}, {"containers", p.spec.Containers}} {
		for i, c := range list.containers {
			publishAll, names := o.PublishAll || p.says(c.Name, "publish-all"), map[string]bool{}
			for k, port := range c.Ports {
				out, err := readPort(port)
				if err != nil {
					return p.errorf(p.at("%s[%d].ports[%d]", list.path, i, k), "%w", err)
				}
				if names[port.Name] {
					return p.errorf(p.at("%s[%d].ports[%d].name", list.path, i, k), "there are two ports %s", port.Name)
				}
				names[port.Name] = port.Name != ""
				if err := p.checkHostNetwork(out, p.at("%s[%d].ports[%d]", list.path, i, k)); err != nil {
					return err
				}
				if given(out) || p.spec.HostNetwork {
					continue // on the host's network a port needs no publishing
				}
				if out.HostPort == 0 && publishAll {
					out.HostPort = out.Container
				}
				if out.HostPort != 0 {
					n.Ports = append(n.Ports, out)
				}
			}
		}
	}
	if n.Mode == "none" && len(n.Ports) > 0 {
		p.warnAt(p.path, "has ports that are not published: with --network none there is nothing to publish from")
		n.Ports = nil
	}
	return nil
}

// checkHostNetwork refuses another port of the host than the container's own
// where they are the same thing.
func (p *pod) checkHostNetwork(port spec.Port, at string) error {
	if !p.spec.HostNetwork {
		return nil
	}
	if port.HostPort != 0 && port.HostPort != port.Container {
		return p.errorf(at+".hostPort", "with hostNetwork it must be the containerPort %d, not %d", port.Container, port.HostPort)
	}
	if port.HostIP != "" {
		p.warnAt(at+".hostIP", "has no effect with hostNetwork: the container chooses where it listens")
	}
	return nil
}

func readPort(p core.ContainerPort) (spec.Port, error) {
	protocol := strings.ToLower(cmp.Or(string(p.Protocol), "tcp"))
	switch {
	case p.ContainerPort < 1 || p.ContainerPort > 65535:
		return spec.Port{}, fmt.Errorf("containerPort %d is out of range", p.ContainerPort)
	case p.HostPort < 0 || p.HostPort > 65535:
		return spec.Port{}, fmt.Errorf("hostPort %d is out of range", p.HostPort)
	case p.HostIP != "" && net.ParseIP(p.HostIP) == nil:
		return spec.Port{}, fmt.Errorf("hostIP %q is no IP address", p.HostIP)
	case protocol != "tcp" && protocol != "udp" && protocol != "sctp":
		return spec.Port{}, fmt.Errorf("protocol %q is none of TCP, UDP, SCTP", p.Protocol)
	}
	return spec.Port{HostIP: p.HostIP, HostPort: uint16(p.HostPort), Container: uint16(p.ContainerPort), Range: 1, Protocol: protocol}, nil
}

// setPod fills in the rest of the pod itself.
func (p *pod) setPod() error {
	s := &p.spec
	hostname := cmp.Or(s.Hostname, p.name)
	if len(hostname) > 63 {
		hostname = strings.TrimRight(hostname[:63], "-.") // as Kubernetes cuts it
	}
	p.out.Spec.Hostname = hostname
	if !isHostName(hostname) {
		return p.errorf(p.at("hostname"), "%q is no host name", hostname)
	}
	if s.Subdomain != "" {
		if !isHostName(s.Subdomain) {
			return p.errorf(p.at("subdomain"), "%q is no host name", s.Subdomain)
		}
		full := fmt.Sprintf("%s.%s.%s%s", hostname, s.Subdomain, cmp.Or(p.namespace, "default"), kube.ServiceDomain)
		if isTrue(s.SetHostnameAsFQDN) {
			p.out.Spec.Hostname = full
		}
		p.out.Infra.Network.FullName = full
	}
	if s.HostnameOverride != nil && *s.HostnameOverride != "" {
		p.out.Spec.Hostname, p.out.Infra.Network.FullName = *s.HostnameOverride, ""
	}
	if len(p.out.Spec.Hostname) > 64 {
		return p.errorf(p.at("hostname"), "%q has more than the 64 characters that Linux takes", p.out.Spec.Hostname)
	}
	if s.Resources != nil {
		if err := p.setResources(&p.out.Spec.Resources, s.Resources, p.at("resources")); err != nil {
			return err
		}
	}
	for _, ref := range s.ImagePullSecrets {
		p.out.PullSecrets = append(p.out.PullSecrets, ref.Name)
	}
	p.out.Infra.Name = p.meta.Annotations[annotation+"infra.name"]
	return p.setGroup()
}

func (p *pod) setGroup() error {
	s := p.spec.SecurityContext
	if s == nil {
		return nil
	}
	if c := s.FSGroupChangePolicy; c != nil && *c != core.FSGroupChangeOnRootMismatch && *c != core.FSGroupChangeAlways {
		return p.errorf(p.at("securityContext.fsGroupChangePolicy"), "%q is neither OnRootMismatch nor Always", *c)
	}
	if s.FSGroup == nil {
		return nil
	}
	if *s.FSGroup < 0 || *s.FSGroup > maxID {
		return p.errorf(p.at("securityContext.fsGroup"), "%d is no group", *s.FSGroup)
	}
	gid := uint32(*s.FSGroup)
	p.out.FSGroup, p.out.Spec.Kube.FSGroup = &gid, &gid
	return nil
}

// addContainers plans the members in the order of their start. An init
// container that is to restart always is a sidecar: it runs beside all that
// comes after it, which therefore requires it.
func (p *pod) addContainers() error {
	var sidecars []string
	for i := range p.spec.InitContainers {
		c := &p.spec.InitContainers[i]
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == core.ContainerRestartPolicyAlways
		m := &member{pod: p, c: c, at: p.at("initContainers[%d]", i), init: !sidecar, sidecar: sidecar, requires: sidecars}
		if err := m.add(); err != nil {
			return err
		}
		if sidecar {
			sidecars = append(sidecars, p.containerName(c.Name))
		}
	}
	for i := range p.spec.Containers {
		m := &member{pod: p, c: &p.spec.Containers[i], at: p.at("containers[%d]", i), requires: sidecars}
		if err := m.add(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pod) containerName(name string) string {
	if p.src.Options.NoPodPrefix {
		return name
	}
	return p.name + "-" + name
}
