package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		Use:   "inspect [options] CONTAINER|IMAGE|POD [...]",
		Short: "Show all that is known of containers, images and pods",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runInspect(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	f := cmd.Flags()
	f.StringVarP(&o.format, "format", "f", "", "json or a Go template")
	f.BoolVarP(&o.latest, "latest", "l", false, "the container that was made last")
	f.BoolVarP(&o.size, "size", "s", false, "measure the files of containers too")
	f.StringVarP(&o.kind, "type", "t", "all", "container, image, pod or all")
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
	case !slices.Contains([]string{"all", "container", "image", "pod"}, o.kind):
		return usage(cmd, fmt.Errorf("invalid --type %q: it is none of all, container, image, pod", o.kind))
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
		add(o.latestObject(ctx, rt))
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

func (o *inspectOptions) latestObject(ctx context.Context, rt *libpod.Runtime) (any, error) {
	if o.kind == "pod" {
		list, err := (&podSelection{latest: true}).find(ctx, rt, nil)
		if err != nil {
			return nil, err
		}
		return list[0].Inspect(ctx)
	}
	list, err := (&selection{latest: true}).find(ctx, rt, nil)
	if err != nil {
		return nil, err
	}
	return inspectContainer(ctx, list[0].Container, o.size)
}

func inspectPod(ctx context.Context, rt *libpod.Runtime, name string) (any, error) {
	p, err := rt.Pod(ctx, name)
	if err != nil {
		return nil, err
	}
	return p.Inspect(ctx)
}

// object finds what name means: a container, else an image, else a pod.
func (o *inspectOptions) object(ctx context.Context, a *app, rt *libpod.Runtime, name string) (any, error) {
	if o.kind == "pod" {
		return inspectPod(ctx, rt, name)
	}
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
	if err != nil && isNoImage(err) && o.kind == "all" {
		pod, podErr := inspectPod(ctx, rt, name)
		var none *libpod.NoPodError
		if !errors.As(podErr, &none) {
			return pod, podErr
		}
	}
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
