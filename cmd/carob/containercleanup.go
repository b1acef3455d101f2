package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

type cleanupOptions struct {
	selection
	rm, rmi bool
}

func newContainerCleanup(a *app) *cobra.Command {
	o := &cleanupOptions{}
	cmd := &cobra.Command{
		Use:   "cleanup [options] CONTAINER [CONTAINER...]",
		Short: "Take down what ended containers have left, and remove them on demand",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runCleanup(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	f := cmd.Flags()
	o.addFlags(f, "all", "latest")
	f.BoolVar(&o.rm, "rm", false, "remove the container too")
	f.BoolVar(&o.rmi, "rmi", false, "remove the container and, unless others use it, its image too")
	return cmd
}

func runCleanup(ctx context.Context, a *app, o *cleanupOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	o.ignore = true // whoever has removed it meanwhile is welcome
	list, err := o.find(ctx, rt, args)
	if o.all {
		list = created(list)
	}
	err = a.each(list, err, func(c chosen) error {
		if err := c.Cleanup(ctx, o.rm || o.rmi); err != nil || !o.rmi {
			return err
		}
		return a.removeImage(c.ImageID)
	})
	for _, id := range args { // a monitor's: the container may be gone
		err = errors.Join(err, rt.SettleEnd(ctx, id))
	}
	return err
}
