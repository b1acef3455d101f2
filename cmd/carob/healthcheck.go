package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod/monitor"
)

// newHealthcheck is the parent of what is done with health checks.
func newHealthcheck(a *app) *cobra.Command {
	return parent(a, "healthcheck", "Manage the health checks of containers", []command{{"run", newHealthcheckRun}})
}

func newHealthcheckRun(a *app) *cobra.Command {
	ignore := false
	cmd := &cobra.Command{
		Use:   "run [options] CONTAINER",
		Short: "Check the health of a container now",
		Long: `Check the health of a running container now, out of turn; the result counts like any other. The exit code is
0 when the check succeeded and 1 when it failed. 125 is for everything else: there is no such container, it does not run, or it has no
health check.`,
		Example: "carob healthcheck run web || carob logs --tail 20 web",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runHealthcheck(cmd.Context(), a, ignore, args[0])
		},
		ValidArgsFunction: a.completeContainers,
	}
	cmd.Flags().BoolVar(&ignore, "ignore-result", false, "a check that fails is no failure of the command")
	return cmd
}

func runHealthcheck(ctx context.Context, a *app, ignore bool, name string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	c, err := rt.Container(ctx, name)
	if err != nil {
		return err
	}
	health, err := c.HealthCheck(ctx)
	if err != nil || health == monitor.HealthHealthy {
		return err
	}
	fmt.Fprintln(a.out, health)
	if ignore {
		return nil
	}
	return &exitError{code: 1}
}
