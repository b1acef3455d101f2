package translate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// member is a container of a pod on its way into the plan.
type member struct {
	*pod
	c        *core.Container
	at       string // its path in the object
	init     bool
	sidecar  bool
	requires []string

	out     *spec.Container
	env     environment
	nonRoot bool
}

func (m *member) field(name string) string { return m.at + "." + name }

// add translates the container.
func (m *member) add() error {
	m.out = &spec.Container{
		Name: m.containerName(m.c.Name), Image: m.c.Image, Labels: map[string]string{}, Log: m.src.Options.Log,
		CreateCommand: m.src.Options.CreateCommand, Requires: m.requires,
	}
	maps.Copy(m.out.Labels, m.podLabels())
	m.out.Labels[labelContainer] = m.c.Name
	for _, step := range []func() error{
		m.setLife, m.setEnv, m.setProcess, m.setLimits, m.setSecurity, m.setMounts, m.setProbes, m.setHooks, m.setAnnotations,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	pull, err := pullPolicy(m.c.ImagePullPolicy, m.c.Image)
	if err != nil {
		return m.errorf(m.field("imagePullPolicy"), "%w", err)
	}
	if err := m.out.Validate(); err != nil {
		return m.errorf(m.at, "%w", err)
	}
	m.pod.out.Containers = append(m.pod.out.Containers, kube.Container{Spec: *m.out, Pull: pull, NonRoot: m.nonRoot, Path: inObject(m.o, m.at)})
	return nil
}

// setLife says when the container runs, how long, and how it ends.
func (m *member) setLife() error {
	s := &m.pod.spec
	m.out.Restart = restart(s.RestartPolicy, m.job != nil, m.retries)
	if m.sidecar {
		m.out.Restart = spec.Restart{Policy: spec.RestartAlways}
	}
	if m.init {
		m.out.Restart = spec.Restart{Policy: spec.RestartNo}
		kind, err := m.initType()
		if err != nil {
			return err
		}
		m.out.InitType = kind
	}
	if r := m.c.RestartPolicy; r != nil && !m.sidecar {
		if m.init || (*r != core.ContainerRestartPolicyAlways && *r != "OnFailure" && *r != "Never") {
			return m.errorf(m.field("restartPolicy"), "%q cannot be used here", *r)
		}
		m.out.Restart = restart(core.RestartPolicy(*r), false, 0)
	}
	if n := s.TerminationGracePeriodSeconds; n != nil {
		if *n < 0 || *n > math.MaxInt32 {
			return m.errorf(m.pod.at("terminationGracePeriodSeconds"), "%d is out of range", *n)
		}
		grace := uint(*n)
		m.out.Process.StopTimeout = &grace
	}
	if n := s.ActiveDeadlineSeconds; n != nil {
		if *n < 1 || *n > math.MaxInt32 {
			return m.errorf(m.pod.at("activeDeadlineSeconds"), "%d is out of range", *n)
		}
		m.out.Process.Timeout = uint(*n)
	}
	return nil
}

func restart(policy core.RestartPolicy, job bool, retries uint) spec.Restart {
	switch {
	case job && retries > 0:
		return spec.Restart{Policy: spec.RestartOnFailure, Max: retries}
	case job, policy == core.RestartPolicyNever:
		return spec.Restart{Policy: spec.RestartNo}
	case policy == core.RestartPolicyOnFailure:
		return spec.Restart{Policy: spec.RestartOnFailure}
	}
	return spec.Restart{Policy: spec.RestartAlways}
}

func (m *member) setProcess() error {
	p := &m.out.Process
	p.WorkDir, p.Terminal, p.Stdin = m.c.WorkingDir, m.c.TTY, m.c.Stdin
	command, secret1 := m.env.expandAll(m.c.Command)
	args, secret2 := m.env.expandAll(m.c.Args)
	if secret1 || secret2 {
		// What comes of a secret is put in at each start, and is in no record.
		command, args = m.env.templates(m.c.Command), m.env.templates(m.c.Args)
		p.CommandTemplate = true
	}
	if len(command) > 0 {
		p.Entrypoint = &command
	}
	p.Command = args
	return nil
}

func (m *member) setLimits() error {
	return m.setResources(&m.out.Resources, &m.c.Resources, m.field("resources"))
}

// setResources takes what a control group knows of limits and requests.
func (p *pod) setResources(r *spec.Resources, asked *core.ResourceRequirements, at string) error {
	for _, list := range []struct {
		name      string
		resources core.ResourceList
	}{{"limits", asked.Limits}, {"requests", asked.Requests}} {
		for _, name := range sortedNames(list.resources) {
			q := list.resources[name]
			limit, limited := asked.Limits[name]
			switch {
			case q.Sign() < 0:
				return p.errorf(at+"."+list.name+"["+string(name)+"]", "%s is negative", &q)
			case limited && q.Cmp(limit) > 0:
				return p.errorf(at+".requests["+string(name)+"]", "%s is more than the limit %s", &q, &limit)
			case q.IsZero():
			case name == core.ResourceCPU && list.name == "limits":
				r.CPUs = float64(q.MilliValue()) / 1000
			case name == core.ResourceMemory && list.name == "limits":
				r.Memory = fmt.Sprint(q.Value())
			case name == core.ResourceCPU:
				r.CPUShares = uint64(max(2, min(q.MilliValue(), math.MaxInt32)*1024/1000)) // as Kubernetes' node agent counts
			case name == core.ResourceMemory:
				r.MemoryReservation = fmt.Sprint(q.Value())
			default:
				p.warnAt(at+"."+list.name+"["+string(name)+"]", "is not supported")
			}
		}
	}
	return nil
}

func sortedNames(list core.ResourceList) []core.ResourceName {
	return sortedKeys(list)
}

// pullPolicy is carob's word for imagePullPolicy. Without one, what a registry
// calls :latest is asked for each time; an image that only this host can have
// is not.
func pullPolicy(policy core.PullPolicy, image string) (string, error) {
	switch strings.ToLower(string(policy)) {
	case "always":
		return "always", nil
	case "never":
		return "never", nil
	case "ifnotpresent", "missing":
		return "missing", nil
	case "newer": // podman's own
		return "newer", nil
	case "":
		if isLatest(image) && hasRegistry(image) {
			return "newer", nil
		}
		return "missing", nil
	}
	return "", fmt.Errorf("%q is none of Always, IfNotPresent, Never", policy)
}

// isLatest tells whether an image is named with the tag latest or with none.
func isLatest(image string) bool {
	if strings.Contains(image, "@") {
		return false
	}
	_, tag, has := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return !has || tag == "latest"
}

// hasRegistry tells whether an image's name begins with the host of a
// registry: a short name is looked for here first, as podman does.
func hasRegistry(image string) bool {
	host, _, found := strings.Cut(image, "/")
	return found && host != "localhost" && strings.ContainsAny(host, ".:")
}

// resourceValue is what resourceFieldRef stands for, rounded up.
func (p *pod) resourceValue(self *core.Container, ref *core.ResourceFieldSelector) (string, error) {
	c := self
	if ref.ContainerName != "" {
		if c = p.containerNamed(ref.ContainerName); c == nil {
			return "", fmt.Errorf("there is no container %q", ref.ContainerName)
		}
	}
	if c == nil {
		return "", fmt.Errorf("containerName is missing")
	}
	kind, name, ok := strings.Cut(ref.Resource, ".")
	if !ok || (kind != "limits" && kind != "requests") {
		return "", fmt.Errorf("resource %q is none of limits.cpu, limits.memory, requests.cpu, requests.memory and their like", ref.Resource)
	}
	q, found := c.Resources.Limits[core.ResourceName(name)]
	if r, has := c.Resources.Requests[core.ResourceName(name)]; kind == "requests" && has {
		q, found = r, true
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if divisor.Sign() < 0 {
		return "", fmt.Errorf("divisor %s is negative", divisor.String())
	}
	host := &p.src.Host
	switch core.ResourceName(name) {
	case core.ResourceCPU:
		if !found {
			q = *resource.NewQuantity(int64(host.CPUs), resource.DecimalSI)
		}
		return ceil(q.MilliValue(), divisor.MilliValue()), nil
	case core.ResourceMemory:
		if !found {
			q = *resource.NewQuantity(host.Memory, resource.BinarySI)
		}
		return ceil(q.Value(), divisor.Value()), nil
	}
	if !found && name != string(core.ResourceEphemeralStorage) && !strings.HasPrefix(name, core.ResourceHugePagesPrefix) {
		return "", fmt.Errorf("resource %q is none that carob knows", ref.Resource)
	}
	return ceil(q.Value(), divisor.Value()), nil
}

func ceil(value, divisor int64) string {
	if divisor <= 0 {
		divisor = 1
	}
	return fmt.Sprint(int64(math.Ceil(float64(value) / float64(divisor))))
}

func (p *pod) containerNamed(name string) *core.Container {
	for _, list := range [][]core.Container{p.spec.InitContainers, p.spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// fieldValue is what fieldRef stands for.
func (p *pod) fieldValue(path string) (string, error) {
	if key, ok := subscript(path, "metadata.labels"); ok {
		return p.meta.Labels[key], nil
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return p.meta.Annotations[key], nil
	}
	host := &p.src.Host
	switch path {
	case "metadata.name":
		return p.name, nil
	case "metadata.namespace":
		return cmp.Or(p.namespace, "default"), nil
	case "metadata.uid":
		return uid(p.namespace, p.name), nil
	case "spec.nodeName":
		return host.Name, nil
	case "spec.serviceAccountName":
		return cmp.Or(p.spec.ServiceAccountName, p.spec.DeprecatedServiceAccount, "default"), nil
	case "status.hostIP", "status.hostIPs":
		return host.IP, nil
	case "status.podIP", "status.podIPs":
		return p.podIP(), nil
	}
	return "", fmt.Errorf("fieldPath %q is none that carob knows", path)
}

// podIP is the address a pod sees as its own.
func (p *pod) podIP() string {
	switch p.out.Infra.Network.Mode {
	case "none":
		return "127.0.0.1"
	case "host":
		return p.src.Host.IP
	}
	return p.src.Host.PodIP
}

// subscript reads PREFIX['KEY'].
func subscript(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix+"[")
	if !ok {
		return "", false
	}
	key, ok := strings.CutSuffix(rest, "]")
	return strings.Trim(key, `'"`), ok
}
