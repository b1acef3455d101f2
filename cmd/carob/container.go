package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

// newContainer is the parent of all that is done with containers. Most of it
// is at the top level too.
func newContainer(a *app) *cobra.Command {
	return parent(a, "container", "Manage containers", containerCommands())
}

func containerCommands() []command {
	return []command{
		{"attach", newAttach},
		{"cleanup", newContainerCleanup},
		{"cp", newCp},
		{"create", newCreate},
		{"diff", newDiff},
		{"exec", newExec},
		{"exists", newContainerExists},
		{"export", newExport},
		{"init", newInit},
		{"inspect", newContainerInspect},
		{"kill", newKill},
		{"logs", newLogs},
		{"mount", newMount},
		{"pause", newPause},
		{"port", newPort},
		{"prune", newContainerPrune},
		{"ps", newContainerPs},
		{"rename", newRename},
		{"restart", newRestart},
		{"rm", newRm},
		{"run", newRun},
		{"start", newStart},
		{"stats", newStats},
		{"stop", newStop},
		{"top", newTop},
		{"unmount", newUnmount},
		{"unpause", newUnpause},
		{"update", newUpdate},
		{"wait", newWait},
	}
}

func newContainerExists(a *app) *cobra.Command {
	external := false
	cmd := &cobra.Command{
		Use:   "exists [options] CONTAINER",
		Short: "Tell by the exit code whether a container is there (1: it is not)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runContainerExists(cmd.Context(), a, args[0], external)
		},
		ValidArgsFunction: a.completeContainers,
	}
	cmd.Flags().BoolVar(&external, "external", false, "containers of other programs in the same storage too")
	return cmd
}

func runContainerExists(ctx context.Context, a *app, name string, external bool) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	_, err = rt.Container(ctx, name)
	var none *libpod.NoContainerError
	if !errors.As(err, &none) {
		return err
	}
	if external {
		others, err := rt.External(nil)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(others, func(e libpod.ExternalContainer) bool {
			return slices.Contains(e.Names, name) || strings.HasPrefix(e.ID, name)
		}) {
			return nil
		}
	}
	return &exitError{code: 1}
}
