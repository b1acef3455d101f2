package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

type diffOptions struct {
	selection
	format string
}

// newDiff is for containers and images; container diff takes it as well.
func newDiff(a *app) *cobra.Command {
	o := &diffOptions{}
	cmd := &cobra.Command{
		Use:   "diff [options] CONTAINER|IMAGE [CONTAINER|IMAGE]",
		Short: "Show what was changed in a container's or an image's files",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.latest && len(args) > 0:
				return usage(cmd, errors.New("--latest takes no names"))
			case !o.latest && (len(args) == 0 || len(args) > 2):
				return usage(cmd, errors.New("one or two names of containers or images are wanted"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runDiff(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	o.addFlags(cmd.Flags(), "latest")
	cmd.Flags().StringVar(&o.format, "format", "", "json")
	return cmd
}

func runDiff(ctx context.Context, a *app, o *diffOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if o.latest {
		list, err := o.find(ctx, rt, nil)
		if err != nil {
			return err
		}
		args = []string{list[0].ID}
	}
	changes, err := rt.Changes(ctx, args[0], append(args, "")[1])
	if err != nil {
		return err
	}
	return a.printChanges(changes, o.format)
}
