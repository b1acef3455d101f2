package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
)

// selection is how commands are told which containers they are for: by name
// or ID, --all, --latest, --cidfile or --filter.
type selection struct {
	all, latest bool
	cidFiles    []string
	filters     []string
	ignore      bool
}

func (s *selection) addFlags(f *pflag.FlagSet, which ...string) {
	for _, w := range which {
		switch w {
		case "all":
			f.BoolVarP(&s.all, "all", "a", false, "all containers")
		case "latest":
			f.BoolVarP(&s.latest, "latest", "l", false, "the container that was made last")
		case "cidfile":
			f.StringArrayVar(&s.cidFiles, "cidfile", nil, "read the container's ID from a file")
		case "filter":
			f.StringArrayVarP(&s.filters, "filter", "f", nil, "containers for which KEY=VALUE holds")
		case "ignore":
			f.BoolVarP(&s.ignore, "ignore", "i", false, "a container that does not exist is no error")
		}
	}
}

// args checks the number of names against the flags.
func (s *selection) args(cmd *cobra.Command, args []string) error {
	other := s.all || s.latest || len(s.cidFiles) > 0 || len(s.filters) > 0
	switch {
	case len(args) == 0 && !other:
		return usage(cmd, errors.New("you must provide at least one name or id"))
	case len(args) > 0 && s.all:
		return usage(cmd, errors.New("--all takes no names"))
	case len(args) > 0 && s.latest:
		return usage(cmd, errors.New("--latest takes no names"))
	}
	return nil
}

// chosen is a container and the word it was chosen by, which is what is printed.
type chosen struct {
	*libpod.Container
	word string
}

// find returns what was selected. Errors of single names are returned beside
// what was found, for the others are still to be done.
func (s *selection) find(ctx context.Context, rt *libpod.Runtime, args []string) ([]chosen, error) {
	words, err := s.words(args)
	if err != nil {
		return nil, err
	}
	if s.all || s.latest || len(s.filters) > 0 {
		return s.findMany(ctx, rt)
	}
	var found []chosen
	var errs []error
	for _, w := range words {
		c, err := rt.Container(ctx, w)
		var gone *libpod.NoContainerError
		switch {
		case err == nil:
			found = append(found, chosen{c, w})
		case s.ignore && errors.As(err, &gone):
		default:
			errs = append(errs, err)
		}
	}
	return found, errors.Join(errs...)
}

func (s *selection) words(args []string) ([]string, error) {
	words := append([]string{}, args...)
	for _, file := range s.cidFiles {
		b, err := os.ReadFile(file)
		if err != nil {
			if s.ignore && errors.Is(err, os.ErrNotExist) {
				continue
			}
			return nil, fmt.Errorf("cannot read the CID file: %w", err)
		}
		words = append(words, strings.TrimSpace(string(b)))
	}
	return words, nil
}

func (s *selection) findMany(ctx context.Context, rt *libpod.Runtime) ([]chosen, error) {
	filter, err := libpod.ParseFilters(s.filters)
	if err != nil {
		return nil, err
	}
	all, err := rt.Containers(ctx)
	if err != nil {
		return nil, err
	}
	if s.latest {
		if len(all) == 0 {
			return nil, errors.New("cannot find the latest container: there is none")
		}
		all = all[len(all)-1:]
	}
	var found []chosen
	for _, c := range all {
		ok, err := filter.Match(ctx, rt, c)
		var gone *libpod.NoContainerError
		switch {
		case errors.As(err, &gone): // somebody removed it meanwhile
		case err != nil:
			return nil, err
		case ok:
			found = append(found, chosen{c, c.ID})
		}
	}
	return found, nil
}

// width is how many containers a command works on at once: stopping mostly
// waits, so more than there are processors.
const width = 8

// each does act for all of list, several at once, and prints the words of
// those that went well in the order given. All errors but the last are
// printed; the last is returned, as podman has it.
func (a *app) each(list []chosen, earlier error, act func(chosen) error) error {
	return eachOf(a, list, func(c chosen) string { return c.word }, earlier, act)
}

func eachOf[T any](a *app, list []T, word func(T) string, earlier error, act func(T) error) error {
	errs := make([]error, len(list))
	slots := make(chan struct{}, width)
	var all sync.WaitGroup
	for i, one := range list {
		slots <- struct{}{}
		all.Go(func() {
			errs[i] = act(one)
			<-slots
		})
	}
	all.Wait()
	var failed []error
	if earlier != nil {
		failed = append(failed, flatten(earlier)...)
	}
	for i, err := range errs {
		if err != nil {
			failed = append(failed, err)
		} else {
			fmt.Fprintln(a.out, word(list[i]))
		}
	}
	return a.lastOf(failed)
}

// lastOf prints all errors but the last and returns that.
func (a *app) lastOf(failed []error) error {
	if len(failed) == 0 {
		return nil
	}
	for _, err := range failed[:len(failed)-1] {
		a.exitCode(err)
	}
	return failed[len(failed)-1]
}

func flatten(err error) []error {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		return many.Unwrap()
	}
	return []error{err}
}
