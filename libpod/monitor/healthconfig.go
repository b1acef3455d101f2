package monitor

import (
	"slices"
	"time"
)

// Health says what the monitor asks of the running container, and where the
// answers go.
type Health struct {
	Checks []Check `json:"checks,omitempty"`
	// Prober is the path of carob-probe, for actions that connect.
	Prober string `json:"prober,omitempty"`
	// Copy is a second place for HealthFile, where users look; "" for none.
	Copy     string `json:"copy,omitempty"`
	LogCount int    `json:"log_count,omitempty"` // results kept, 0: all
	LogSize  int    `json:"log_size,omitempty"`  // bytes kept of a result's output, 0: maxOutput
	Events   bool   `json:"events,omitempty"`    // every result is an event
}

// Check is one question, asked again and again.
type Check struct {
	Action
	Role    string        `json:"role"`
	Delay   time.Duration `json:"delay,omitempty"` // after the start
	Period  time.Duration `json:"period"`          // 0: only when a client asks
	Timeout time.Duration `json:"timeout"`
	// Steady measures Period from question to question, not from the end of
	// one to the next.
	Steady bool `json:"steady,omitempty"`
	// Failures and Successes are how many in a row make a verdict. Failures 0:
	// the check never fails. Successes 0 is 1.
	Failures  int `json:"failures,omitempty"`
	Successes int `json:"successes,omitempty"`
	// StartPeriod is how long after the start failures do not count, until the
	// first success.
	StartPeriod time.Duration `json:"start_period,omitempty"`
	// OnFailure is what happens when the check has failed, see below.
	OnFailure string `json:"on_failure,omitempty"`
	// Grace replaces StopTimeout when OnFailure ends the container; seconds.
	Grace *uint `json:"grace,omitempty"`
}

// Roles of checks.
const (
	RoleHealth    = "health"    // docker's
	RoleStartup   = "startup"   // the others wait until it has passed, then it is over
	RoleLiveness  = "liveness"  // Kubernetes'
	RoleReadiness = "readiness" // Kubernetes'
)

// What Check.OnFailure can be.
const (
	OnFailureNone    = ""
	OnFailureKill    = "kill"    // SIGKILL; then the restart policy decides
	OnFailureStop    = "stop"    // as a user stops it
	OnFailureRestart = "restart" // stopped, and run again whatever the policy is
	OnFailureReplace = "replace" // stopped, and run again unless the policy is no: Kubernetes' way
)

// Action is something done to the running container: exactly one field is set.
type Action struct {
	Exec  []string      `json:"exec,omitempty"`  // argv, run inside
	Probe []string      `json:"probe,omitempty"` // carob-probe's words, behind the pid and the timeout
	Sleep time.Duration `json:"sleep,omitempty"`
}

// Verdicts on the container's health.
const (
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// HealthReport is the content of HealthFile, with podman's and docker's keys
// where they have the same.
type HealthReport struct {
	Status        string
	FailingStreak int
	Run           int64         // Record.Started of the run this is about
	Hooked        bool          `json:",omitempty"` // Config.PostStart is through
	Checks        []CheckReport // in the order of Health.Checks
	Log           []HealthResult
}

// Started tells whether the startup check, if there is one, has passed.
// Nothing is known of a run without a report.
func (r *HealthReport) Started() bool {
	return r != nil && !slices.ContainsFunc(r.Checks, func(c CheckReport) bool { return c.Role == RoleStartup && !c.Passed })
}

// CheckReport is how one check stands.
type CheckReport struct {
	Role string
	Verdict
}

// Verdict counts the answers to a check. At most one of Passed and Failed is set.
type Verdict struct {
	Failures  int  `json:",omitempty"` // in a row
	Successes int  `json:",omitempty"` // in a row
	Came      bool `json:",omitempty"` // it has passed before
	Passed    bool `json:",omitempty"`
	Failed    bool `json:",omitempty"`
}

// HealthResult is one answer.
type HealthResult struct {
	Start, End time.Time
	ExitCode   int // -1: it took too long
	Output     string
	Check      string `json:",omitempty"` // role, except health
}
