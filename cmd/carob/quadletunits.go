package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/quadlet"
	"github.com/carob-containers/carob/pkg/userns"
)

// This file is what the quadlet commands want of systemd.

func systemdManager(ctx context.Context) (*systemd.Conn, error) {
	return systemd.NewConnection(func() (*dbus.Conn, error) { return userns.Systemd(ctx) })
}

// reloadUnits has systemd run the generators anew.
func reloadUnits(ctx context.Context, wanted bool) error {
	if !wanted {
		return nil
	}
	conn, err := systemdManager(ctx)
	if err == nil {
		defer conn.Close()
		err = conn.ReloadContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("cannot have systemd reload, the files are as they should be (--reload-systemd=false leaves it out): %w", err)
	}
	return nil
}

// unitStates are the states of services, as ACTIVE/SUB.
func unitStates(ctx context.Context, rows []quadletData) (map[string]string, error) {
	var names []string
	for _, row := range rows {
		if row.UnitName != "" && !strings.Contains(row.UnitName, "@.") {
			names = append(names, row.UnitName)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	conn, err := systemdManager(ctx)
	if err != nil {
		return nil, fmt.Errorf("the state of services is not known: %w", err)
	}
	defer conn.Close()
	list, err := conn.ListUnitsByNamesContext(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("the state of services is not known: %w", err)
	}
	states := map[string]string{}
	for _, u := range list {
		if u.LoadState != "not-found" {
			states[u.Name] = u.ActiveState + "/" + u.SubState
		}
	}
	return states, nil
}

// stopServices stops the services of units that run, instances of templates
// among them, or refuses when it must not. files has the file of each unit.
func (a *app) stopServices(ctx context.Context, p quadlet.Place, units []string, files map[string]string, force bool) error {
	set, _ := quadlet.Load(p) // what has a mistake is not in it, and may run all the same
	var paths []string
	for _, name := range units {
		paths = append(paths, files[name])
	}
	var running []systemd.UnitStatus
	conn, err := systemdManager(ctx)
	if err == nil {
		defer conn.Close()
		running, err = runningServices(ctx, conn, servicePatterns(set, units), paths)
	}
	if err != nil {
		_, missing := os.Stat("/run/systemd/system") // sd_booted(3)
		return a.notAsked(err, errors.Is(missing, fs.ErrNotExist), force)
	}
	// Those that need others first.
	slices.Reverse(running)
	for _, u := range running {
		if !force {
			return fmt.Errorf("its service %s is %s; --force stops it", u.Name, u.ActiveState)
		}
		if err := stopUnit(ctx, conn, u.Name); err != nil {
			return err
		}
	}
	return nil
}

// servicePatterns are the services of units, as patterns for their instances
// too. A unit that has become unreadable since the last reload still has the
// service of before: it is looked for by the name of the file.
func servicePatterns(set *quadlet.Set, units []string) []string {
	var patterns []string
	for _, name := range units {
		service := quadlet.ServiceOf(name)
		if u := set.Find(name); u != nil {
			service = u.Service
		}
		patterns = append(patterns, strings.Replace(service+".service", "@.", "@*.", 1))
	}
	return patterns
}

// serviceLister is what systemd tells of services.
type serviceLister interface {
	ListUnitsByPatternsContext(ctx context.Context, states, patterns []string) ([]systemd.UnitStatus, error)
	GetUnitPropertyContext(ctx context.Context, unit, property string) (*systemd.Property, error)
}

// runningServices asks systemd which services run that have one of the names,
// or were made of one of the files: ServiceName= may have changed since.
func runningServices(ctx context.Context, conn serviceLister, patterns, paths []string) ([]systemd.UnitStatus, error) {
	states := []string{"active", "activating", "reloading", "deactivating"}
	running, err := conn.ListUnitsByPatternsContext(ctx, states, patterns)
	if err != nil {
		return nil, err
	}
	all, err := conn.ListUnitsByPatternsContext(ctx, states, []string{"*.service"})
	if err != nil {
		return nil, err
	}
	for _, u := range all {
		if slices.ContainsFunc(running, func(r systemd.UnitStatus) bool { return r.Name == u.Name }) {
			continue
		}
		source, err := conn.GetUnitPropertyContext(ctx, u.Name, "SourcePath")
		if err != nil {
			continue // it has ended in between
		}
		if path, ok := source.Value.Value().(string); ok && path != "" && slices.Contains(paths, path) {
			running = append(running, u)
		}
	}
	return running, nil
}

// notAsked is what it means that systemd gave no answer. Where none was booted
// nothing runs; otherwise something may, and its unit stays.
func (a *app) notAsked(err error, noSystemd, force bool) error {
	switch {
	case noSystemd:
		return nil
	case force:
		a.warn(fmt.Sprintf("systemd could not be asked whether its service runs, nothing was stopped: %v", err))
		return nil
	}
	return libpod.WithHint(fmt.Errorf("systemd could not be asked whether its service runs: %w", err),
		"--force removes the unit and stops nothing")
}

func stopUnit(ctx context.Context, conn *systemd.Conn, name string) error {
	if err := conn.Subscribe(); err != nil { // or nobody tells of the job's end
		return fmt.Errorf("cannot stop %s: %w", name, err)
	}
	done := make(chan string, 1)
	if _, err := conn.StopUnitContext(ctx, name, "replace", done); err != nil {
		return fmt.Errorf("cannot stop %s: %w", name, err)
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("cannot stop %s: %s", name, result)
		}
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("cannot stop %s", name), ctx.Err())
	}
}
