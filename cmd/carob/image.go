package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
)

// newImage is the parent of the image commands. Those that move images
// (pull, save, ...) are carob-image's and never come here.
func newImage(a *app) *cobra.Command {
	cmd := parent(a, "image", "Manage images", nil)
	list := newImages(a)
	list.Use, list.Aliases = strings.Replace(list.Use, "images", "list", 1), []string{"ls"}
	inspect := newImageInspect(a)
	rm := newRmi(a)
	rm.Use, rm.Aliases = strings.Replace(rm.Use, "rmi", "rm", 1), []string{"rmi", "remove"}
	cmd.AddCommand(list, inspect, rm, newImageExists(a), newHistory(a), newImageTree(a), newImagePrune(a),
		newImageMount(a), newImageUnmount(a), newTag(a), newUntag(a), newImageDiff(a))
	for _, c := range commands() {
		if slices.Contains([]string{"import", "load", "pull", "push", "save", "search"}, c.name) {
			cmd.AddCommand(c.make(a))
		}
	}
	return cmd
}

// openImages opens the image store alone: what only looks at images needs
// nothing of containers.
func (a *app) openImages() (*image.Store, error) {
	if a.rt != nil {
		return a.rt.Images()
	}
	if err := a.enter(); err != nil {
		return nil, err
	}
	return image.Open(a.imageOptions())
}

func newImageExists(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exists IMAGE",
		Short: "Tell by the exit code whether an image is here (1: it is not)",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.openImages()
			if err != nil {
				return err
			}
			if _, err := store.Lookup(args[0]); err != nil {
				if isNoImage(err) {
					return &exitError{code: 1}
				}
				return err
			}
			return nil
		},
		ValidArgsFunction: a.completeImages,
	}
}

// lookupAll finds every image that was named before anything is done to one.
func lookupAll(store *image.Store, names []string) ([]*image.Image, error) {
	out := make([]*image.Image, len(names))
	for i, name := range names {
		img, err := store.Lookup(name)
		if err != nil {
			return nil, err
		}
		out[i] = img
	}
	return out, nil
}
