package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type containerPruneOptions struct {
	force   bool
	filters []string
}

func newContainerPrune(a *app) *cobra.Command {
	o := &containerPruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune [options]",
		Short: "Remove all containers that do not run",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runContainerPrune(cmd.Context(), a, o) },
	}
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask")
	cmd.Flags().StringArrayVar(&o.filters, "filter", nil, "containers for which label=..., label!=... or until=... holds")
	return cmd
}

func runContainerPrune(ctx context.Context, a *app, o *containerPruneOptions) error {
	if err := libpod.CheckPruneFilters(o.filters); err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if !o.force {
		if yes, err := a.confirm(ctx, "WARNING! This will remove all non running containers."); !yes {
			return err
		}
	}
	done, err := rt.PruneContainers(ctx, o.filters)
	for _, c := range done {
		fmt.Fprintln(a.out, c.ID)
	}
	return err
}
