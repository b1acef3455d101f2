package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

func newPodStart(a *app) *cobra.Command {
	return podVerb(a, "start [options] POD [POD...]", "Start pods", &podSelection{},
		func(ctx context.Context, p *libpod.Pod) error {
			if err := p.Start(ctx); err != nil {
				return err
			}
			return p.Announce(ctx)
		}, "pod-id-file")
}

func newPodStop(a *app) *cobra.Command {
	s := &podSelection{}
	var wait *uint
	cmd := podVerb(a, "stop [options] POD [POD...]", "Stop pods: all their containers, the infra container last", s,
		func(ctx context.Context, p *libpod.Pod) error {
			err := p.Stop(ctx, wait)
			var gone *libpod.NoPodError
			if s.ignore && errors.As(err, &gone) { // somebody else has removed it meanwhile
				return nil
			}
			return err
		}, "ignore", "pod-id-file")
	addTimeFlag(cmd, &wait)
	return cmd
}

func newPodRestart(a *app) *cobra.Command {
	var wait *uint
	cmd := podVerb(a, "restart [options] POD [POD...]", "Stop pods and start them again", &podSelection{},
		func(ctx context.Context, p *libpod.Pod) error { return p.Restart(ctx, wait) })
	addTimeFlag(cmd, &wait)
	return cmd
}

func newPodKill(a *app) *cobra.Command {
	signal := "KILL"
	cmd := podVerb(a, "kill [options] POD [POD...]", "Send a signal to all containers of pods", &podSelection{},
		func(ctx context.Context, p *libpod.Pod) error {
			sig, err := spec.ParseSignal(signal)
			if err != nil {
				return err
			}
			return p.Kill(ctx, syscall.Signal(sig))
		})
	cmd.Flags().StringVarP(&signal, "signal", "s", "KILL", "signal, by name or number")
	return cmd
}

func newPodPause(a *app) *cobra.Command {
	return podVerb(a, "pause [options] POD [POD...]", "Freeze the processes of pods", &podSelection{},
		func(ctx context.Context, p *libpod.Pod) error { return p.Pause(ctx) })
}

func newPodUnpause(a *app) *cobra.Command {
	return podVerb(a, "unpause [options] POD [POD...]", "Let the processes of paused pods go on", &podSelection{},
		func(ctx context.Context, p *libpod.Pod) error { return p.Unpause(ctx) })
}

func newPodRm(a *app) *cobra.Command {
	s := &podSelection{}
	var force bool
	var wait *uint
	cmd := podVerb(a, "rm [options] POD [POD...]", "Remove pods with their containers", s,
		func(ctx context.Context, p *libpod.Pod) error {
			err := p.Remove(ctx, libpod.RemoveOptions{Force: force, Volumes: true, Timeout: wait})
			var gone *libpod.NoPodError
			if errors.As(err, &gone) && (force || s.ignore || s.all) {
				return nil
			}
			return err
		}, "ignore", "pod-id-file")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "stop containers that run")
	addTimeFlag(cmd, &wait)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.ignore = s.ignore || force
		err := run(cmd, args)
		var gone *libpod.NoPodError
		if errors.As(err, &gone) {
			return &exitError{code: 1, err: err}
		}
		return err
	}
	return cmd
}

func newPodPrune(a *app) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "prune [options]",
		Short: "Remove the pods of which nothing runs",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runPodPrune(cmd.Context(), a, force) },
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	return cmd
}

func runPodPrune(ctx context.Context, a *app, force bool) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if !force {
		if yes, err := a.confirm(ctx, "WARNING! This will remove all pods of which nothing runs."); !yes {
			return err
		}
	}
	gone, err := rt.PrunePods(ctx, nil)
	for _, id := range gone {
		fmt.Fprintln(a.out, id)
	}
	return err
}
