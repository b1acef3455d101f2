package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/report"
)

func newPodInspect(a *app) *cobra.Command {
	s := &podSelection{}
	format := ""
	cmd := &cobra.Command{
		Use:   "inspect [options] POD [POD...]",
		Short: "Show all that is known of pods",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !s.latest {
				return usage(cmd, errors.New("you must provide at least one name or id"))
			}
			return s.args(cmd, args)
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return runPodInspect(cmd.Context(), a, s, format, args) },
		ValidArgsFunction: a.completePods,
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json or a Go template")
	cmd.Flags().BoolVarP(&s.latest, "latest", "l", false, "the pod that was made last")
	return cmd
}

// runPodInspect prints one pod as an object, as podman 4 has it, several as a
// list.
func runPodInspect(ctx context.Context, a *app, s *podSelection, format string, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := s.find(ctx, rt, args)
	if err != nil {
		return err
	}
	objects := make([]any, len(list))
	for i, p := range list {
		if objects[i], err = p.Inspect(ctx); err != nil {
			return err
		}
	}
	if len(objects) == 1 && (format == "" || report.IsJSON(format)) {
		return report.JSON(a.out, objects[0])
	}
	return report.Inspect(a.out, objects, format)
}
