package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completeImages offers the names of images, and IDs once some of one was
// typed. A name of this machine or Docker Hub may be typed short.
func (a *app) completeImages(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	store, err := a.openImages()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := store.Images()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, i := range all {
		for _, name := range i.Names {
			out = append(out, imageCompletions(name, typed)...)
		}
		if typed != "" && strings.HasPrefix(i.ID, typed) {
			out = append(out, i.ID[:max(12, len(typed))])
		}
	}
	slices.Sort(out)
	return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp
}

// imageCompletions are the ways to write name that begin with what was typed.
func imageCompletions(name, typed string) []string {
	var out []string
	for _, drop := range []string{"", "localhost/", "docker.io/library/", "docker.io/"} {
		short, ok := strings.CutPrefix(name, drop)
		if ok && strings.HasPrefix(short, typed) && (drop == "" || typed != "") {
			out = append(out, short)
		}
	}
	return out
}
