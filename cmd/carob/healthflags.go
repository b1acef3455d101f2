package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod/spec"
)

// healthFlags are --health-... and --no-healthcheck.
type healthFlags struct {
	health, startup spec.Health
	none            bool
}

func (o *healthFlags) add(f *pflag.FlagSet) {
	h, s := &o.health, &o.startup
	f.Var(one(&h.Test, "command", spec.ParseHealthTest), "health-cmd", "command that tells the container's health: a line, a JSON array, or none")
	f.Var(one(&h.Interval, "duration", spec.ParseHealthInterval), "health-interval", "time between checks, or disable (default 30s)")
	f.Var(one(&h.Timeout, "duration", spec.ParseHealthTimeout), "health-timeout", "how long a check may take (default 30s)")
	f.Var(one(&h.StartPeriod, "duration", spec.ParseHealthTime), "health-start-period", "time to come up in which failures do not count (default 0s)")
	f.Var(one(&h.Retries, "number", spec.ParseHealthRetries), "health-retries", "failures in a row that mean unhealthy (default 3)")
	f.StringVar(&h.OnFailure, "health-on-failure", "", "what to do when unhealthy: none, kill, restart or stop")
	f.StringVar(&h.LogDestination, "health-log-destination", "", "where results are kept: local, events_logger or a directory")
	f.Var(maybe(&h.MaxLogCount, "number", parseUint), "health-max-log-count", "number of results kept, 0 for all (default 5)")
	f.Var(maybe(&h.MaxLogSize, "bytes", parseUint), "health-max-log-size", "length of a result kept, 0 for up to 32 KiB (default 500)")
	f.BoolVar(&o.none, "no-healthcheck", false, "run no health checks, not even the image's")
	f.Var(one(&s.Test, "command", spec.ParseHealthTest), "health-startup-cmd", "command that tells when the container has come up")
	f.Var(one(&s.Interval, "duration", spec.ParseHealthInterval), "health-startup-interval", "time between these checks (default 30s)")
	f.Var(one(&s.Timeout, "duration", spec.ParseHealthTimeout), "health-startup-timeout", "how long such a check may take (default 30s)")
	f.IntVar(&s.Retries, "health-startup-retries", 0, "failures after which the container is restarted; 0: never")
	f.IntVar(&s.Successes, "health-startup-success", 0, "successes in a row that mean it has come up")
}

// asked is what the flags ask for, nil where they say nothing.
func (o *healthFlags) asked(f *pflag.FlagSet) (health, startup *spec.Health, err error) {
	switch {
	case o.none && f.Changed("health-cmd"):
		return nil, nil, errors.New("cannot specify both --no-healthcheck and --health-cmd")
	case o.none && anyChanged(f, startupFlags()):
		return nil, nil, errors.New("cannot specify both --no-healthcheck and --health-startup-cmd")
	case o.none:
		return &spec.Health{Test: []string{"NONE"}}, nil, nil
	}
	if d := o.health.LogDestination; d != "" && d != "local" && d != "events_logger" {
		if o.health.LogDestination, err = filepath.Abs(d); err != nil {
			return nil, nil, fmt.Errorf("cannot tell what %s stands for: %w", d, err)
		}
		if info, err := os.Stat(o.health.LogDestination); err != nil || !info.IsDir() {
			return nil, nil, fmt.Errorf("cannot keep health check results in %s: there is no such directory", o.health.LogDestination)
		}
	}
	if anyChanged(f, regularFlags()) {
		health = &o.health
	}
	if anyChanged(f, startupFlags()) {
		startup = &o.startup
	}
	return health, startup, nil
}

func regularFlags() []string {
	return []string{
		"health-cmd", "health-interval", "health-timeout", "health-start-period", "health-retries",
		"health-on-failure", "health-log-destination", "health-max-log-count", "health-max-log-size",
	}
}

func startupFlags() []string {
	return []string{"health-startup-cmd", "health-startup-interval", "health-startup-timeout", "health-startup-retries", "health-startup-success"}
}

func anyChanged(f *pflag.FlagSet, names []string) bool {
	for _, name := range names {
		if f.Changed(name) {
			return true
		}
	}
	return false
}
