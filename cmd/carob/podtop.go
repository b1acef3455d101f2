package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/procfs"
)

func newPodTop(a *app) *cobra.Command {
	s := &podSelection{}
	cmd := &cobra.Command{
		Use:   "top [options] POD [DESCRIPTOR...]",
		Short: "List the processes of a pod",
		Long:  "List the processes of all containers of a pod.\n\nDescriptors choose the columns: " + strings.Join(descriptorNames(), ", ") + ".",
		Example: `carob pod top web
carob pod top web pid user args`,
		RunE:              func(cmd *cobra.Command, args []string) error { return runPodTop(cmd.Context(), a, s, args) },
		ValidArgsFunction: a.completePods,
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVarP(&s.latest, "latest", "l", false, "the pod that was made last")
	return cmd
}

func runPodTop(ctx context.Context, a *app, s *podSelection, args []string) error {
	var names []string
	if !s.latest {
		if len(args) == 0 {
			return errors.New("you must provide the name or id of a running pod")
		}
		names, args = args[:1], args[1:]
	}
	if len(args) > 0 && args[0] == "-eo" {
		args = args[1:]
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("cannot use %s: options of ps are for single containers, with carob top", args[0])
	}
	columns, err := topColumns(args)
	if err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	pods, err := s.find(ctx, rt, names)
	if err != nil {
		return err
	}
	all, err := podProcesses(ctx, pods[0])
	if err != nil {
		return err
	}
	return a.printProcesses(columns, all)
}

// podProcesses are those of all members; members that share a pid namespace
// have the same ones.
func podProcesses(ctx context.Context, p *libpod.Pod) ([]*procfs.Process, error) {
	st, err := p.State(ctx)
	if err != nil {
		return nil, err
	}
	var all []*procfs.Process
	seen := map[int]bool{}
	for _, m := range st.Members {
		if !m.State.Running() {
			continue
		}
		list, err := m.Processes()
		if err != nil {
			return nil, err
		}
		for _, process := range list {
			if !seen[process.PID] {
				all = append(all, process)
			}
			seen[process.PID] = true
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("cannot list the processes of pod %s: none of its containers runs", p.Name)
	}
	return all, nil
}
