package main

import "github.com/spf13/cobra"

func newRename(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "rename CONTAINER NAME",
		Short: "Give a container another name",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			c, err := rt.Container(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.Rename(cmd.Context(), args[1])
		},
		ValidArgsFunction: completeFirst(a.completeContainers, cobra.ShellCompDirectiveNoFileComp),
	}
}
