package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

// newRestart, newPause, newUnpause and newInit are alike: a selection and a verb.
func newRestart(a *app) *cobra.Command {
	var wait *uint
	var onlyRunning bool
	cmd := verb(a, "restart [options] CONTAINER [CONTAINER...]", "Stop containers and start them again",
		[]string{"all", "latest", "cidfile", "filter"},
		func(list []chosen) []chosen {
			if onlyRunning {
				return running(list)
			}
			return list
		},
		func(ctx context.Context, c chosen) error { return c.Restart(ctx, wait) })
	addTimeFlag(cmd, &wait)
	cmd.Flags().BoolVar(&onlyRunning, "running", false, "only those that run")
	return cmd
}

func newPause(a *app) *cobra.Command {
	cmd := verb(a, "pause [options] CONTAINER [CONTAINER...]", "Freeze the processes of containers",
		[]string{"all", "latest", "cidfile", "filter"}, running,
		func(ctx context.Context, c chosen) error { return c.Pause(ctx) })
	cmd.ValidArgsFunction = a.completeContainersIn(libpod.StateRunning)
	return cmd
}

func newUnpause(a *app) *cobra.Command {
	cmd := verb(a, "unpause [options] CONTAINER [CONTAINER...]", "Let the processes of paused containers go on",
		[]string{"all", "latest", "cidfile", "filter"}, paused,
		func(ctx context.Context, c chosen) error { return c.Unpause(ctx) })
	cmd.ValidArgsFunction = a.completeContainersIn(libpod.StatePaused)
	return cmd
}

func newInit(a *app) *cobra.Command {
	return verb(a, "init [options] CONTAINER [CONTAINER...]", "Prepare containers without running their process",
		[]string{"all", "latest"}, created,
		func(ctx context.Context, c chosen) error { return c.Init(ctx) })
}

// verb makes a command that does one thing to each selected container; with
// --all only to those that narrow leaves.
func verb(a *app, use, short string, flags []string, narrow func([]chosen) []chosen, act func(context.Context, chosen) error) *cobra.Command {
	o := &selection{}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: o.args, ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			list, err := o.find(cmd.Context(), rt, args)
			if o.all {
				list = narrow(list)
			}
			return a.each(list, err, func(c chosen) error { return act(cmd.Context(), c) })
		},
	}
	o.addFlags(cmd.Flags(), flags...)
	if cmd.Flags().Lookup("filter") != nil {
		completeFilters(cmd, libpod.ContainerFilterKeys()...)
	}
	return cmd
}

func paused(list []chosen) []chosen  { return inState(list, libpod.StatePaused) }
func created(list []chosen) []chosen { return inState(list, libpod.StateCreated, libpod.StateExited) }

func inState(list []chosen, states ...string) []chosen {
	var out []chosen
	for _, c := range list {
		st, err := c.State()
		for _, want := range states {
			if err == nil && st.Status == want {
				out = append(out, c)
			}
		}
	}
	return out
}
