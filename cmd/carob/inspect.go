package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type inspectOptions struct {
	format, kind string
	latest, size bool
}

func newInspect(a *app) *cobra.Command {
	o := &inspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect [options] CONTAINER|IMAGE [...]",
		Short: "Show all that is known of containers and images",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runInspect(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	f := cmd.Flags()
	f.StringVarP(&o.format, "format", "f", "", "json or a Go template")
	f.BoolVarP(&o.latest, "latest", "l", false, "the container that was made last")
	f.BoolVarP(&o.size, "size", "s", false, "measure the files of containers too")
	f.StringVarP(&o.kind, "type", "t", "all", "container, image or all")
	return cmd
}

// newContainerInspect is inspect for containers only.
func newContainerInspect(a *app) *cobra.Command {
	cmd := newInspect(a)
	cmd.Use, cmd.Short = "inspect [options] CONTAINER [CONTAINER...]", "Show all that is known of containers"
	if err := cmd.Flags().Set("type", "container"); err == nil {
		_ = cmd.Flags().MarkHidden("type")
	}
	return cmd
}

func (o *inspectOptions) args(cmd *cobra.Command, args []string) error {
	switch {
	case o.kind != "all" && o.kind != "container" && o.kind != "image":
		return usage(cmd, fmt.Errorf("invalid --type %q: it is none of all, container, image", o.kind))
	case o.latest && o.kind == "image":
		return usage(cmd, errors.New("--latest is about containers, not images"))
	case o.latest && len(args) > 0:
		return usage(cmd, errors.New("--latest takes no names"))
	case len(args) == 0 && !o.latest:
		return usage(cmd, errors.New("no containers or images specified"))
	}
	return nil
}

func runInspect(ctx context.Context, a *app, o *inspectOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	objects := []any{}
	var failed []error
	add := func(object any, err error) {
		if err != nil {
			failed = append(failed, err)
		} else {
			objects = append(objects, object)
		}
	}
	if o.latest {
		list, err := (&selection{latest: true}).find(ctx, rt, nil)
		if err != nil {
			return err
		}
		add(inspectContainer(ctx, list[0].Container, o.size))
	}
	for _, name := range args {
		add(o.object(ctx, a, rt, name))
	}
	if len(objects) > 0 || o.format == "" {
		// What was found is shown even when something was not.
		if err := report.Inspect(a.out, objects, strings.TrimPrefix(o.format, "table ")); err != nil {
			return err
		}
	}
	return a.lastOf(failed)
}

// object finds what name means: a container, else an image.
func (o *inspectOptions) object(ctx context.Context, a *app, rt *libpod.Runtime, name string) (any, error) {
	if o.kind != "image" {
		c, err := rt.Container(ctx, name)
		var none *libpod.NoContainerError
		switch {
		case err == nil:
			return inspectContainer(ctx, c, o.size)
		case !errors.As(err, &none):
			return nil, err
		case o.kind == "container":
			return nil, fmt.Errorf("cannot inspect %s: no such container %s", name, name)
		}
	}
	images, err := a.openImages()
	if err != nil {
		return nil, err
	}
	data, err := inspectImage(images, name)
	if err != nil && isNoImage(err) {
		what := map[string]string{"all": "object", "image": "image"}[o.kind]
		return nil, fmt.Errorf("cannot inspect %s: no such %s: %q", name, what, name)
	}
	return data, err
}

func inspectContainer(ctx context.Context, c *libpod.Container, size bool) (*libpod.Inspected, error) {
	if _, err := c.Repair(ctx); err != nil {
		return nil, err
	}
	return c.Inspect(size)
}
