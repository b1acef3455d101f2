package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carob-containers/carob/pkg/transfer"
)

type loadOptions struct {
	access transfer.Access
	input  string
	quiet  bool
}

func newLoad(a *app) *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "load [options]",
		Short: "Bring images here from an archive or a directory",
		Example: `carob load -i tool.tar
xz -d < tool.tar.xz | carob load`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLoad(cmd.Context(), a, &o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.input, "input", "i", "", "archive or directory to read (default standard input)")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only the names")
	f.StringVar(&o.access.SignaturePolicy, "signature-policy", "", "signature policy file")
	_ = f.MarkHidden("signature-policy")
	return cmd
}

func runLoad(ctx context.Context, a *app, o *loadOptions) error {
	if o.input == "" && term.IsTerminal(int(a.in.Fd())) {
		return errors.New("cannot load from the terminal: use -i, or redirect standard input")
	}
	client, err := a.client(o.quiet)
	if err != nil {
		return err
	}
	var names []string
	if o.input == "" {
		names, err = client.LoadFrom(ctx, a.in, o.access)
	} else {
		names, err = client.Load(ctx, o.input, o.access)
	}
	for _, name := range names {
		a.event("loadfromarchive", "", name)
		fmt.Fprintf(a.out, "Loaded image: %s\n", name)
	}
	return err
}
