package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carob-containers/carob/pkg/transfer"
)

type importOptions struct {
	transfer.ImportOptions
	quiet bool
}

func newImport(a *app) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import [options] PATH|URL|- [IMAGE]",
		Short: "Make an image from a tar of a root file system",
		Example: `carob import rootfs.tar localhost/base
carob import --change CMD=/bin/sh --change ENV=LANG=C https://example.com/rootfs.tar.gz base:1`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd.Context(), a, &o, args) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.Changes, "change", "c", nil, "Dockerfile instruction to apply, such as CMD=/bin/sh")
	f.StringVarP(&o.Message, "message", "m", "", "comment of the image")
	f.StringVar(&o.OS, "os", "", "operating system of the image")
	f.StringVar(&o.Arch, "arch", "", "architecture of the image")
	f.StringVar(&o.Variant, "variant", "", "variant of the architecture")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only the ID")
	f.String("signature-policy", "", "of no effect: what is imported has no signatures")
	_ = f.MarkHidden("signature-policy")
	return cmd
}

func runImport(ctx context.Context, a *app, o *importOptions, args []string) error {
	if args[0] == "-" && term.IsTerminal(int(a.in.Fd())) {
		return errors.New("cannot import from the terminal: redirect standard input")
	}
	if len(args) > 1 {
		o.Name = args[1]
	}
	client, err := a.client(o.quiet)
	if err != nil {
		return err
	}
	id, err := client.Import(ctx, args[0], a.in, o.ImportOptions)
	if err != nil {
		return err
	}
	a.event("import", id, o.Name)
	_, err = fmt.Fprintf(a.out, "sha256:%s\n", id)
	return err
}
