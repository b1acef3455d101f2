package main

import "github.com/spf13/cobra"

// completeImages offers names and IDs of images.
func (a *app) completeImages(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	store, err := a.openImages()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	out, err := store.Completions(typed)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
