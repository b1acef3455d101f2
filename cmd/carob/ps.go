package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type psOptions struct {
	all, external, latest, ns, noTrunc, noHeading, pod, quiet, size, sync bool

	filters []string
	format  string
	last    int
	sort    string
	watch   uint
}

func newPs(a *app) *cobra.Command {
	o := &psOptions{}
	cmd := &cobra.Command{
		Use:   "ps [options]",
		Short: "List containers",
		Example: `carob ps -a
carob ps -a --filter status=exited --filter label=tier=backend
carob ps --format 'table {{.Names}} {{.Status}} {{.Ports}}'`,
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return runPs(cmd.Context(), a, o) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "those that do not run too")
	f.BoolVar(&o.external, "external", false, "containers of other programs in the same storage too")
	f.BoolVar(&o.external, "storage", false, "the same as --external")
	_ = f.MarkHidden("storage")
	f.StringArrayVarP(&o.filters, "filter", "f", nil, "containers for which KEY=VALUE holds")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.IntVarP(&o.last, "last", "n", -1, "the N containers made last, in any state")
	f.BoolVarP(&o.latest, "latest", "l", false, "the container made last, in any state")
	f.BoolVar(&o.ns, "ns", false, "show namespaces")
	f.BoolVar(&o.ns, "namespace", false, "the same as --ns")
	_ = f.MarkHidden("namespace")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "print IDs and commands whole")
	f.BoolVar(&o.noHeading, "noheading", false, "leave the line of headings out")
	f.BoolVarP(&o.pod, "pod", "p", false, "show pods")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print IDs only")
	f.BoolVarP(&o.size, "size", "s", false, "show how large containers are")
	f.StringVar(&o.sort, "sort", "created", "command, created, id, image, names, runningfor, size or status")
	f.BoolVar(&o.sync, "sync", false, "ask the kernel what runs, as carob always does")
	f.UintVarP(&o.watch, "watch", "w", 0, "print again every N seconds")
	completeFilters(cmd, libpod.ContainerFilterKeys()...)
	completeWords(cmd, "sort", psSorts()...)
	return cmd
}

func psSorts() []string {
	return []string{"command", "created", "id", "image", "names", "pod", "runningfor", "size", "status"}
}

func (o *psOptions) check() error {
	if strings.Contains(o.format, ".Size") {
		o.size = true // who prints it wants it counted
	}
	switch {
	case o.last >= 0 && o.latest:
		return errors.New("last and latest cannot be used together")
	case o.size && o.ns:
		return errors.New("size and namespace options conflict")
	case o.quiet && (o.size || o.ns):
		return errors.New("quiet conflicts with size and namespace")
	case o.external && !o.all && len(o.filters) == 0:
		return errors.New("the external flag requires the all flag")
	case o.external && (o.latest || o.last >= 0):
		return errors.New("the external flag conflicts with latest and last")
	case !slices.Contains(psSorts(), o.sort):
		return fmt.Errorf("cannot sort by %q: it is none of %s", o.sort, strings.Join(psSorts(), ", "))
	}
	return nil
}

func runPs(ctx context.Context, a *app, o *psOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	filter, err := libpod.ParseFilters(o.filters)
	if err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	for {
		rows, err := o.rows(ctx, rt, filter)
		if err != nil {
			return err
		}
		if o.watch > 0 {
			fmt.Fprint(a.out, "\x1b[2J\x1b[H") // clear, and to the upper left corner
		}
		if err := o.print(a, rows); err != nil || o.watch == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(o.watch) * time.Second):
		}
	}
}

func (o *psOptions) print(a *app, rows []psRow) error {
	if o.quiet && o.format == "" {
		o.format = "{{.ID}}"
	}
	if report.IsJSON(o.format) {
		return a.psJSON(rows)
	}
	return report.Write(a.out, rows, report.Options{Format: o.format, Default: o.table(), NoHeading: o.noHeading, Headers: psHeaders()})
}

func (o *psOptions) table() string {
	if o.ns {
		return "{{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.CGROUPNS}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t{{.PIDNS}}\t{{.USERNS}}\t{{.UTS}}"
	}
	table := "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
	if o.pod {
		table += "\t{{.Pod}}\t{{.PodName}}"
	}
	if o.size {
		table += "\t{{.Size}}"
	}
	return table
}

func psHeaders() map[string]string {
	return map[string]string{
		"ID": "CONTAINER ID", "Pid": "PID", "CGROUPNS": "CGROUPNS", "PIDNS": "PIDNS", "USERNS": "USERNS",
		"CreatedHuman": "CREATED", "RunningFor": "CREATED", "Pod": "POD ID", "PodName": "PODNAME",
	}
}

// rows gathers what is asked for. The order of the database is that of
// creation.
func (o *psOptions) rows(ctx context.Context, rt *libpod.Runtime, filter libpod.Filters) ([]psRow, error) {
	all, err := rt.Containers(ctx)
	if err != nil {
		return nil, err
	}
	everyState := o.all || o.latest || o.last >= 0 || len(filter["status"]) > 0 || len(filter["exited"]) > 0
	p := &psReader{o: o, rt: rt, commands: rt.Commands()}
	rows := []psRow{}
	for _, c := range all {
		row, err := p.row(ctx, c, filter, everyState)
		if err != nil {
			return nil, err
		}
		if row != nil {
			rows = append(rows, *row)
		}
	}
	last := o.last
	if o.latest {
		last = 1
	}
	if last >= 0 && len(rows) > last {
		rows = rows[len(rows)-last:]
	}
	if o.external {
		if rows, err = p.addExternal(rows, all); err != nil {
			return nil, err
		}
	}
	o.order(rows)
	return rows, nil
}

// newContainerPs is "container ps", which has two more names.
func newContainerPs(a *app) *cobra.Command {
	cmd := newPs(a)
	cmd.Aliases = []string{"list", "ls"}
	return cmd
}
