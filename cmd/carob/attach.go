package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type attachOptions struct {
	foregroundFlags
	selection
	noStdin bool
}

func newAttach(a *app) *cobra.Command {
	o := &attachOptions{}
	cmd := &cobra.Command{
		Use:   "attach [options] CONTAINER",
		Short: "Join the terminal to a running container",
		Args:  o.oneArg,
		RunE:  func(cmd *cobra.Command, args []string) error { return runAttach(cmd.Context(), a, o, args) },

		ValidArgsFunction: completeFirst(a.completeContainersIn(libpod.StateRunning), cobra.ShellCompDirectiveNoFileComp),
	}
	f := cmd.Flags()
	o.selection.addFlags(f, "latest")
	o.foregroundFlags.add(f, true)
	f.BoolVar(&o.noStdin, "no-stdin", false, "leave standard input alone")
	return cmd
}

// oneArg wants one container, by name or as the latest.
func (s *selection) oneArg(cmd *cobra.Command, args []string) error {
	if err := s.args(cmd, args); err != nil {
		return err
	}
	if len(args) > 1 {
		return usage(cmd, errors.New("only one container can be named"))
	}
	return nil
}

func runAttach(ctx context.Context, a *app, o *attachOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	if err != nil {
		return err
	}
	return a.attach(ctx, list[0].Container, &o.foregroundFlags, !o.noStdin)
}

// attach joins a container that runs already until it ends or the user
// detaches.
func (a *app) attach(ctx context.Context, ctr *libpod.Container, o *foregroundFlags, stdin bool) error {
	if ctr.Log.Driver == "passthrough" {
		return errors.New("cannot attach to container " + ctr.Name + ": its output goes straight to whoever started it (log driver passthrough)")
	}
	tty := ctr.Process.Terminal
	fg, err := a.foreground(o, tty, streams{in: stdin && ctr.Process.Stdin, out: true, err: true})
	if err != nil {
		return err
	}
	defer fg.Close()
	if fg.Signals != nil {
		ctx = context.WithoutCancel(ctx)
	}
	result, err := ctr.Attach(ctx, &fg.AttachOptions)
	err = errors.Join(err, fg.Close())
	switch {
	case ctx.Err() != nil:
		return signalError(ctx)
	case err != nil:
		return err
	case result.Detached || result.Code == 0:
		return nil
	}
	return &exitError{code: result.Code}
}
