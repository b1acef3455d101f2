package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type podStatsOptions struct {
	podSelection
	watching
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
	o.podSelection.addFlags(f)
	o.watching.addFlags(f)
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
	return o.watch(ctx, a, 5*time.Second, podStatsReport(), func() (any, error) { return o.rows(ctx, rt, args, before) })
}

func podStatsReport() report.Options {
	return report.Options{
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
