package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type podStatsOptions struct {
	podSelection
	format            string
	noReset, noStream bool
}

func newPodStats(a *app) *cobra.Command {
	o := &podStatsOptions{}
	cmd := &cobra.Command{
		Use:               "stats [options] [POD...]",
		Short:             "Show what the containers of pods use of the machine",
		RunE:              func(cmd *cobra.Command, args []string) error { return runPodStats(cmd.Context(), a, o, args) },
		ValidArgsFunction: a.completePods,
	}
	f := cmd.Flags()
	o.addFlags(f)
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVar(&o.noReset, "no-reset", false, "do not clear the screen between two looks")
	f.BoolVar(&o.noStream, "no-stream", false, "look once and end")
	return cmd
}

func runPodStats(ctx context.Context, a *app, o *podStatsOptions, args []string) error {
	if (o.all || o.latest) && len(args) > 0 || o.all && o.latest {
		return errors.New("--all, --latest and arguments cannot be used together")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	o.all = len(args) == 0 && !o.latest
	before := map[string]*libpod.Usage{}
	for {
		rows, err := o.rows(ctx, rt, args, before)
		if err != nil {
			return err
		}
		if !o.noReset && !o.noStream {
			fmt.Fprint(a.out, "\x1b[2J\x1b[H") // clear, and to the upper left corner
		}
		if err := report.Write(a.out, rows, o.report()); err != nil || o.noStream {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Second):
		}
	}
}

func (o *podStatsOptions) report() report.Options {
	return report.Options{
		Format:  o.format,
		Default: "{{.Pod}}\t{{.CID}}\t{{.Name}}\t{{.CPU}}\t{{.MemUsage}}\t{{.Mem}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDS}}",
		Headers: map[string]string{
			"Pod": "POD", "CID": "CID", "CPU": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "Mem": "MEM %", "NetIO": "NET IO",
			"BlockIO": "BLOCK IO", "PIDS": "PIDS", "MemUsageBytes": "MEM USAGE / LIMIT",
		},
	}
}

// podStatsRow has podman's keys.
type podStatsRow struct {
	CPU, MemUsage, MemUsageBytes, Mem, NetIO, BlockIO, PIDS, Pod, CID, Name string
}

func (o *podStatsOptions) rows(ctx context.Context, rt *libpod.Runtime, args []string, before map[string]*libpod.Usage) ([]podStatsRow, error) {
	pods, err := o.find(ctx, rt, args)
	if err != nil {
		return nil, err
	}
	rows := []podStatsRow{}
	for _, p := range pods {
		st, err := p.State(ctx)
		if err != nil {
			return nil, err
		}
		for _, m := range st.Members {
			if m.Infra || !m.State.Running() {
				continue // all that an infra container uses is a sleeping process
			}
			use, err := m.Usage()
			if err != nil {
				return nil, err
			}
			r := newStatsRow(report.ShortID(m.ID), m.Name, use, before[m.ID])
			before[m.ID] = use
			rows = append(rows, podStatsRow{
				CPU: r.CPUPerc, MemUsage: r.MemUsage, MemUsageBytes: r.MemUsageBytes, Mem: r.MemPerc, NetIO: r.NetIO, BlockIO: r.BlockIO,
				PIDS: r.PIDS, Pod: report.ShortID(p.ID), CID: r.ID, Name: r.Name,
			})
		}
	}
	return rows, nil
}
