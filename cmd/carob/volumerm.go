package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type volumeRmOptions struct {
	all, force bool
	time       *uint
}

func newVolumeRm(a *app) *cobra.Command {
	o := &volumeRmOptions{}
	cmd := &cobra.Command{
		Use:     "rm [options] VOLUME [VOLUME...]",
		Aliases: []string{"remove"},
		Short:   "Remove volumes",
		Long: "Remove volumes that no container has.\n\n" +
			"Exit codes: 1 a volume does not exist and nothing else went wrong, 2 a container has it, 125 anything else.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == !o.all {
				return usage(cmd, errors.New("choose either one or more volumes or all"))
			}
			return runVolumeRm(cmd.Context(), a, o, args)
		},
		ValidArgsFunction: a.completeVolumes,
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "all volumes")
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "remove the containers that have it, too")
	addTimeFlag(cmd, &o.time)
	return cmd
}

func runVolumeRm(ctx context.Context, a *app, o *volumeRmOptions, args []string) error {
	if o.time != nil && !o.force {
		return errors.New("--force option must be specified to use the --time option")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if o.all {
		if args, err = volumeNames(ctx, rt); err != nil {
			return err
		}
	}
	var failed []error
	for _, name := range args {
		err := rt.RemoveVolume(ctx, name, o.force, o.time)
		var none *libpod.NoVolumeError
		switch {
		case err == nil:
			fmt.Fprintln(a.out, name)
		case o.force && errors.As(err, &none): // as docker and newer podman: what is gone is gone
		default:
			failed = append(failed, err)
		}
	}
	return volumeExit(a.lastOf(failed), failed)
}

// volumeExit gives the last error podman's exit code for all of them.
func volumeExit(last error, all []error) error {
	if last == nil {
		return nil
	}
	code := 1
	for _, err := range all {
		var none *libpod.NoVolumeError
		var used *libpod.VolumeInUseError
		switch {
		case errors.As(err, &none):
		case errors.As(err, &used):
			code = max(code, 2)
		default:
			code = 125
		}
	}
	return &exitError{code: code, err: last}
}

type volumePruneOptions struct {
	force   bool
	filters []string
}

func newVolumePrune(a *app) *cobra.Command {
	o := &volumePruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune [options]",
		Short: "Remove all volumes that no container has",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runVolumePrune(cmd.Context(), a, o) },
	}
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask")
	cmd.Flags().StringArrayVar(&o.filters, "filter", nil, "volumes for which label=..., label!=... or until=... holds")
	return cmd
}

func runVolumePrune(ctx context.Context, a *app, o *volumePruneOptions) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if err := libpod.CheckPruneFilters(o.filters); err != nil {
		return err
	}
	if !o.force {
		yes, err := a.confirm(ctx, "WARNING! This will remove all volumes not used by at least one container.")
		if !yes {
			return err
		}
	}
	names, err := rt.PruneVolumes(ctx, o.filters)
	for _, name := range names {
		fmt.Fprintln(a.out, name)
	}
	return err
}
