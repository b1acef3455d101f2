package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/carob-containers/carob/pkg/transfer"
)

type saveOptions struct {
	flags        *pflag.FlagSet
	save         transfer.SaveOptions
	output       string
	multi        bool
	quiet        bool
	compress     bool
	uncompressed bool
}

func newSave(a *app) *cobra.Command {
	var o saveOptions
	cmd := &cobra.Command{
		Use:   "save [options] IMAGE [IMAGE...]",
		Short: "Write images to an archive",
		Example: `carob save -o tool.tar localhost/tool
carob save --format oci-archive localhost/tool > tool.tar
carob save -m -o both.tar localhost/tool docker.io/library/busybox`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("compress") {
				o.save.Compress = &o.compress
			}
			return runSave(cmd.Context(), a, &o, args)
		},

		ValidArgsFunction: a.completeImages,
	}
	f := cmd.Flags()
	o.flags = f
	f.StringVarP(&o.output, "output", "o", "", "file or directory to write (default standard output)")
	f.StringVar(&o.save.Format, "format", transfer.DockerArchive, "docker-archive, oci-archive, docker-dir or oci-dir")
	f.BoolVarP(&o.multi, "multi-image-archive", "m", false, "every argument is an image, not a further name of the first")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing")
	f.BoolVar(&o.compress, "compress", false, "compress the layers of a docker-dir")
	f.BoolVar(&o.uncompressed, "uncompressed", false, "leave the layers of an OCI archive or directory uncompressed")
	f.StringVar(&o.save.SignaturePolicy, "signature-policy", "", "signature policy file")
	_ = f.MarkHidden("signature-policy")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(
		[]string{transfer.DockerArchive, transfer.OCIArchive, transfer.DockerDir, transfer.OCIDir}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runSave(ctx context.Context, a *app, o *saveOptions, args []string) error {
	if o.save.Compress != nil && o.save.Format != transfer.DockerDir {
		return fmt.Errorf("cannot use --compress with format %s: it is for %s", o.save.Format, transfer.DockerDir)
	}
	o.save.Uncompressed = o.uncompressed
	out, toStdout := a.out.(*os.File)
	toStdout = toStdout && o.output == ""
	if toStdout && term.IsTerminal(int(out.Fd())) {
		return errors.New("cannot save to the terminal: use -o, or redirect standard output")
	}
	client, err := a.client(o.quiet)
	if err != nil {
		return err
	}
	if conf, err := a.config(); err != nil {
		return err
	} else if m := conf.Engine.MultiImageArchive; m != nil && !o.flags.Changed("multi-image-archive") {
		o.multi = *m
	}
	names := args
	if !o.multi {
		names, o.save.Tags = args[:1], args[1:]
	}
	if o.output == "" {
		err = client.SaveTo(ctx, names, a.out, o.save)
	} else {
		syscall.Umask(a.umask)
		err = client.Save(ctx, names, o.output, o.save)
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		a.event("save", "", name)
	}
	return nil
}
