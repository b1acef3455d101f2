package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type execOptions struct {
	selection
	foregroundFlags
	env, envFiles            []string
	user, workDir            string
	detach, interactive, tty bool
	privileged               bool
	preserveFDs              uint
	preserveFD               []uint
}

func newExec(a *app) *cobra.Command {
	o := &execOptions{}
	cmd := &cobra.Command{
		Use:   "exec [options] CONTAINER COMMAND [ARG...]",
		Short: "Run a command in a running container",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !o.latest {
				return usage(cmd, errors.New("exec requires the name or ID of a container or the --latest flag"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runExec(cmd.Context(), a, o, args) },

		ValidArgsFunction: completeFirst(a.completeContainersIn(libpod.StateRunning), cobra.ShellCompDirectiveDefault),
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // flags behind the container belong to the command
	o.addFlags(f, "latest")
	o.addKeys(f)
	f.BoolVarP(&o.detach, "detach", "d", false, "leave the command running and print the ID of the exec")
	f.StringArrayVarP(&o.env, "env", "e", nil, "set an environment variable")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "file with environment variables, one per line")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "hand on standard input")
	f.BoolVar(&o.privileged, "privileged", false, "give the command all capabilities that carob has")
	f.BoolVarP(&o.tty, "tty", "t", false, "give the command a terminal")
	f.StringVarP(&o.user, "user", "u", "", "user name or UID, and optionally group name or GID (USER[:GROUP])")
	f.UintVar(&o.preserveFDs, "preserve-fds", 0, "hand on that many file descriptors beside 0, 1 and 2")
	addPreserveFD(f, &o.preserveFD)
	f.StringVarP(&o.workDir, "workdir", "w", "", "working directory inside the container")
	return cmd
}

func runExec(ctx context.Context, a *app, o *execOptions, args []string) error {
	opts := &libpod.ExecOptions{
		User: o.user, WorkDir: o.workDir, Privileged: o.privileged, Terminal: o.tty, Detach: o.detach, Env: map[string]string{},
	}
	if err := addEnv(opts.Env, o.envFiles, o.env, os.Environ()); err != nil {
		return err
	}
	preserved, err := preservedCount(o.preserveFDs, o.preserveFD)
	if err != nil {
		return err
	}
	if opts.ExtraFiles, err = a.preserved(preserved); err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	var names []string
	if !o.latest {
		names, args = args[:1], args[1:]
	}
	list, err := o.find(ctx, rt, names)
	if err != nil {
		return err
	}
	opts.Args = args
	return a.exec(ctx, list[0].Container, o, opts)
}

// exec runs the command; its exit code is an *exitError.
func (a *app) exec(ctx context.Context, ctr *libpod.Container, o *execOptions, opts *libpod.ExecOptions) error {
	if !o.detach {
		a.warnNoTTY(o.tty, o.interactive)
		o.sigProxy = true
		fg, err := a.foreground(&o.foregroundFlags, o.tty, streams{in: o.interactive, out: true, err: true})
		if err != nil {
			return err
		}
		defer fg.Close()
		opts.Streams, ctx = fg.AttachOptions, context.WithoutCancel(ctx)
	}
	result, err := ctr.Exec(ctx, opts)
	switch {
	case errors.Is(err, libpod.ErrExec):
		return &exitError{code: 255, err: err} // podman's code for it
	case err != nil:
		return err
	case o.detach:
		fmt.Fprintln(a.out, result.ID)
	case result.Code != 0:
		return &exitError{code: result.Code}
	}
	return nil
}
