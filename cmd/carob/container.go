package main

import (
	"errors"

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
	return &cobra.Command{
		Use:   "exists CONTAINER",
		Short: "Tell by the exit code whether a container is there (1: it is not)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			_, err = rt.Container(cmd.Context(), args[0])
			var none *libpod.NoContainerError
			if errors.As(err, &none) {
				return &exitError{code: 1}
			}
			return err
		},
		ValidArgsFunction: a.completeContainers,
	}
}
