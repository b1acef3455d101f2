package main

import (
	"context"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

type killOptions struct {
	selection
	signal string
}

func newKill(a *app) *cobra.Command {
	o := &killOptions{}
	cmd := &cobra.Command{
		Use:   "kill [options] CONTAINER [CONTAINER...]",
		Short: "Send a signal to running containers",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runKill(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainersIn(libpod.StateRunning),
	}
	o.addFlags(cmd.Flags(), "all", "latest", "cidfile")
	cmd.Flags().StringVarP(&o.signal, "signal", "s", "KILL", "signal, by name or number")
	completeWords(cmd, "signal", spec.SignalNames()...)
	return cmd
}

func runKill(ctx context.Context, a *app, o *killOptions, args []string) error {
	sig, err := spec.ParseSignal(o.signal)
	if err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	if o.all {
		list = running(list)
	}
	return a.each(list, err, func(c chosen) error { return c.Kill(ctx, syscall.Signal(sig)) })
}

// running leaves out what does not run: --all means all that can be acted on.
func running(list []chosen) []chosen {
	var out []chosen
	for _, c := range list {
		if st, err := c.State(); err == nil && st.Running() {
			out = append(out, c)
		}
	}
	return out
}
