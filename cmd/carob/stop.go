package main

import (
	"context"

	"github.com/spf13/cobra"
)

type stopOptions struct {
	selection
	time int
}

func newStop(a *app) *cobra.Command {
	o := &stopOptions{}
	cmd := &cobra.Command{
		Use:   "stop [options] CONTAINER [CONTAINER...]",
		Short: "Stop containers: their stop signal, then SIGKILL",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runStop(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	o.addFlags(cmd.Flags(), "all", "latest", "cidfile", "filter", "ignore")
	addTimeFlag(cmd, &o.time)
	return cmd
}

// addTimeFlag adds --time with docker's name for it, --timeout, hidden.
func addTimeFlag(cmd *cobra.Command, seconds *int) {
	cmd.Flags().IntVarP(seconds, "time", "t", -1, "seconds to wait before SIGKILL; -1: the container's own stop timeout")
	cmd.Flags().IntVar(seconds, "timeout", -1, "the same as --time")
	cmd.Flags().MarkHidden("timeout")
}

func seconds(n int) *uint {
	if n < 0 {
		return nil
	}
	u := uint(n)
	return &u
}

func runStop(ctx context.Context, a *app, o *stopOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	return a.each(list, err, func(c chosen) error { return c.Stop(ctx, seconds(o.time)) })
}
