package translate

import (
	"fmt"
	"math"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/carob-containers/carob/libpod/spec"
)

func index(i int) string { return fmt.Sprintf("[%d]", i) }

func (m *member) setProbes() error {
	var all spec.Probes
	for _, one := range []struct {
		name string
		from *core.Probe
		to   **spec.Probe
	}{
		{"startupProbe", m.c.StartupProbe, &all.Startup},
		{"livenessProbe", m.c.LivenessProbe, &all.Liveness},
		{"readinessProbe", m.c.ReadinessProbe, &all.Readiness},
	} {
		if one.from == nil {
			continue
		}
		if m.init {
			return m.errorf(m.field(one.name), "an init container that ends cannot have one")
		}
		p, err := m.probe(one.from)
		if err != nil {
			return m.errorf(m.field(one.name), "%w", err)
		}
		switch ready := one.from == m.c.ReadinessProbe; {
		case ready && p.TerminationGrace != nil:
			return m.errorf(m.field(one.name), "terminationGracePeriodSeconds is not for a probe that ends nothing")
		case !ready && p.Successes > 1:
			return m.errorf(m.field(one.name), "successThreshold %d is only for a readinessProbe: this one takes 1", p.Successes)
		}
		*one.to = p
	}
	if all != (spec.Probes{}) {
		m.out.Probes = &all
	}
	return nil
}

func (m *member) probe(p *core.Probe) (*spec.Probe, error) {
	action, err := m.action(p.Exec, p.HTTPGet, p.TCPSocket)
	if err != nil {
		return nil, err
	}
	if g := p.GRPC; g != nil {
		if err := alone(action); err != nil {
			return nil, err
		}
		if g.Port < 1 || g.Port > math.MaxUint16 {
			return nil, fmt.Errorf("grpc.port %d is out of range", g.Port)
		}
		action.GRPC = &spec.GRPCCheck{Port: uint16(g.Port)}
		if g.Service != nil {
			action.GRPC.Service = *g.Service
		}
	}
	if nothingToDo(action) {
		return nil, fmt.Errorf("it is none of exec, httpGet, tcpSocket, grpc")
	}
	for name, n := range map[string]int32{
		"initialDelaySeconds": p.InitialDelaySeconds, "periodSeconds": p.PeriodSeconds, "timeoutSeconds": p.TimeoutSeconds,
		"failureThreshold": p.FailureThreshold, "successThreshold": p.SuccessThreshold,
	} {
		if n < 0 {
			return nil, fmt.Errorf("%s is negative", name)
		}
	}
	out := &spec.Probe{
		Action: *action, InitialDelay: seconds(p.InitialDelaySeconds), Period: seconds(p.PeriodSeconds), Timeout: seconds(p.TimeoutSeconds),
		Failures: int(p.FailureThreshold), Successes: int(p.SuccessThreshold),
	}
	if n := p.TerminationGracePeriodSeconds; n != nil {
		if *n < 1 || *n > math.MaxInt32 {
			return nil, fmt.Errorf("terminationGracePeriodSeconds %d is out of range", *n)
		}
		grace := uint(*n)
		out.TerminationGrace = &grace
	}
	return out, nil
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

func nothingToDo(a *spec.Action) bool {
	return a.Exec == nil && a.HTTP == nil && a.TCP == nil && a.GRPC == nil && a.Sleep == 0
}

func alone(a *spec.Action) error {
	if nothingToDo(a) {
		return nil
	}
	return fmt.Errorf("it asks for more than one action")
}

// action reads what probes and hooks have in common.
func (m *member) action(exec *core.ExecAction, get *core.HTTPGetAction, tcp *core.TCPSocketAction) (*spec.Action, error) {
	a := &spec.Action{}
	if exec != nil {
		if len(exec.Command) == 0 {
			return nil, fmt.Errorf("exec.command is missing")
		}
		a.Exec = exec.Command
	}
	if get != nil {
		if err := alone(a); err != nil {
			return nil, err
		}
		port, err := m.port(get.Port)
		if err != nil {
			return nil, fmt.Errorf("httpGet.port: %w", err)
		}
		a.HTTP = &spec.HTTPGet{Scheme: strings.ToLower(string(get.Scheme)), Host: get.Host, Port: port, Path: get.Path}
		if s := a.HTTP.Scheme; s != "" && s != "http" && s != "https" {
			return nil, fmt.Errorf("httpGet.scheme %q is neither HTTP nor HTTPS", get.Scheme)
		}
		for i, h := range get.HTTPHeaders {
			if len(validation.IsHTTPHeaderName(h.Name)) > 0 {
				return nil, fmt.Errorf("httpGet.httpHeaders[%d].name: %q is no name of a header", i, h.Name)
			}
			a.HTTP.Headers = append(a.HTTP.Headers, spec.HTTPHeader{Name: h.Name, Value: h.Value})
		}
	}
	if tcp != nil {
		if err := alone(a); err != nil {
			return nil, err
		}
		port, err := m.port(tcp.Port)
		if err != nil {
			return nil, fmt.Errorf("tcpSocket.port: %w", err)
		}
		a.TCP = &spec.TCPConnect{Host: tcp.Host, Port: port}
	}
	return a, nil
}

// port is a number, or the name of one of the container's ports.
func (m *member) port(p intstr.IntOrString) (uint16, error) {
	n := p.IntValue()
	if p.Type == intstr.String && n == 0 {
		for _, c := range m.c.Ports {
			if c.Name == p.StrVal {
				n = int(c.ContainerPort)
			}
		}
		if n == 0 {
			return 0, fmt.Errorf("the container has no port named %q", p.StrVal)
		}
	}
	if n < 1 || n > math.MaxUint16 {
		return 0, fmt.Errorf("%s is out of range", p.String())
	}
	return uint16(n), nil
}

func (m *member) setHooks() error {
	l := m.c.Lifecycle
	if l == nil {
		return nil
	}
	if m.init {
		return m.errorf(m.field("lifecycle"), "an init container that ends cannot have one")
	}
	var hooks spec.Hooks
	for _, one := range []struct {
		name string
		from *core.LifecycleHandler
		to   **spec.Action
	}{{"postStart", l.PostStart, &hooks.PostStart}, {"preStop", l.PreStop, &hooks.PreStop}} {
		if one.from == nil {
			continue
		}
		a, err := m.action(one.from.Exec, one.from.HTTPGet, nil)
		if err != nil {
			return m.errorf(m.field("lifecycle."+one.name), "%w", err)
		}
		if s := one.from.Sleep; s != nil {
			if err := alone(a); err != nil {
				return m.errorf(m.field("lifecycle."+one.name), "%w", err)
			}
			if s.Seconds < 0 || s.Seconds > math.MaxInt32 {
				return m.errorf(m.field("lifecycle."+one.name+".sleep.seconds"), "%d is out of range", s.Seconds)
			}
			a.Sleep = time.Duration(s.Seconds) * time.Second
		}
		if *one.from == (core.LifecycleHandler{}) {
			return m.errorf(m.field("lifecycle."+one.name), "it is none of exec, httpGet, sleep")
		}
		if !nothingToDo(a) {
			*one.to = a
		}
	}
	if hooks != (spec.Hooks{}) {
		m.out.Hooks = &hooks
	}
	if l.StopSignal != nil {
		m.out.Process.StopSignal = string(*l.StopSignal)
	}
	return nil
}
