package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/image"
)

type imagePruneOptions struct {
	all, external, force bool

	filters []string
}

func newImagePrune(a *app) *cobra.Command {
	var o imagePruneOptions
	cmd := &cobra.Command{
		Use:   "prune [options]",
		Short: "Remove images nothing needs",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runImagePrune(cmd.Context(), a, &o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "images with a name too, when no container uses them")
	f.BoolVar(&o.external, "external", false, "images too that only containers of other programs use")
	f.BoolVarP(&o.force, "force", "f", false, "do not ask")
	f.StringArrayVar(&o.filters, "filter", nil, "images for which until=... or label=... holds")
	return cmd
}

func runImagePrune(ctx context.Context, a *app, o *imagePruneOptions) error {
	for _, f := range o.filters {
		key, _, _ := strings.Cut(f, "=")
		if key = strings.TrimSuffix(key, "!"); key != "until" && key != "label" {
			return &image.FilterError{Filter: f, Why: "prune takes the filters until and label"}
		}
	}
	store, err := a.openImages()
	if err != nil {
		return err
	}
	if !o.force {
		what := "all dangling images"
		if o.all {
			what = "all images without at least one container associated with them"
		}
		if yes, err := a.confirm(ctx, "WARNING! This command removes "+what+"."); !yes {
			return err
		}
	}
	opts := image.PruneOptions{All: o.all, Filters: o.filters}
	if o.external {
		opts.RemoveContainer = func(id string) error { return a.removeExternal(ctx, store, id) }
	}
	ids, _, err := store.Prune(opts)
	for _, id := range ids {
		a.imageEvent("remove", id, "")
		fmt.Fprintln(a.out, id)
	}
	if err != nil {
		return err
	}
	_, err = store.CleanLeftovers()
	return err
}

// removeExternal removes a container of another program and refuses one of
// carob's.
func (a *app) removeExternal(ctx context.Context, store *image.Store, id string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	_, err = rt.Container(ctx, id)
	var unknown *libpod.NoContainerError
	if errors.As(err, &unknown) {
		return store.DeleteContainer(id)
	}
	if err != nil {
		return err
	}
	return image.ErrKeep
}

// confirm asks a question that only an explicit yes answers.
func (a *app) confirm(ctx context.Context, warning string) (bool, error) {
	fmt.Fprintf(a.out, "%s\nAre you sure you want to continue? [y/N] ", warning)
	answer := make(chan string, 1)
	go func() {
		text, err := bufio.NewReader(a.in).ReadString('\n')
		if err != nil && err != io.EOF {
			text = ""
		}
		answer <- text
	}()
	select {
	case text := <-answer:
		text = strings.ToLower(strings.TrimSpace(text))
		return text == "y" || text == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
