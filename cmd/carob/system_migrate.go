package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/userns"
)

type migrateOptions struct {
	newRuntime string
}

func newSystemMigrate(a *app) *cobra.Command {
	o := &migrateOptions{}
	cmd := &cobra.Command{
		Use:   "migrate [options]",
		Short: "Stop all containers and leave the user namespace, so that new subuid ranges count",
		Long: "Stop all running containers and end the process that keeps the user namespace.\n" +
			"The next command makes a new one, with the ranges that /etc/subuid and /etc/subgid have then.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runMigrate(cmd.Context(), a, o) },
	}
	cmd.Flags().StringVar(&o.newRuntime, "new-runtime", "", "OCI runtime for all containers from now on")
	return cmd
}

func runMigrate(ctx context.Context, a *app, o *migrateOptions) error {
	if o.newRuntime != "" {
		return errors.New("cannot give containers another OCI runtime: carob keeps none with them; set runtime in containers.conf or use carob --runtime")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	state := filepath.Join(rt.Paths().GraphRoot, "carob")
	return userns.Migrate(userns.Options{
		StateDir: state, Candidates: func() []int { return libpod.Monitors(state) },
	}, func() error { return stopAll(ctx, rt) })
}

// stopAll stops every container that runs, all at once: most take their whole
// stop timeout.
func stopAll(ctx context.Context, rt *libpod.Runtime) error {
	list, err := rt.Containers(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, c := range list {
		wg.Go(func() { errs[i] = c.Stop(ctx, nil) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
