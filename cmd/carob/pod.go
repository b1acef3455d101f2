package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
)

// newPod is the parent of the pod commands.
func newPod(a *app) *cobra.Command {
	return parent(a, "pod", "Manage pods", podCommands())
}

func podCommands() []command {
	return []command{
		{"clone", newPodClone},
		{"create", newPodCreate},
		{"exists", newPodExists},
		{"inspect", newPodInspect},
		{"kill", newPodKill},
		{"logs", newPodLogs},
		{"pause", newPodPause},
		{"prune", newPodPrune},
		{"ps", newPodPs},
		{"restart", newPodRestart},
		{"rm", newPodRm},
		{"start", newPodStart},
		{"stats", newPodStats},
		{"stop", newPodStop},
		{"top", newPodTop},
		{"unpause", newPodUnpause},
	}
}

func (a *app) completePods(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(cmd.Context(), typed, podNames)
}

func podNames(ctx context.Context, rt *libpod.Runtime) ([]string, error) {
	all, err := rt.Pods(ctx)
	names := make([]string, len(all))
	for n, p := range all {
		names[n] = p.Name
	}
	return names, err
}

func (a *app) completeContainersAndPods(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	containers, _ := a.completeContainers(cmd, args, typed)
	pods, directive := a.completePods(cmd, args, typed)
	return append(containers, pods...), directive
}

// podSelection is how commands are told which pods they are for.
type podSelection struct {
	all, latest, ignore bool
	idFiles             []string
}

func (s *podSelection) addFlags(f *pflag.FlagSet, which ...string) {
	f.BoolVarP(&s.all, "all", "a", false, "all pods")
	f.BoolVarP(&s.latest, "latest", "l", false, "the pod that was made last")
	for _, w := range which {
		switch w {
		case "ignore":
			f.BoolVarP(&s.ignore, "ignore", "i", false, "a pod that does not exist is no error")
		case "pod-id-file":
			f.StringArrayVar(&s.idFiles, "pod-id-file", nil, "read the pod's ID from a file")
		}
	}
}

func (s *podSelection) args(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && !s.all && !s.latest && len(s.idFiles) == 0:
		return usage(cmd, errors.New("you must provide at least one name or id"))
	case len(args) > 0 && (s.all || s.latest):
		return usage(cmd, errors.New("--all and --latest take no names"))
	}
	return nil
}

// find returns what was selected. Errors of single names are returned beside
// what was found, for the others are still to be done.
func (s *podSelection) find(ctx context.Context, rt *libpod.Runtime, args []string) ([]*libpod.Pod, error) {
	if s.all || s.latest {
		all, err := rt.Pods(ctx)
		if err != nil || s.all {
			return all, err
		}
		if len(all) == 0 {
			return nil, errors.New("cannot find the latest pod: there is none")
		}
		return all[len(all)-1:], nil
	}
	words := append([]string{}, args...)
	for _, file := range s.idFiles {
		b, err := os.ReadFile(file)
		if err != nil && !(s.ignore && errors.Is(err, os.ErrNotExist)) {
			return nil, fmt.Errorf("cannot read the pod ID file: %w", err)
		}
		if err == nil {
			words = append(words, strings.TrimSpace(string(b)))
		}
	}
	var found []*libpod.Pod
	var errs []error
	for _, w := range words {
		p, err := rt.Pod(ctx, w)
		var gone *libpod.NoPodError
		switch {
		case err == nil:
			found = append(found, p)
		case s.ignore && errors.As(err, &gone):
		default:
			errs = append(errs, err)
		}
	}
	return found, errors.Join(errs...)
}

// podVerb makes a command that does one thing to each selected pod.
func podVerb(a *app, use, short string, s *podSelection, act func(context.Context, *libpod.Pod) error, flags ...string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: s.args, ValidArgsFunction: a.completePods,
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			list, err := s.find(cmd.Context(), rt, args)
			return a.eachPod(list, err, func(p *libpod.Pod) error { return act(cmd.Context(), p) })
		},
	}
	s.addFlags(cmd.Flags(), flags...)
	return cmd
}

// eachPod is each for pods, whose IDs are printed.
func (a *app) eachPod(list []*libpod.Pod, earlier error, act func(*libpod.Pod) error) error {
	return eachOf(a, list, func(p *libpod.Pod) string { return p.ID }, earlier, act)
}

func newPodExists(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exists POD",
		Short: "Tell by the exit code whether a pod is there (1: it is not)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			_, err = rt.Pod(cmd.Context(), args[0])
			var none *libpod.NoPodError
			if errors.As(err, &none) {
				return &exitError{code: 1}
			}
			return err
		},
		ValidArgsFunction: a.completePods,
	}
}
