package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type statsOptions struct {
	selection
	watching
	noTrunc  bool
	interval int
}

// watching looks at something again and again, for stats and pod stats.
type watching struct {
	format            string
	noReset, noStream bool
}

func (w *watching) addFlags(f *pflag.FlagSet) {
	f.StringVar(&w.format, "format", "", "json or a Go template")
	f.BoolVar(&w.noReset, "no-reset", false, "do not clear the screen between two looks")
	f.BoolVar(&w.noStream, "no-stream", false, "look once and end")
}

// watch prints what look sees, every so often until ctx ends.
func (w *watching) watch(ctx context.Context, a *app, every time.Duration, o report.Options, look func() (rows any, err error)) error {
	o.Format = w.format
	for {
		rows, err := look()
		if err != nil {
			return err
		}
		if !w.noReset && !w.noStream {
			fmt.Fprint(a.out, "\x1b[2J\x1b[H") // clear, and to the upper left corner
		}
		if err := report.Write(a.out, rows, o); err != nil || w.noStream {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

func newStats(a *app) *cobra.Command {
	o := &statsOptions{}
	cmd := &cobra.Command{
		Use:   "stats [options] [CONTAINER...]",
		Short: "Show what containers use of the machine",
		RunE:  func(cmd *cobra.Command, args []string) error { return runStats(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainersIn(libpod.StateRunning),
	}
	f := cmd.Flags()
	o.selection.addFlags(f, "all", "latest")
	o.watching.addFlags(f)
	f.IntVarP(&o.interval, "interval", "i", 5, "seconds between two looks")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "print IDs whole")
	return cmd
}

func runStats(ctx context.Context, a *app, o *statsOptions, args []string) error {
	switch {
	case (o.all || o.latest) && len(args) > 0, o.all && o.latest:
		return errors.New("--all, --latest and containers cannot be used together")
	case o.interval < 1:
		return errors.New("invalid --interval: must be at least 1 second")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	before := map[string]*libpod.Usage{}
	return o.watch(ctx, a, time.Duration(o.interval)*time.Second, statsReport(), func() (any, error) { return o.rows(ctx, rt, args, before) })
}

func statsReport() report.Options {
	return report.Options{
		Default: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDS}}\t{{.UpTime}}\t{{.AVGCPU}}",
		Headers: map[string]string{
			"CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET IO", "BlockIO": "BLOCK IO",
			"PIDS": "PIDS", "PIDs": "PIDS", "UpTime": "CPU TIME", "AVGCPU": "AVG CPU %", "MemUsageBytes": "MEM USAGE / LIMIT",
		},
	}
}

// rows measures those named, or all that run. With --all those that do not
// run are listed too, with nothing used.
func (o *statsOptions) rows(ctx context.Context, rt *libpod.Runtime, args []string, before map[string]*libpod.Usage) ([]statsRow, error) {
	everything := len(args) == 0 && !o.latest
	which := o.selection
	which.all = everything
	list, err := which.find(ctx, rt, args)
	if err != nil {
		return nil, err
	}
	if everything && !o.all {
		list = running(list)
	}
	rows := []statsRow{}
	for _, c := range list {
		use := &libpod.Usage{}
		if st, err := c.State(); err == nil && st.Running() {
			if use, err = c.Usage(); err != nil {
				return nil, err
			}
		}
		id := c.ID
		if !o.noTrunc {
			id = report.ShortID(id)
		}
		rows = append(rows, newStatsRow(id, c.Name, use, before[c.ID]))
		before[c.ID] = use
	}
	return rows, nil
}

// statsRow has podman's keys.
type statsRow struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	UpTime        string `json:"cpu_time"`
	CPUPerc       string `json:"cpu_percent"`
	AVGCPU        string `json:"avg_cpu"`
	MemUsage      string `json:"mem_usage"`
	MemPerc       string `json:"mem_percent"`
	NetIO         string `json:"net_io"`
	BlockIO       string `json:"block_io"`
	PIDS          string `json:"pids"`
	MemUsageBytes string `json:"-"`
}

// newStatsRow sets the processor time against that of the last look, or of
// the container's whole life at the first.
func newStatsRow(id, name string, u, last *libpod.Usage) statsRow {
	average := percent(u.CPU.Seconds(), u.Up.Seconds())
	now := average
	if last != nil && u.CPU >= last.CPU && !last.At.IsZero() {
		now = percent((u.CPU - last.CPU).Seconds(), u.At.Sub(last.At).Seconds())
	}
	pair := func(a, b int64) string { return tight(a) + " / " + tight(b) }
	return statsRow{
		ID: id, Name: name, UpTime: u.CPU.String(), CPUPerc: now, AVGCPU: average, MemUsage: pair(u.Memory, u.MemoryLimit),
		MemPerc: percent(float64(u.Memory), float64(u.MemoryLimit)), NetIO: pair(u.NetIn, u.NetOut), BlockIO: pair(u.BlockIn, u.BlockOut),
		PIDS: fmt.Sprint(u.PIDs), MemUsageBytes: fmt.Sprintf("%.4gMiB / %.4gMiB", float64(u.Memory)/(1<<20), float64(u.MemoryLimit)/(1<<20)),
	}
}

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0.00%"
	}
	return fmt.Sprintf("%.2f%%", 100*part/whole)
}
