package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

// volumeData is a volume as inspect and ls show it, with podman's keys.
type volumeData struct {
	Name        string
	Driver      string
	Mountpoint  string
	CreatedAt   time.Time
	Status      map[string]any `json:",omitempty"` // of plugins, which carob has none of
	Labels      map[string]string
	Scope       string
	Options     map[string]string
	UID         int    `json:"UID,omitempty"`
	GID         int    `json:"GID,omitempty"`
	Anonymous   bool   `json:"Anonymous,omitempty"`
	MountCount  int    `json:"MountCount"`
	NeedsCopyUp bool   `json:"NeedsCopyUp,omitempty"`
	NeedsChown  bool   `json:"NeedsChown,omitempty"`
	Timeout     uint   `json:",omitempty"` // seconds to wait for a plugin
	StorageID   string `json:"StorageID,omitempty"`
}

func volumeRow(ctx context.Context, v *libpod.Volume) (volumeData, error) {
	d := volumeData{
		Name: v.Name, Driver: v.Driver, Mountpoint: v.Mountpoint(), CreatedAt: v.Created, Scope: "local",
		Labels: map[string]string{}, Options: map[string]string{}, Anonymous: v.Anonymous,
		NeedsCopyUp: v.NeedsCopyUp(), NeedsChown: v.NeedsChown(), StorageID: v.StorageID,
	}
	for key, value := range v.Labels {
		d.Labels[key] = value
	}
	for key, value := range v.Options {
		d.Options[key] = value
	}
	if v.UID != nil {
		d.UID = *v.UID
	}
	if v.GID != nil {
		d.GID = *v.GID
	}
	var err error
	d.MountCount, err = v.RunningUsers(ctx)
	return d, err
}

type volumeListOptions struct {
	filters          []string
	format           string
	noHeading, quiet bool
}

func newVolumeList(a *app) *cobra.Command {
	o := &volumeListOptions{}
	cmd := &cobra.Command{
		Use:     "ls [options]",
		Aliases: []string{"list"},
		Short:   "List volumes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runVolumeList(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.filters, "filter", "f", nil, "volumes for which KEY=VALUE holds: dangling, driver, label, name, opt, scope, since, until")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVarP(&o.noHeading, "noheading", "n", false, "leave the line of headings out")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print names only")
	completeFilters(cmd, "dangling", "driver", "label", "name", "opt", "scope", "since", "until")
	return cmd
}

func runVolumeList(ctx context.Context, a *app, o *volumeListOptions) error {
	if o.quiet && o.format != "" {
		return errors.New("quiet and format flags cannot be used together")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := rt.FilteredVolumes(ctx, o.filters)
	if err != nil {
		return err
	}
	rows := make([]volumeData, 0, len(list))
	for _, v := range list {
		if o.quiet {
			fmt.Fprintln(a.out, v.Name)
			continue
		}
		row, err := volumeRow(ctx, v)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if o.quiet || len(rows) == 0 && o.format == "" {
		return nil
	}
	return report.Write(a.out, rows, report.Options{
		Format: o.format, Default: "{{.Driver}}\t{{.Name}}", NoHeading: o.noHeading, Headers: map[string]string{"Name": "VOLUME NAME"},
	})
}

type volumeInspectOptions struct {
	all    bool
	format string
}

func newVolumeInspect(a *app) *cobra.Command {
	o := &volumeInspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect [options] VOLUME [VOLUME...]",
		Short: "Show volumes in detail",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == !o.all {
				return usage(cmd, errors.New("provide one or more volume names or use --all"))
			}
			return runVolumeInspect(cmd.Context(), a, o, args)
		},
		ValidArgsFunction: a.completeVolumes,
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "all volumes")
	cmd.Flags().StringVarP(&o.format, "format", "f", "json", "json or a Go template")
	return cmd
}

func runVolumeInspect(ctx context.Context, a *app, o *volumeInspectOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if o.all {
		if args, err = volumeNames(ctx, rt); err != nil {
			return err
		}
	}
	objects := []any{}
	var failed []error
	for _, name := range args {
		row, err := inspectVolume(ctx, rt, name)
		var none *libpod.NoVolumeError
		switch {
		case err == nil:
			objects = append(objects, row)
		case errors.As(err, &none):
			failed = append(failed, fmt.Errorf("inspecting object: no such volume %s", name))
		default:
			failed = append(failed, err)
		}
	}
	if err := report.Inspect(a.out, objects, o.format); err != nil {
		return err
	}
	return a.lastOf(failed)
}

// inspectVolume fails with *libpod.NoVolumeError where there is no such volume.
func inspectVolume(ctx context.Context, rt *libpod.Runtime, name string) (any, error) {
	v, err := rt.Volume(ctx, name)
	if err != nil {
		return nil, err
	}
	return volumeRow(ctx, v)
}
