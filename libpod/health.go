package libpod

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/image"
)

// What a health check has when nobody says otherwise.
const (
	healthTime    = 30 * time.Second // interval and timeout
	healthRetries = 3
	healthLogs    = 5   // results kept
	healthLogSize = 500 // bytes of each
)

// What --health-log-destination can be beside a directory.
const (
	healthLogLocal  = "local"
	healthLogEvents = "events_logger"
)

// healthOf is a container's health check, complete: what was asked for, over
// the image's, over the defaults. A command that was asked for has no times of
// the image's. nil: there is none.
func healthOf(asked *spec.Health, img *baseImage) *spec.Health {
	var h spec.Health
	if img != nil && img.config.Config.Healthcheck != nil && (asked == nil || len(asked.Test) == 0) {
		h = imageHealth(img.config.Config.Healthcheck)
	}
	if asked != nil {
		h = spec.MergeHealth(h, *asked)
	}
	if len(h.Test) == 0 || h.Test[0] == "NONE" {
		return nil
	}
	completeHealth(&h)
	h.Retries = cmp.Or(h.Retries, healthRetries)
	return &h
}

func imageHealth(h *image.Healthcheck) spec.Health {
	return spec.Health{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
}

func completeHealth(h *spec.Health) {
	h.Interval, h.Timeout = cmp.Or(h.Interval, healthTime), cmp.Or(h.Timeout, healthTime)
}

// health is the container's; without its image, which may be gone, as far as
// that goes.
func (c *Container) health() *spec.Health {
	img, _ := c.image() // a missing one has no health check
	return healthOf(c.Health, img)
}

// checkHealth refuses what needs a health check where there is none.
func checkHealth(c *spec.Container, img *baseImage) error {
	if c.Probes != nil || healthOf(c.Health, img) != nil {
		return nil
	}
	none := "neither --health-cmd nor the image says what to check"
	switch h := c.Health; {
	case c.Process.SdNotify == notifyHealthy:
		return errors.New("cannot use --sdnotify=healthy: " + none)
	case c.Startup != nil:
		return errors.New("cannot use --health-startup-cmd without a health check: " + none)
	case h != nil && len(h.Test) == 0 && h.OnFailure != "" && h.OnFailure != "none":
		return fmt.Errorf("cannot set on-failure action to %s without a health check: %s", h.OnFailure, none)
	}
	return nil // times alone mean nothing, and do no harm
}

// monitorHealth is what the monitor is to ask.
func (c *Container) monitorHealth(img *baseImage) monitor.Health {
	h := healthOf(c.Health, img)
	switch {
	case c.Probes != nil:
		return c.probes()
	case h == nil:
		return monitor.Health{}
	}
	m := monitor.Health{Checks: []monitor.Check{healthCheck(monitor.RoleHealth, h, img)}}
	if c.Startup != nil {
		s := *c.Startup
		completeHealth(&s)
		k := healthCheck(monitor.RoleStartup, &s, img)
		k.OnFailure = monitor.OnFailureRestart
		m.Checks = append(m.Checks, k)
	}
	m.LogCount, m.LogSize = healthLogs, healthLogSize
	if h.MaxLogCount != nil {
		m.LogCount = int(*h.MaxLogCount)
	}
	if h.MaxLogSize != nil {
		m.LogSize = int(*h.MaxLogSize)
	}
	switch h.LogDestination {
	case "", healthLogLocal:
	case healthLogEvents:
		m.Events = true
	default:
		m.Copy = filepath.Join(h.LogDestination, c.ID+"-healthcheck.log")
	}
	return m
}

func healthCheck(role string, h *spec.Health, img *baseImage) monitor.Check {
	k := monitor.Check{
		Role: role, Action: monitor.Action{Exec: healthArgv(h.Test, img)}, Period: max(h.Interval, 0), Timeout: h.Timeout,
		Failures: h.Retries, Successes: h.Successes, StartPeriod: h.StartPeriod,
	}
	switch h.OnFailure {
	case "kill":
		k.OnFailure = monitor.OnFailureKill
	case "restart":
		k.OnFailure = monitor.OnFailureRestart
	case "stop":
		k.OnFailure = monitor.OnFailureStop
	}
	return k
}

// healthArgv is docker's notation as an argv; a line goes to the image's SHELL.
func healthArgv(test []string, img *baseImage) []string {
	switch test[0] {
	case "CMD":
		return test[1:]
	case "CMD-SHELL":
		shell := []string{"/bin/sh", "-c"}
		if img != nil && len(img.config.Config.Shell) > 0 {
			shell = img.config.Config.Shell
		}
		return append(append([]string{}, shell...), strings.Join(test[1:], " "))
	}
	return test
}

// probes are Kubernetes' checks with its defaults.
func (c *Container) probes() monitor.Health {
	m := monitor.Health{Prober: c.rt.prober()}
	for _, p := range []struct {
		role, onFailure string
		probe           *spec.Probe
	}{
		{monitor.RoleStartup, monitor.OnFailureReplace, c.Probes.Startup},
		{monitor.RoleLiveness, monitor.OnFailureReplace, c.Probes.Liveness},
		{monitor.RoleReadiness, monitor.OnFailureNone, c.Probes.Readiness},
	} {
		if p.probe == nil {
			continue
		}
		m.Checks = append(m.Checks, monitor.Check{
			Role: p.role, Action: monitorAction(&p.probe.Action), Delay: p.probe.InitialDelay, Steady: true,
			Period: cmp.Or(p.probe.Period, 10*time.Second), Timeout: cmp.Or(p.probe.Timeout, time.Second),
			Failures: cmp.Or(p.probe.Failures, 3), Successes: p.probe.Successes,
			OnFailure: p.onFailure, Grace: p.probe.TerminationGrace,
		})
	}
	m.LogCount, m.LogSize = healthLogs*len(m.Checks), healthLogSize
	return m
}

// prober is the program that asks servers.
func (rt *Runtime) prober() string {
	return filepath.Join(filepath.Dir(rt.opts.Monitor), "carob-probe")
}

func monitorAction(a *spec.Action) monitor.Action {
	m := monitor.Action{Exec: a.Exec, Sleep: a.Sleep}
	switch {
	case a.HTTP != nil:
		m.Probe = []string{"http", httpURL(a.HTTP)}
		for _, h := range a.HTTP.Headers {
			m.Probe = append(m.Probe, h.Name+": "+h.Value)
		}
	case a.TCP != nil:
		m.Probe = []string{"tcp", hostPort(a.TCP.Host, a.TCP.Port)}
	case a.GRPC != nil:
		m.Probe = []string{"grpc", hostPort("", a.GRPC.Port), a.GRPC.Service}
	}
	return m
}

func httpURL(h *spec.HTTPGet) string {
	return strings.ToLower(cmp.Or(h.Scheme, "http")) + "://" + hostPort(h.Host, h.Port) + "/" + strings.TrimPrefix(h.Path, "/")
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(cmp.Or(host, "127.0.0.1"), strconv.Itoa(int(port)))
}

// useHealth gives the monitor its checks and hooks.
func (c *Container) useHealth(m *monitor.Config, img *baseImage) {
	m.Health = c.monitorHealth(img)
	if c.Hooks == nil {
		return
	}
	m.Health.Prober = c.rt.prober()
	if a := c.Hooks.PostStart; a != nil {
		post := monitorAction(a)
		m.PostStart = &post
	}
	if a := c.Hooks.PreStop; a != nil {
		pre := monitorAction(a)
		m.PreStop = &pre
	}
}

// HealthReport tells the last results of the health checks, nil when nothing
// is known of the last run.
func (c *Container) HealthReport(st *State) (*monitor.HealthReport, error) {
	if st.Health == "" {
		return nil, nil
	}
	body, err := os.ReadFile(filepath.Join(c.Dir(), monitor.HealthFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the health of container %s: %w", c.Name, err)
	}
	report := new(monitor.HealthReport)
	if json.Unmarshal(body, report) != nil {
		return nil, nil // a power cut has taken its bytes
	}
	if report.Run != st.Started {
		return nil, nil // of an earlier run
	}
	return report, nil
}

// HealthCheck has the health check run now and tells whether the container
// is healthy, by that one answer: HealthHealthy or HealthUnhealthy, or
// HealthStarting when the startup check failed.
func (c *Container) HealthCheck(ctx context.Context) (string, error) {
	st, err := c.Repair(ctx)
	if err != nil {
		return "", err
	}
	if c.Probes == nil && c.health() == nil {
		return "", fmt.Errorf("container %s has no defined healthcheck", c.Name)
	}
	if st.Status != StateRunning {
		return "", fmt.Errorf("cannot check the health of container %s: it is %s: it is not running", c.Name, st.Status)
	}
	conn, err := c.dial(st)
	if err != nil {
		return "", fmt.Errorf("cannot check the health of container %s: %w", c.Name, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	code, startup, err := conn.Check()
	var refused *client.Refused
	switch {
	case errors.As(err, &refused):
		return "", fmt.Errorf("cannot check the health of container %s: %w", c.Name, err)
	case err != nil:
		return "", fmt.Errorf("cannot check the health of container %s: its monitor does not answer: %w", c.Name, err)
	case code == 0:
		return monitor.HealthHealthy, nil
	case startup:
		return monitor.HealthStarting, nil
	}
	return monitor.HealthUnhealthy, nil
}
