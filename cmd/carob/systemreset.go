package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/userns"
)

func newSystemReset(a *app) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "reset [options]",
		Short: "Stop and remove everything: containers, volumes, secrets, images",
		Long: "Stop and remove all containers, volumes, secrets and images, also those of other programs in the same\n" +
			"storage, and end the process that keeps the user namespace. Configuration files stay.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSystemReset(cmd.Context(), a, force) },
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	return cmd
}

func runSystemReset(ctx context.Context, a *app, force bool) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if !force {
		yes, err := a.confirm(ctx, "WARNING! This will remove:\n\t- all containers\n\t- all volumes\n\t- all secrets\n\t- all images\n"+
			"\t- what other programs have in the storage "+rt.Paths().GraphRoot)
		if !yes {
			return err
		}
	}
	state := filepath.Join(rt.Paths().GraphRoot, "carob")
	return userns.Migrate(userns.Options{
		StateDir: state, Candidates: func() []int { return libpod.Monitors(state) },
	}, func() error { return rt.Reset(ctx) })
}
