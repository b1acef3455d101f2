package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/termio"
)

func newExport(a *app) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "export [options] CONTAINER",
		Short: "Write a container's files as a tar",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runExport(cmd.Context(), a, output, args[0]) },

		ValidArgsFunction: a.completeContainers,
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write to, instead of standard output")
	return cmd
}

func runExport(ctx context.Context, a *app, output, name string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	ctr, err := rt.Container(ctx, name)
	if err != nil {
		return err
	}
	if output == "" {
		if out, ok := a.out.(*os.File); ok && termio.IsTerminal(out) {
			return errors.New("refusing to export to terminal: use -o or redirect the output")
		}
		return ctr.Export(ctx, a.out)
	}
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666&^a.umask)
	if err != nil {
		return fmt.Errorf("cannot write the archive: %w", err)
	}
	err = errors.Join(ctr.Export(ctx, f), f.Close())
	if st, e := os.Stat(output); err != nil && e == nil && st.Mode().IsRegular() {
		os.Remove(output)
	}
	return err
}
