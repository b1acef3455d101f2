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
		Use:   "inspect [options] CONTAINER|IMAGE|VOLUME|POD [...]",
		Short: "Show all that is known of containers, images, volumes and pods",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runInspect(cmd.Context(), a, o, args) },

		ValidArgsFunction: o.complete(a),
	}
	f := cmd.Flags()
	f.StringVarP(&o.format, "format", "f", "", "json or a Go template")
	f.BoolVarP(&o.latest, "latest", "l", false, "the container that was made last")
	f.BoolVarP(&o.size, "size", "s", false, "measure the files of containers too")
	f.StringVarP(&o.kind, "type", "t", "all", "container, image, volume, pod or all")
	completeWords(cmd, "type", inspectTypes()...)
	return cmd
}

// complete offers what has the type that was asked for.
func (o *inspectOptions) complete(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for kind, list := range map[string]cobra.CompletionFunc{
			"container": a.completeContainers, "image": a.completeImages, "volume": a.completeVolumes, "pod": a.completePods,
		} {
			if o.kind == kind || o.kind == "all" {
				some, _ := list(cmd, args, typed)
				names = append(names, some...)
			}
		}
		slices.Sort(names)
		return names, cobra.ShellCompDirectiveNoFileComp
	}
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

func inspectTypes() []string { return []string{"all", "container", "image", "pod", "volume"} }

func (o *inspectOptions) args(cmd *cobra.Command, args []string) error {
	switch {
	case o.kind == "network":
		return usage(cmd, errors.New("cannot inspect networks: named networks come in a later version of carob"))
	case !slices.Contains(inspectTypes(), o.kind):
		return usage(cmd, fmt.Errorf("invalid --type %q: it is none of %s", o.kind, strings.Join(inspectTypes(), ", ")))
	case o.latest && (o.kind == "image" || o.kind == "volume"):
		return usage(cmd, fmt.Errorf("--latest is about containers and pods, not %ss", o.kind))
	case o.latest && len(args) > 0:
		return usage(cmd, errors.New("--latest takes no names"))
	case len(args) == 0 && !o.latest:
		return usage(cmd, errors.New("no containers, images, volumes or pods specified"))
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

// object finds what name means: the first kind of object that has it.
func (o *inspectOptions) object(ctx context.Context, a *app, rt *libpod.Runtime, name string) (any, error) {
	kinds, what := []string{o.kind}, o.kind
	if o.kind == "all" {
		kinds, what = []string{"container", "image", "volume", "pod"}, "object"
	}
	for _, kind := range kinds {
		object, err := o.objectOf(ctx, a, rt, kind, name)
		if err == nil || !isMissing(err) {
			return object, err
		}
	}
	return nil, fmt.Errorf("cannot inspect %s: no such %s: %q", name, what, name)
}

func (o *inspectOptions) objectOf(ctx context.Context, a *app, rt *libpod.Runtime, kind, name string) (any, error) {
	switch kind {
	case "container":
		c, err := rt.Container(ctx, name)
		if err != nil {
			return nil, err
		}
		return inspectContainer(ctx, c, o.size)
	case "image":
		images, err := a.openImages()
		if err != nil {
			return nil, err
		}
		return inspectImage(images, name)
	case "volume":
		return inspectVolume(ctx, rt, name)
	}
	return inspectPod(ctx, rt, name)
}

// isMissing tells whether err is about an object that is not there.
func isMissing(err error) bool {
	var container *libpod.NoContainerError
	var volume *libpod.NoVolumeError
	var pod *libpod.NoPodError
	return errors.As(err, &container) || errors.As(err, &volume) || errors.As(err, &pod) || isNoImage(err)
}

func inspectContainer(ctx context.Context, c *libpod.Container, size bool) (*libpod.Inspected, error) {
	if _, err := c.Repair(ctx); err != nil {
		return nil, err
	}
	return c.Inspect(ctx, size)
}
