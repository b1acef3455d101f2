package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

func newSystemCheck(a *app) *cobra.Command {
	var o libpod.CheckOptions
	cmd := &cobra.Command{
		Use:   "check [options]",
		Short: "Look for damage in the storage, and mend it with --repair",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runSystemCheck(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.Quick, "quick", "q", false, "do not compare every file of the layers")
	f.BoolVarP(&o.Repair, "repair", "r", false, "remove damaged images and layers, and what killed commands left")
	f.BoolVarP(&o.Force, "force", "f", false, "with --repair, remove damaged containers too")
	f.DurationVarP(&o.MaxAge, "max", "m", 0, "age from which a layer without an image counts as left over (default 24h)")
	return cmd
}

func runSystemCheck(ctx context.Context, a *app, o libpod.CheckOptions) error {
	if o.Force && !o.Repair {
		return errors.New("--force needs --repair")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	found, left, err := rt.Check(ctx, o)
	for _, line := range found {
		fmt.Fprintln(a.out, line)
	}
	for _, line := range left {
		fmt.Fprintln(a.err, "Warning: cannot repair: "+line)
	}
	switch {
	case err != nil:
		return err
	case len(left) > 0, len(found) > 0 && !o.Repair:
		return errors.New("damage detected in local storage")
	}
	return nil
}
