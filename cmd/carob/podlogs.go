package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

func newPodLogs(a *app) *cobra.Command {
	o := &logsOptions{}
	s := &podSelection{}
	only := ""
	cmd := &cobra.Command{
		Use:               "logs [options] POD",
		Short:             "Print what the containers of a pod have written",
		Args:              s.one,
		RunE:              func(cmd *cobra.Command, args []string) error { return runPodLogs(cmd.Context(), a, o, s, only, args) },
		ValidArgsFunction: a.completePods,
	}
	f := cmd.Flags()
	o.addOwnFlags(f)
	f.StringVarP(&only, "container", "c", "", "only this container's")
	f.BoolVarP(&s.latest, "latest", "l", false, "the pod that was made last")
	_ = cmd.RegisterFlagCompletionFunc("container", a.completeContainers)
	return cmd
}

// one is for commands about a single pod.
func (s *podSelection) one(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage(cmd, errors.New("only one pod can be given"))
	}
	return s.args(cmd, args)
}

func runPodLogs(ctx context.Context, a *app, o *logsOptions, s *podSelection, only string, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	pods, err := s.find(ctx, rt, args)
	if err != nil {
		return err
	}
	members, err := pods[0].Members(ctx)
	if err != nil {
		return err
	}
	var wanted *libpod.Container
	if only != "" {
		if wanted, err = rt.Container(ctx, only); err != nil {
			return err
		}
		if wanted.Pod != pods[0].ID {
			return fmt.Errorf("cannot show the logs of container %s: it does not belong to pod %s", wanted.Name, pods[0].Name)
		}
	}
	var list []chosen
	for _, c := range members {
		if !c.Infra && (wanted == nil || c.ID == wanted.ID) {
			list = append(list, chosen{c, c.ID})
		}
	}
	return a.printLogs(ctx, o, list)
}
