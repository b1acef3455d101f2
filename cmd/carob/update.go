package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

type updateOptions struct {
	libpod.UpdateOptions
	selection
	restart spec.Restart
	health  healthFlags
	env     []string
}

func newUpdate(a *app) *cobra.Command {
	o := &updateOptions{}
	cmd := &cobra.Command{
		Use:   "update [options] CONTAINER",
		Short: "Change the limits, the restart policy, the health checks or the environment of a container",
		Long: `Change the limits, the restart policy or the health checks of a container: at once, if it runs, and for its later runs.
A container whose health checks change is judged anew. Its environment and its ulimits change with its next start; what its restart
policy runs again until then has those of before.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, errors.New("one container is wanted"))
			}
			return o.selection.args(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if cmd.Flags().Changed("restart") {
				o.Restart = &o.restart
			}
			if n := cmd.Flags().NFlag(); n == 0 || n == 1 && o.latest {
				return usage(cmd, errors.New("nothing to change was named"))
			}
			if o.Health, o.Startup, err = o.health.asked(cmd.Flags()); err != nil {
				return err
			}
			o.Env = map[string]string{}
			if err := addEnv(o.Env, nil, o.env, os.Environ()); err != nil {
				return err
			}
			return runUpdate(cmd.Context(), a, o, args)
		},
		ValidArgsFunction: a.completeContainers,
	}
	addResourceFlags(cmd.Flags(), &o.Limits)
	o.health.add(cmd.Flags())
	o.selection.addFlags(cmd.Flags(), "latest")
	cmd.Flags().StringArrayVarP(&o.env, "env", "e", nil, "environment variable: NAME=VALUE, NAME or NAME* from the caller's")
	cmd.Flags().StringSliceVar(&o.Ulimits, "ulimit", nil, "limit NAME=SOFT[:HARD], or host")
	cmd.Flags().StringArrayVar(&o.Unset, "unsetenv", nil, "environment variable to leave out")
	cmd.Flags().Var(one(&o.restart, "policy", spec.ParseRestart), "restart", "what to do when the container ends: no, always, unless-stopped or on-failure[:TIMES]")
	return cmd
}

func runUpdate(ctx context.Context, a *app, o *updateOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	found, err := o.find(ctx, rt, args)
	if err != nil {
		return err
	}
	ctr := found[0].Container
	if err := ctr.Update(ctx, o.UpdateOptions); err != nil {
		return err
	}
	fmt.Fprintln(a.out, ctr.ID)
	return nil
}
