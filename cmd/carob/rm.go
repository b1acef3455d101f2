package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type rmOptions struct {
	selection
	force, volumes, depend bool
	time                   *uint
}

func newRm(a *app) *cobra.Command {
	o := &rmOptions{}
	cmd := &cobra.Command{
		Use:   "rm [options] CONTAINER [CONTAINER...]",
		Short: "Remove containers",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runRm(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	f := cmd.Flags()
	o.addFlags(f, "all", "latest", "cidfile", "ignore")
	f.StringArrayVar(&o.filters, "filter", nil, "containers for which KEY=VALUE holds") // -f is --force here
	f.BoolVarP(&o.force, "force", "f", false, "remove running containers too")
	f.BoolVarP(&o.volumes, "volumes", "v", false, "remove the anonymous volumes of the container too")
	f.BoolVar(&o.depend, "depend", false, "remove the containers that depend on it too")
	addTimeFlag(cmd, &o.time)
	completeFilters(cmd, libpod.ContainerFilterKeys()...)
	return cmd
}

func runRm(ctx context.Context, a *app, o *rmOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	o.ignore = o.ignore || o.force
	list, err := o.find(ctx, rt, args)
	if o.all {
		// They go with their pods.
		list = slices.DeleteFunc(list, func(c chosen) bool { return c.Infra })
	}
	err = a.each(list, err, func(c chosen) error {
		// With --all the others are to go as well, whichever is first.
		opts := libpod.RemoveOptions{Force: o.force, Volumes: o.volumes, Depend: o.depend || o.all, Timeout: o.time}
		err := c.Remove(ctx, opts)
		var gone *libpod.NoContainerError
		if errors.As(err, &gone) && (o.ignore || o.all) {
			return nil
		}
		return err
	})
	var gone *libpod.NoContainerError
	if errors.As(err, &gone) {
		return &exitError{code: 1, err: err}
	}
	if err == nil {
		err = removeStale(ctx, rt, o.cidFiles)
	}
	return err
}

// removeStale removes the files of containers that were never made, because
// their creation was killed. A file that another container has claimed since
// stays.
func removeStale(ctx context.Context, rt *libpod.Runtime, cidFiles []string) error {
	var errs []error
	for _, path := range cidFiles {
		id, err := os.ReadFile(path)
		if err == nil {
			_, err = rt.Container(ctx, strings.TrimSpace(string(id)))
			var gone *libpod.NoContainerError
			if err == nil || !errors.As(err, &gone) {
				continue
			}
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("cannot remove the CID file: %w", err))
		}
	}
	return errors.Join(errs...)
}
