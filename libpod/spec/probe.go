package spec

import "time"

// Probes are Kubernetes' three questions to a container, which its monitor
// asks. Each may be nil. They stand beside Health, docker's one question; a
// container has one or the other.
type Probes struct {
	// Startup holds the other two back until it has succeeded once.
	Startup *Probe `json:"startup,omitempty"`
	// Liveness has the container killed, and so restarted by its policy, when
	// it fails.
	Liveness *Probe `json:"liveness,omitempty"`
	// Readiness only says whether the container is ready.
	Readiness *Probe `json:"readiness,omitempty"`
}

// Probe is one question, asked again and again. The zero value of a time or a
// number stands for Kubernetes' default.
type Probe struct {
	Action
	InitialDelay time.Duration `json:"initial_delay,omitempty"` // after the start; 0
	Period       time.Duration `json:"period,omitempty"`        // 10 s
	Timeout      time.Duration `json:"timeout,omitempty"`       // 1 s
	Failures     int           `json:"failures,omitempty"`      // in a row until it counts as failed; 3
	Successes    int           `json:"successes,omitempty"`     // in a row until it counts as passed; 1
	// TerminationGrace replaces the stop timeout, in seconds, when this probe
	// ends the container.
	TerminationGrace *uint `json:"termination_grace,omitempty"`
}

// Action is something done to a running container: exactly one field is set.
// HTTP, TCP and GRPC connect from inside the container's network namespace.
type Action struct {
	Exec  []string      `json:"exec,omitempty"` // argv, run inside
	HTTP  *HTTPGet      `json:"http,omitempty"`
	TCP   *TCPConnect   `json:"tcp,omitempty"`
	GRPC  *GRPCCheck    `json:"grpc,omitempty"`
	Sleep time.Duration `json:"sleep,omitempty"` // hooks only
}

// HTTPGet succeeds with a status from 200 to 399.
type HTTPGet struct {
	Scheme  string       `json:"scheme,omitempty"` // http (""), https (the certificate is not checked)
	Host    string       `json:"host,omitempty"`   // "" 127.0.0.1
	Port    uint16       `json:"port"`
	Path    string       `json:"path,omitempty"` // "" is /
	Headers []HTTPHeader `json:"headers,omitempty"`
}

// HTTPHeader is a header of HTTPGet; Host changes the request's host.
type HTTPHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TCPConnect succeeds when the port takes a connection.
type TCPConnect struct {
	Host string `json:"host,omitempty"` // "" 127.0.0.1
	Port uint16 `json:"port"`
}

// GRPCCheck asks the gRPC health service (grpc.health.v1) and wants SERVING.
type GRPCCheck struct {
	Port    uint16 `json:"port"`
	Service string `json:"service,omitempty"`
}

// Hooks are Kubernetes' lifecycle handlers; the monitor runs them.
type Hooks struct {
	// PostStart follows the start; when it fails the container is killed.
	PostStart *Action `json:"post_start,omitempty"`
	// PreStop comes before the stop signal; its time counts as part of the
	// stop timeout.
	PreStop *Action `json:"pre_stop,omitempty"`
}
