package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/eventlog"
	"github.com/carob-containers/carob/pkg/report"
)

type eventsOptions struct {
	libpod.EventOptions
	format          string
	noTrunc, stream bool
}

func newEvents(a *app) *cobra.Command {
	o := &eventsOptions{}
	cmd := &cobra.Command{
		Use:   "events [options]",
		Short: "Show what happens to containers and images",
		Example: `carob events --since 10m --stream=false
carob events --filter event=died --format '{{.Name}} {{.ContainerExitCode}}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEvents(cmd.Context(), a, o) },

		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.Filters, "filter", "f", nil, "container, event, image, label, pod, volume or type=VALUE")
	f.StringVar(&o.format, "format", "", "json (a line for each event) or a Go template")
	f.BoolVar(&o.noTrunc, "no-trunc", true, "print IDs whole")
	f.Var(one(&o.Since, "time", parseTime), "since", "those after a time, or of the last DURATION")
	f.BoolVar(&o.stream, "stream", true, "go on and show new events")
	f.Var(one(&o.Until, "time", parseFuture), "until", "those before a time, or until DURATION from now")
	return cmd
}

// parseFuture reads a time, or a duration ahead.
func parseFuture(s string) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(d), nil
	}
	return parseTime(s)
}

func runEvents(ctx context.Context, a *app, o *eventsOptions) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	o.Follow = o.stream && (o.Until.IsZero() || o.Until.After(time.Now()))
	o.OnlyNew = o.Follow && o.Since.IsZero()
	err = rt.Events(ctx, o.EventOptions, func(e *libpod.Event) error { return a.printEvent(o, e) })
	switch {
	case errors.Is(err, context.Canceled):
		return nil // an interrupt is how one leaves
	case errors.Is(err, syscall.EPIPE):
		return &exitError{code: 128 + int(syscall.SIGPIPE)}
	}
	return err
}

// eventRow is an event with podman's keys.
type eventRow struct {
	ContainerExitCode *int   `json:",omitempty"` // nil: nothing ended
	ID                string `json:",omitempty"`
	Image             string `json:",omitempty"`
	Name              string `json:",omitempty"`
	Network           string `json:",omitempty"`
	PodID             string `json:",omitempty"`
	HealthStatus      string `json:"health_status,omitempty"`
	Status            string
	Time              time.Time
	TimeNano          int64 `json:"timeNano"`
	Type              string
	Attributes        map[string]string
}

func (a *app) printEvent(o *eventsOptions, e *libpod.Event) error {
	if o.format == "" {
		id := e.ID
		if !o.noTrunc {
			id = report.ShortID(id)
		}
		_, err := fmt.Fprintln(a.out, e.Time.Local().String(), e.Words(id))
		return err
	}
	row := eventRow{ID: e.ID, Image: e.Image, Name: e.Name, Status: e.Status, Time: e.Time, TimeNano: e.Time.UnixNano(), Type: e.Type, PodID: e.Pod, Attributes: e.Attributes}
	if code, ok := e.Attributes[eventlog.ExitCode]; ok { // a key of its own here
		if n, err := strconv.Atoi(code); err == nil {
			row.ContainerExitCode = &n
		}
		delete(row.Attributes, eventlog.ExitCode)
	}
	if health, ok := e.Attributes[eventlog.HealthStatus]; ok && e.Status == "health_status" {
		row.HealthStatus = health
		delete(row.Attributes, eventlog.HealthStatus)
	}
	if report.IsJSON(o.format) {
		return report.Write(a.out, []eventRow{row}, report.Options{Format: "{{json .}}"})
	}
	return report.Write(a.out, []eventRow{row}, report.Options{Format: o.format})
}
