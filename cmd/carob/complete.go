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
func (a *app) completeContainers(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completeContainersIn()(cmd, args, typed)
}

// completeContainersIn offers those in one of states, or all when there are
// none, but not again those that were typed already.
func (a *app) completeContainersIn(states ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
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
			if st, err := c.State(); len(states) > 0 && (err != nil || !slices.Contains(states, st.Status)) {
				continue
			}
			if strings.HasPrefix(c.Name, typed) && !slices.Contains(args, c.Name) {
				out = append(out, c.Name)
			}
			if typed != "" && strings.HasPrefix(c.ID, typed) {
				out = append(out, c.ID[:max(12, len(typed))])
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFirst completes the first argument; what follows it is nothing that
// can be guessed, for which the shell is told rest.
func completeFirst(first cobra.CompletionFunc, rest cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, rest
		}
		return first(cmd, args, typed)
	}
}

// completeWords gives a flag the values it can have. A word that ends in a
// sign is to be continued.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	directive := cobra.ShellCompDirectiveNoFileComp
	if slices.ContainsFunc(words, func(w string) bool { return strings.ContainsAny(w[len(w)-1:], "=:,") }) {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, directive))
}
