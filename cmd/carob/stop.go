package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type stopOptions struct {
	selection
	time *uint
}

func newStop(a *app) *cobra.Command {
	o := &stopOptions{}
	cmd := &cobra.Command{
		Use:   "stop [options] CONTAINER [CONTAINER...]",
		Short: "Stop containers: their stop signal, then SIGKILL",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runStop(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainersIn(libpod.StateRunning),
	}
	o.addFlags(cmd.Flags(), "all", "latest", "cidfile", "filter", "ignore")
	addTimeFlag(cmd, &o.time)
	completeFilters(cmd, libpod.ContainerFilterKeys()...)
	return cmd
}

// addTimeFlag adds --time with docker's name for it, --timeout, hidden.
// Without it *seconds stays nil: the container's own stop timeout.
func addTimeFlag(cmd *cobra.Command, seconds **uint) {
	cmd.Flags().VarP(maybe(seconds, "uint", parseSeconds), "time", "t", "seconds to wait before SIGKILL, instead of the container's own stop timeout")
	cmd.Flags().Var(maybe(seconds, "uint", parseSeconds), "timeout", "the same as --time")
	cmd.Flags().MarkHidden("timeout")
}

func runStop(ctx context.Context, a *app, o *stopOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	return a.each(list, err, func(c chosen) error {
		err := c.Stop(ctx, o.time)
		var gone *libpod.NoContainerError
		if o.ignore && errors.As(err, &gone) { // a --rm container that somebody else has stopped goes while we wait
			return nil
		}
		return err
	})
}
