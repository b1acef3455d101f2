package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/pkg/transfer"
)

type pullOptions struct {
	access
	platform platform
	flags    *pflag.FlagSet
	policy   pullPolicy
	allTags  bool
	quiet    bool
	retries  uint
	delay    time.Duration
	idFile   string
	decrypt  []string
	look     bool
	// credsFile holds what --creds would be.
	credsFile string
}

func newPull(a *app) *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull [options] IMAGE [IMAGE...]",
		Short: "Bring images here from a registry or an archive",
		Example: `carob pull docker.io/library/busybox
carob pull --platform linux/arm64 quay.io/team/tool:1.2
carob pull docker-archive:saved.tar`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPull(cmd.Context(), a, &o, args)
		},

		ValidArgsFunction: a.completeImages,
	}
	f := cmd.Flags()
	o.flags = f
	o.policy = transfer.PullAlways
	o.addCopyFlags(f)
	o.platform.addFlags(f, &o.Access)
	f.Var(&o.policy, "policy", "when to pull: always, missing, newer or never")
	f.Var(&o.policy, "pull", "when to pull: always, missing, newer or never")
	_ = f.MarkHidden("pull")
	f.BoolVarP(&o.allTags, "all-tags", "a", false, "pull all tags of the repository")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but the ID")
	f.UintVar(&o.retries, "retry", 3, "how often to try again after a failure that may pass")
	f.DurationVar(&o.delay, "retry-delay", 0, "time between attempts (default 1s, 2s, 4s ...)")
	f.StringVar(&o.idFile, "iidfile", "", "file to write the ID to, instead of standard output")
	_ = f.MarkHidden("iidfile")
	f.BoolVar(&o.look, "look", false, "pull nothing: write the ID if the registry has the image that is here; carob auto-update --dry-run uses it")
	_ = f.MarkHidden("look")
	f.StringVar(&o.credsFile, "creds-file", "", "file with what --creds would be: others see what a program is called with")
	_ = f.MarkHidden("creds-file")
	f.StringSliceVar(&o.decrypt, "decryption-key", nil, "key for encrypted layers")
	return cmd
}

// pullPolicy is --policy.
type pullPolicy string

func (p *pullPolicy) String() string { return string(*p) }
func (p *pullPolicy) Type() string   { return "policy" }
func (p *pullPolicy) Set(text string) error {
	switch text {
	case "true":
		text = transfer.PullAlways
	case "false", "ifnotpresent":
		text = transfer.PullMissing
	}
	switch text {
	case transfer.PullAlways, transfer.PullMissing, transfer.PullNewer, transfer.PullNever:
		*p = pullPolicy(text)
		return nil
	}
	return errors.New("it is none of always, missing, newer, never")
}

func runPull(ctx context.Context, a *app, o *pullOptions, names []string) error {
	if len(o.decrypt) > 0 {
		return errors.New("cannot use --decryption-key: carob does not decrypt images")
	}
	if err := o.platform.complete(); err != nil {
		return err
	}
	conf, err := a.config()
	if err != nil {
		return err
	}
	if err := retries(conf, o.flags.Changed, &o.retries, &o.delay); err != nil {
		return err
	}
	client, err := a.client(o.quiet)
	if err != nil {
		return err
	}
	if o.credsFile != "" {
		creds, err := os.ReadFile(o.credsFile)
		if err != nil {
			return fmt.Errorf("cannot read the credentials: %w", err)
		}
		o.Credentials = string(creds)
	}
	if err := a.askPassword(ctx, &o.Access); err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		ids, err := client.Pull(ctx, name, transfer.PullOptions{
			Access: o.Access, Policy: string(o.policy), AllTags: o.allTags, Look: o.look, Retries: o.retries, RetryDelay: o.delay,
		})
		for _, id := range ids {
			if !o.look {
				a.event("pull", id, name)
			}
		}
		if err := a.printIDs(ids, o.idFile); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		failed = append(failed, err)
	}
	return a.lastOf(failed)
}

// lastOf prints all errors but the last and returns that.
func (a *app) lastOf(failed []error) error {
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if len(failed) == 0 {
		return nil
	}
	for _, err := range failed[:len(failed)-1] {
		a.exitCode(err)
	}
	return failed[len(failed)-1]
}

func (a *app) printIDs(ids []string, file string) error {
	if file != "" && len(ids) > 0 {
		return os.WriteFile(file, []byte(ids[len(ids)-1]), 0o644)
	}
	for _, id := range ids {
		if id == "" {
			continue
		}
		if _, err := fmt.Fprintln(a.out, id); err != nil {
			return err
		}
	}
	return nil
}
