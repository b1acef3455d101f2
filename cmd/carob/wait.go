package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type waitOptions struct {
	selection
	conditions []string
	interval   time.Duration
}

func newWait(a *app) *cobra.Command {
	o := &waitOptions{interval: 250 * time.Millisecond}
	cmd := &cobra.Command{
		Use:   "wait [options] CONTAINER [CONTAINER...]",
		Short: "Wait until containers end and print their exit codes",
		Args:  o.args,
		RunE:  func(cmd *cobra.Command, args []string) error { return runWait(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	f := cmd.Flags()
	o.addFlags(f, "latest")
	f.BoolVar(&o.ignore, "ignore", false, "print -1 for a container that does not exist")
	f.Var(commaEach(&o.conditions, "state", parseCondition), "condition", "a state to wait for (stopped)")
	f.VarP(one(&o.interval, "duration", parseInterval), "interval", "i", "time between two looks at states other than stopped; milliseconds without a unit (250ms)")
	completeWords(cmd, "condition", waitConditions()...)
	return cmd
}

func waitConditions() []string {
	return []string{
		libpod.StateCreated, libpod.StateInitialized, libpod.StateRunning, libpod.StatePaused, libpod.StateStopping,
		libpod.StateRestarting, libpod.StateExited, "stopped", "configured", "healthy", "unhealthy",
	}
}

func parseCondition(word string) ([]string, error) {
	switch {
	case word == "removing":
		return nil, fmt.Errorf("cannot wait for %s: carob removes at once", word)
	case !slices.Contains(waitConditions(), word):
		return nil, fmt.Errorf("%q is not a state", word)
	case word == "configured":
		word = libpod.StateCreated // podman's word before its first start
	}
	return []string{word}, nil
}

func parseInterval(s string) (time.Duration, error) {
	if ms, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(ms) * time.Millisecond, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration", s)
	}
	return d, nil
}

func runWait(ctx context.Context, a *app, o *waitOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	conditions := o.conditions
	if len(conditions) == 0 {
		conditions = []string{"stopped"}
	}
	var failed []error
	wait := func(c *libpod.Container) {
		code, err := c.Wait(ctx, conditions, o.interval)
		if err != nil {
			failed = append(failed, err)
			return
		}
		fmt.Fprintln(a.out, code)
	}
	if o.latest {
		list, err := o.find(ctx, rt, nil)
		if err != nil {
			return err
		}
		wait(list[0].Container)
	}
	for _, name := range args {
		c, err := rt.Container(ctx, name)
		var none *libpod.NoContainerError
		switch {
		case err == nil:
			wait(c)
		case o.ignore && errors.As(err, &none):
			fmt.Fprintln(a.out, -1)
		default:
			failed = append(failed, err)
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return signalError(ctx)
	}
	return a.lastOf(failed)
}
