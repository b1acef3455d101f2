package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type mountOptions struct {
	selection
	format  string
	noTrunc bool
}

// containerMount is a container and where it is mounted.
type containerMount struct {
	ID         string   `json:"id"`
	Names      []string `json:"Names"`
	Mountpoint string   `json:"mountpoint"`
}

func newMount(a *app) *cobra.Command {
	o := &mountOptions{}
	cmd := &cobra.Command{
		Use:   "mount [options] [CONTAINER...]",
		Short: "Mount containers' files to look at, or list those that are mounted",
		Long: "Mount the files of containers, without their volumes, and print where. The mounts are in the namespace\n" +
			"of the user's containers: look at them from a shell of carob unshare.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (o.all || o.latest) {
				return usage(cmd, errors.New("--all and --latest take no names"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runMount(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	o.addFlags(cmd.Flags(), "all", "latest")
	cmd.Flags().StringVar(&o.format, "format", "", "json, for the list")
	cmd.Flags().BoolVar(&o.noTrunc, "notruncate", false, "the same as --no-trunc")
	_ = cmd.Flags().MarkHidden("notruncate")
	cmd.Flags().BoolVar(&o.noTrunc, "no-trunc", false, "print whole IDs")
	return cmd
}

func runMount(ctx context.Context, a *app, o *mountOptions, args []string) error {
	if o.format != "" && o.format != "json" {
		return fmt.Errorf("cannot print the mounts as %q: the format is json", o.format)
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if len(args) == 0 && !o.all && !o.latest {
		return a.listMounts(ctx, rt, o)
	}
	list, err := o.find(ctx, rt, args)
	var failed []error
	if err != nil {
		failed, err = flatten(err), nil
	}
	var rows []containerMount
	for _, c := range list {
		path, err := c.Mount(ctx)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		rows = append(rows, containerMount{c.ID, []string{c.Name}, path})
	}
	switch {
	case o.format == "" && !o.all && len(list) == 1 && len(rows) == 1 && len(failed) == 0:
		fmt.Fprintln(a.out, rows[0].Mountpoint)
	case len(rows) > 0:
		err = a.printMounts(rows, o)
	}
	return errors.Join(a.lastOf(failed), err)
}

func (a *app) listMounts(ctx context.Context, rt *libpod.Runtime, o *mountOptions) error {
	all, err := rt.Containers(ctx)
	if err != nil {
		return err
	}
	rows := []containerMount{}
	for _, c := range all {
		path, err := c.MountPoint()
		if err != nil {
			return err
		}
		if path != "" {
			rows = append(rows, containerMount{c.ID, []string{c.Name}, path})
		}
	}
	return a.printMounts(rows, o)
}

func (a *app) printMounts(rows []containerMount, o *mountOptions) error {
	if o.format == "json" {
		return report.JSON(a.out, rows)
	}
	type line struct{ ID, Path string }
	lines := []line{}
	for _, r := range rows {
		id := r.ID
		if !o.noTrunc {
			id = report.ShortID(id)
		}
		lines = append(lines, line{id, r.Mountpoint})
	}
	return report.Write(a.out, lines, report.Options{Default: "{{.ID}}\t{{.Path}}", NoHeading: true})
}

type unmountOptions struct {
	selection
	force bool
}

func newUnmount(a *app) *cobra.Command {
	o := &unmountOptions{}
	cmd := &cobra.Command{
		Use:     "unmount [options] CONTAINER [CONTAINER...]",
		Aliases: []string{"umount"},
		Short:   "Unmount containers' files",
		Args:    o.args,
		RunE:    func(cmd *cobra.Command, args []string) error { return runUnmount(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	o.addFlags(cmd.Flags(), "all", "latest")
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "also when somebody looks at them")
	return cmd
}

func runUnmount(ctx context.Context, a *app, o *unmountOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	if o.all {
		list = mountedOnes(list)
	}
	return a.each(list, err, func(c chosen) error { return c.Unmount(ctx, o.force) })
}

func mountedOnes(list []chosen) []chosen {
	var out []chosen
	for _, c := range list {
		if path, err := c.MountPoint(); err == nil && path != "" {
			out = append(out, c)
		}
	}
	return out
}
