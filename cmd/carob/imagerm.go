package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/image"
)

type rmiOptions struct {
	all, force, ignore, noPrune bool
}

// Exit codes of rmi.
const (
	rmiMissing = 1
	rmiInUse   = 2
)

func newRmi(a *app) *cobra.Command {
	var o rmiOptions
	cmd := &cobra.Command{
		Use:   "rmi [options] IMAGE [IMAGE...]",
		Short: "Remove images",
		Long: `Remove images. A name is taken away; the image goes with its last one.

Exit code 1 means that an image is not known, 2 that one is in use.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.all == (len(args) > 0) {
				return usage(cmd, errors.New("either images or --all must be given"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runRmi(cmd.Context(), a, &o, args) },

		ValidArgsFunction: a.completeImages,
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "remove all images")
	f.BoolVarP(&o.force, "force", "f", false, "remove the containers that use the image too")
	f.BoolVarP(&o.ignore, "ignore", "i", false, "an image that does not exist is no error")
	f.BoolVar(&o.noPrune, "no-prune", false, "keep parents without a name")
	return cmd
}

func runRmi(ctx context.Context, a *app, o *rmiOptions, names []string) error {
	store, err := a.openImages()
	if err != nil {
		return err
	}
	opts := image.RemoveOptions{Force: o.force, KeepParents: o.noPrune}
	if o.force {
		opts.RemoveContainer = func(id string) error { return a.removeUser(ctx, store, id) }
	}
	if o.all {
		if names, err = allImages(store); err != nil {
			return err
		}
	}
	var failed []error
	for _, name := range names {
		removed, err := store.Remove(name, opts)
		if removed != nil {
			a.printRemoved(removed)
		}
		if err != nil && !(isNoImage(err) && (o.ignore || o.force || o.all)) {
			failed = append(failed, err)
		}
	}
	return rmiError(a.lastOf(failed), failed)
}

func (a *app) printRemoved(r *image.Removed) {
	for _, name := range r.Untagged {
		a.imageEvent("untag", r.ID, name)
		fmt.Fprintln(a.out, "Untagged:", name)
	}
	for _, id := range r.Deleted {
		a.imageEvent("remove", id, "")
		fmt.Fprintln(a.out, "Deleted:", id)
	}
}

// rmiError gives the last error the code of the weightiest.
func rmiError(last error, failed []error) error {
	if last == nil {
		return nil
	}
	code := 0
	for _, err := range failed {
		var inUse *image.InUseError
		switch {
		case errors.As(err, &inUse):
			code = rmiInUse
		case isNoImage(err) && code == 0:
			code = rmiMissing
		case !isNoImage(err):
			if code != rmiInUse {
				code = 125
			}
		}
	}
	return &exitError{code: code, err: last}
}

// allImages are the IDs of all images, those on top of others first. An image
// is named once for each of its names, so that --all needs no --force.
func allImages(store *image.Store) ([]string, error) {
	list, err := store.List()
	if err != nil {
		return nil, err
	}
	items := slices.Clone(list.Items)
	slices.SortFunc(items, func(a, b *image.Item) int { return b.Created.Compare(a.Created) })
	slices.SortStableFunc(items, func(a, b *image.Item) int { return len(b.Chain()) - len(a.Chain()) })
	var names []string
	for _, i := range items {
		if i.ReadOnly {
			continue
		}
		if i.Dangling() {
			names = append(names, i.ID)
		}
		names = append(names, i.Names...)
	}
	return names, nil
}

// removeUser removes a container that uses an image: one of carob's own as rm
// would, one that only the store knows (buildah's, say) from the store.
func (a *app) removeUser(ctx context.Context, store *image.Store, id string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	c, err := rt.Container(ctx, id)
	var unknown *libpod.NoContainerError
	if errors.As(err, &unknown) {
		return store.DeleteContainer(id)
	}
	if err != nil {
		return err
	}
	return c.Remove(ctx, libpod.RemoveOptions{Force: true, Volumes: true, Depend: true})
}
