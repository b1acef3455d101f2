package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/report"
)

func newInfo(a *app) *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use:   "info [options]",
		Short: "Show the host and the storage",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runInfo(cmd.Context(), a, format) },

		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json or a Go template")
	return cmd
}

func runInfo(ctx context.Context, a *app, format string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	info, err := rt.Info(ctx)
	if err != nil {
		return err
	}
	info.Version = thisVersion()
	switch {
	case format == "":
		return report.YAML(a.out, info)
	case report.IsJSON(format):
		return report.JSON(a.out, info)
	}
	return report.Inspect(a.out, []any{info}, format)
}
