package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/pkg/transfer"
)

type pushOptions struct {
	access
	flags      *pflag.FlagSet
	push       transfer.PushOptions
	level      int
	digestFile string
	quiet      bool
	compress   bool
	retries    uint
	delay      time.Duration
	passFile   string
	signBy     string
	encrypt    []string
	encryptAt  []int
}

func newPush(a *app) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push [options] IMAGE [DESTINATION]",
		Short: "Send an image to a registry or write it elsewhere",
		Example: `carob push localhost/tool registry.example/team/tool:1.2
carob push --digestfile digest.txt quay.io/team/tool
carob push tool dir:/tmp/tool`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("compression-level") {
				o.push.CompressionLevel = &o.level
			}
			if cmd.Flags().Changed("compress") {
				o.push.Compress = &o.compress
			}
			return runPush(cmd.Context(), a, &o, args)
		},

		ValidArgsFunction: a.completeImages,
	}
	f := cmd.Flags()
	o.flags = f
	o.addCopyFlags(f)
	f.StringVarP(&o.push.Format, "format", "f", "", "manifest format: oci, v2s2 or v2s1 (default as it is)")
	f.StringVar(&o.push.Compression, "compression-format", "", "compression of layers: gzip, zstd or zstd:chunked")
	f.IntVar(&o.level, "compression-level", 0, "level of the compression")
	f.BoolVar(&o.push.ForceCompression, "force-compression", false, "compress layers anew where the registry has them otherwise")
	f.BoolVar(&o.compress, "compress", false, "compress the layers of a dir: destination")
	f.StringVar(&o.digestFile, "digestfile", "", "file to write the manifest's digest to")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing")
	f.BoolVar(&o.push.RemoveSignatures, "remove-signatures", false, "leave the image's signatures out")
	f.StringVar(&o.push.SigstoreKey, "sign-by-sigstore-private-key", "", "sigstore private key to sign with")
	f.StringVar(&o.passFile, "sign-passphrase-file", "", "file with the passphrase of the key")
	f.StringVar(&o.signBy, "sign-by", "", "GPG key to sign with")
	f.StringSliceVar(&o.encrypt, "encryption-key", nil, "key to encrypt layers with")
	f.IntSliceVar(&o.encryptAt, "encrypt-layer", nil, "layers to encrypt")
	f.UintVar(&o.retries, "retry", 3, "how often to try again after a failure that may pass")
	f.DurationVar(&o.delay, "retry-delay", 0, "time between attempts (default 1s, 2s, 4s ...)")
	return cmd
}

func runPush(ctx context.Context, a *app, o *pushOptions, args []string) error {
	if o.signBy != "" {
		return errors.New("cannot use --sign-by: carob has no GPG; --sign-by-sigstore-private-key signs")
	}
	if len(o.encrypt) > 0 || len(o.encryptAt) > 0 {
		return errors.New("cannot use --encryption-key: carob does not encrypt images")
	}
	if o.push.SigstoreKey != "" {
		if err := readPassphrase(o); err != nil {
			return err
		}
	}
	if err := a.pushDefaults(o); err != nil {
		return err
	}
	client, err := a.client(o.quiet)
	if err != nil {
		return err
	}
	if err := a.askPassword(ctx, &o.Access); err != nil {
		return err
	}
	o.push.Access, o.push.Retries, o.push.RetryDelay = o.Access, o.retries, o.delay
	destination := ""
	if len(args) > 1 {
		destination = args[1]
	}
	d, err := client.Push(ctx, args[0], destination, o.push)
	if err != nil {
		return err
	}
	a.event("push", "", args[0])
	if o.digestFile != "" {
		if err := os.WriteFile(o.digestFile, []byte(d.String()), 0o644); err != nil {
			return fmt.Errorf("cannot write the digest: %w", err)
		}
	}
	return nil
}

// pushDefaults are containers.conf's where the flags say nothing.
func (a *app) pushDefaults(o *pushOptions) error {
	conf, err := a.config()
	if err != nil {
		return err
	}
	o.push.Format = cmp.Or(o.push.Format, conf.Engine.ImageDefaultFormat)
	o.push.Compression = cmp.Or(o.push.Compression, conf.Engine.CompressionFormat)
	if o.push.CompressionLevel == nil {
		o.push.CompressionLevel = conf.Engine.CompressionLevel
	}
	return retries(conf, o.flags.Changed, &o.retries, &o.delay)
}

func readPassphrase(o *pushOptions) error {
	o.push.Passphrase = []byte{} // none at all would make the library ask for one
	if o.passFile == "" {
		return nil
	}
	raw, err := os.ReadFile(o.passFile)
	if err != nil {
		return fmt.Errorf("cannot read the passphrase: %w", err)
	}
	text, _, _ := strings.Cut(string(raw), "\n")
	o.push.Passphrase = []byte(text)
	return nil
}
