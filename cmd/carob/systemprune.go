package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

type systemPruneOptions struct {
	all, volumes, force, external bool

	filters []string
}

func newSystemPrune(a *app) *cobra.Command {
	o := &systemPruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune [options]",
		Short: "Remove containers that do not run, images nothing needs, and what killed commands left",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runSystemPrune(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "all images that no container uses, not only those without a name")
	f.BoolVar(&o.volumes, "volumes", false, "volumes that no container has, too")
	f.BoolVarP(&o.force, "force", "f", false, "do not ask")
	f.BoolVar(&o.external, "external", false, "only containers of other programs in the same storage")
	f.StringArrayVar(&o.filters, "filter", nil, "containers, images and volumes for which label=..., label!=... or until=... holds")
	return cmd
}

func runSystemPrune(ctx context.Context, a *app, o *systemPruneOptions) error {
	if err := libpod.CheckPruneFilters(o.filters); err != nil {
		return err
	}
	if o.external && (o.all || o.volumes || len(o.filters) > 0) {
		return errors.New("--external cannot be combined with other options")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if !o.force {
		if yes, err := a.confirm(ctx, o.warning()); !yes {
			return err
		}
	}
	p := &pruner{app: a, rt: rt, o: o}
	if o.external {
		return p.removeExternal(ctx)
	}
	return p.run(ctx)
}

func (o *systemPruneOptions) warning() string {
	if o.external {
		return "WARNING! This command removes all containers of other programs from the storage."
	}
	lines := []string{"WARNING! This command removes:", "\t- all pods of which nothing runs", "\t- all stopped containers"}
	if o.volumes {
		lines = append(lines, "\t- all volumes not used by at least one container")
	}
	if o.all {
		lines = append(lines, "\t- all images without at least one container associated with them")
	} else {
		lines = append(lines, "\t- all dangling images")
	}
	return strings.Join(append(lines, "\t- what killed commands have left behind", ""), "\n")
}

// pruner does one prune and adds up what became free.
type pruner struct {
	*app
	rt    *libpod.Runtime
	o     *systemPruneOptions
	freed int64
}

func (p *pruner) run(ctx context.Context) error {
	pods, err := p.rt.PrunePods(ctx, p.o.filters)
	p.list("Deleted Pods", pods)
	if err != nil {
		return err
	}
	containers, err := p.rt.PruneContainers(ctx, p.o.filters)
	ids := make([]string, len(containers))
	for i, c := range containers {
		ids[i] = c.ID
		p.freed += c.Size
	}
	p.list("Deleted Containers", ids)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{p.images, p.volumes, p.leftovers} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(p.out, "Total reclaimed space: %s\n", report.TightSize(p.freed))
	return err
}

func (p *pruner) list(heading string, words []string) {
	if len(words) == 0 {
		return
	}
	fmt.Fprintln(p.out, heading)
	for _, w := range words {
		fmt.Fprintln(p.out, w)
	}
}

func (p *pruner) images(context.Context) error {
	store, err := p.rt.Images()
	if err != nil {
		return err
	}
	ids, freed, err := store.Prune(image.PruneOptions{All: p.o.all, Filters: p.o.filters})
	p.freed += freed
	p.list("Deleted Images", ids)
	return err
}

func (p *pruner) volumes(ctx context.Context) error {
	if !p.o.volumes {
		return nil
	}
	sizes := map[string]int64{}
	list, err := p.rt.FilteredVolumes(ctx, []string{"dangling=true"})
	if err != nil {
		return err
	}
	for _, v := range list {
		sizes[v.Name] = v.Size()
	}
	names, err := p.rt.PruneVolumes(ctx, p.o.filters)
	for _, n := range names {
		p.freed += sizes[n]
	}
	p.list("Deleted Volumes", names)
	return err
}

func (p *pruner) leftovers(ctx context.Context) error {
	if len(p.o.filters) > 0 {
		return nil // they have neither labels nor a date of their own
	}
	left, err := p.rt.Leftovers(ctx, p.o.volumes)
	if err != nil {
		return err
	}
	freed, err := p.rt.RemoveLeftovers(ctx, left)
	p.freed += freed
	paths := make([]string, len(left))
	for i, l := range left {
		paths[i] = l.Path
	}
	p.list("Deleted Leftovers", paths)
	return err
}

func (p *pruner) removeExternal(ctx context.Context) error {
	own, err := p.rt.Containers(ctx)
	if err != nil {
		return err
	}
	volumes, err := p.rt.Volumes(ctx)
	if err != nil {
		return err
	}
	store, err := p.rt.Images()
	if err != nil {
		return err
	}
	list, err := p.rt.External(own)
	if err != nil {
		return err
	}
	var ids []string
	for _, c := range list {
		if slices.ContainsFunc(volumes, func(v *libpod.Volume) bool { return v.StorageID == c.ID }) {
			continue
		}
		if err := store.DeleteContainer(c.ID); err != nil {
			return err
		}
		ids = append(ids, c.ID)
	}
	p.list("Deleted Containers", ids)
	return nil
}
