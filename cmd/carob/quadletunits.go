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
// among them, or refuses when it must not.
func (a *app) stopServices(ctx context.Context, p quadlet.Place, units []string, force bool) error {
	set, _ := quadlet.Load(p) // what has a mistake is not in it, and may run all the same
	conn, running, err := runningServices(ctx, servicePatterns(set, units))
	if err != nil {
		_, missing := os.Stat("/run/systemd/system") // sd_booted(3)
		return a.notAsked(err, errors.Is(missing, fs.ErrNotExist), force)
	}
	defer conn.Close()
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

// runningServices asks systemd which of the services run. The connection is
// the caller's to close.
func runningServices(ctx context.Context, patterns []string) (*systemd.Conn, []systemd.UnitStatus, error) {
	conn, err := systemdManager(ctx)
	if err != nil {
		return nil, nil, err
	}
	running, err := conn.ListUnitsByPatternsContext(ctx, []string{"active", "activating", "reloading", "deactivating"}, patterns)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, running, nil
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
