package main

import (
	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
)

// completeImages offers names and IDs of images.
func (a *app) completeImages(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if err := a.enter(); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	store, err := image.Open(a.images)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	out, err := store.Completions(typed)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
