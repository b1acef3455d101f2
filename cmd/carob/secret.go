package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

// newSecret is the parent of the secret commands.
func newSecret(a *app) *cobra.Command {
	return parent(a, "secret", "Manage secrets", secretCommands())
}

func secretCommands() []command {
	return []command{
		{"create", newSecretCreate},
		{"exists", newSecretExists},
		{"inspect", newSecretInspect},
		{"ls", newSecretList},
		{"rm", newSecretRm},
	}
}

func (a *app) completeSecrets(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(cmd.Context(), typed, secretNames)
}

func secretNames(ctx context.Context, rt *libpod.Runtime) ([]string, error) {
	all, err := rt.Secrets(ctx)
	names := make([]string, len(all))
	for n, s := range all {
		names[n] = s.Name
	}
	return names, err
}

type secretCreateOptions struct {
	driver             string
	driverOpts, labels []string
	env, replace       bool
}

func newSecretCreate(a *app) *cobra.Command {
	o := &secretCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create [options] NAME FILE|-",
		Short: "Make a secret of a file, of standard input, or of a variable",
		Example: `carob secret create password ./password
printf %s "$PASSWORD" | carob secret create password -
carob secret create --env password PASSWORD`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return runSecretCreate(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.driver, "driver", "d", "file", "file")
	f.StringSliceVar(&o.driverOpts, "driver-opts", nil, "options of the driver, of which file has none")
	f.BoolVar(&o.env, "env", false, "the second argument names a variable")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "NAME=VALUE, a label")
	f.BoolVar(&o.replace, "replace", false, "take the place of a secret of that name")
	return cmd
}

func runSecretCreate(ctx context.Context, a *app, o *secretCreateOptions, args []string) error {
	if len(o.driverOpts) > 0 {
		return fmt.Errorf("cannot use --driver-opts %s: the secret driver file has no options", strings.Join(o.driverOpts, ","))
	}
	data, err := o.read(a, args[1])
	if err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	s := &spec.StoredSecret{Name: args[0], Driver: o.driver, Labels: words(o.labels)}
	if err := rt.CreateSecret(ctx, s, data, o.replace); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, s.ID)
	return err
}

// secretLimit is more than any secret may have; no more is read.
const secretLimit = 1 << 20

func (o *secretCreateOptions) read(a *app, from string) ([]byte, error) {
	if o.env {
		value, ok := os.LookupEnv(from)
		if !ok {
			return nil, fmt.Errorf("cannot create store secret data: environment variable %s is not set", from)
		}
		return []byte(value), nil
	}
	in := a.in
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	} else if st, err := in.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 && st.Mode()&os.ModeNamedPipe == 0 {
		return nil, errors.New("if `-` is used, data must be passed into stdin")
	}
	return io.ReadAll(io.LimitReader(in, secretLimit))
}

func newSecretExists(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exists SECRET",
		Short: "Tell by the exit code whether a secret is there (1: it is not)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			_, err = rt.Secret(cmd.Context(), args[0])
			var none *libpod.NoSecretError
			if errors.As(err, &none) {
				return &exitError{code: 1}
			}
			return err
		},
		ValidArgsFunction: a.completeSecrets,
	}
}

type secretRmOptions struct{ all, ignore bool }

func newSecretRm(a *app) *cobra.Command {
	o := &secretRmOptions{}
	cmd := &cobra.Command{
		Use:   "rm [options] SECRET [SECRET...]",
		Short: "Remove secrets",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == !o.all {
				return usage(cmd, errors.New("`carob secret rm` requires one argument, or the --all flag"))
			}
			return runSecretRm(cmd.Context(), a, o, args)
		},
		ValidArgsFunction: a.completeSecrets,
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "all secrets")
	cmd.Flags().BoolVarP(&o.ignore, "ignore", "i", false, "a secret that does not exist is no error")
	return cmd
}

func runSecretRm(ctx context.Context, a *app, o *secretRmOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if o.all {
		all, err := rt.Secrets(ctx)
		if err != nil {
			return err
		}
		for _, s := range all {
			args = append(args, s.Name)
		}
	}
	var failed []error
	for _, name := range args {
		id, err := rt.RemoveSecret(ctx, name)
		var none *libpod.NoSecretError
		switch {
		case err == nil:
			fmt.Fprintln(a.out, id)
		case o.ignore && errors.As(err, &none):
		default:
			failed = append(failed, err)
		}
	}
	return a.lastOf(failed)
}
