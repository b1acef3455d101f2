package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

// completeNames offers those names that begin with what was typed.
func (a *app) completeNames(ctx context.Context, typed string, list func(context.Context, *libpod.Runtime) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	rt, err := a.open(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, err := list(ctx, rt)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) }), cobra.ShellCompDirectiveNoFileComp
}

// completeContainers offers the names of containers, and IDs once some of one
// was typed.
func (a *app) completeContainers(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	rt, err := a.open(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := rt.Containers(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, c := range all {
		if strings.HasPrefix(c.Name, typed) {
			out = append(out, c.Name)
		}
		if typed != "" && strings.HasPrefix(c.ID, typed) {
			out = append(out, c.ID[:max(12, len(typed))])
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
