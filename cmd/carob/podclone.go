package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

func newPodClone(a *app) *cobra.Command {
	o := &podCreateOptions{withInfra: true}
	var start, destroy bool
	cmd := &cobra.Command{
		Use:   "clone [options] POD [NAME]",
		Short: "Make a pod like another one, with copies of its containers",
		Long: "Make a pod like another one, with copies of its containers, which are named after the originals.\n\n" +
			"Flags replace what the original has; labels and sysctls are added to it.",
		Example: "carob pod clone --start web web2",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := runPodClone(cmd.Context(), a, o, args, destroy)
			if err == nil && start {
				err = p.Start(cmd.Context())
			}
			if err == nil {
				fmt.Fprintln(a.out, p.ID)
			}
			return err
		},
		ValidArgsFunction: a.completePods,
	}
	f := cmd.Flags()
	o.infra.flags = f
	f.SetNormalizeFunc(otherNames)
	o.addCloneFlags(f)
	f.BoolVar(&start, "start", false, "start the new pod")
	f.BoolVar(&destroy, "destroy", false, "remove the original pod")
	return cmd
}

func runPodClone(ctx context.Context, a *app, o *podCreateOptions, args []string, destroy bool) (*libpod.Pod, error) {
	caller, err := a.facts()
	if err != nil {
		return nil, err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	old, err := rt.Pod(ctx, args[0])
	if err != nil {
		return nil, err
	}
	o.pod.Share, o.withInfra = old.Share, old.Infra != ""
	if err := o.completeAs(caller, args[1:]); err != nil {
		return nil, err
	}
	pod, err := json.Marshal(o.pod)
	infra, err2 := json.Marshal(o.infra.c)
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	p, err := old.Clone(ctx, pod, infra)
	if err != nil || !destroy {
		return p, err
	}
	return p, old.Remove(ctx, libpod.RemoveOptions{Force: true})
}
