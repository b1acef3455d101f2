// Package oci drives the OCI runtime (crun or runc) for what is not the
// monitor's: finding it, pausing, listing processes, entering a container.
package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/cgroup"
)

// Runtime is a found OCI runtime and how it is called.
type Runtime struct {
	Path string
	Name string // crun or runc, whatever the file is called
	// Root is the directory of the runtime's own state.
	Root  string
	Flags []string
	// Env is the environment of the runtime, and of a monitor that calls it.
	Env []string
	// Cgroups is what containers of this runtime can have on this host.
	Cgroups cgroup.Facts
}

// NotInstalledError says that no OCI runtime was found.
type NotInstalledError struct{ Name string }

func (e *NotInstalledError) Error() string {
	if e.Name == "" {
		return "cannot find an OCI runtime: neither crun nor runc is installed"
	}
	return fmt.Sprintf("cannot find the OCI runtime %q", e.Name)
}

// Hint names the package.
func (e *NotInstalledError) Hint() string { return "install one: apt-get install crun" }

// Find looks for the OCI runtime name (a path, a name, or "" for the first of
// crun and runc that can do the work). manager is the cgroup manager asked
// for, "" the best one; likely that of containers.conf, for hosts that have it.
func Find(name string, flags []string, manager, likely, runDir string) (*Runtime, error) {
	facts, err := cgroup.Probe(manager, likely)
	if err != nil {
		return nil, err
	}
	names := []string{name}
	if name == "" {
		names = preferred(facts)
	}
	path, err := lookup(names)
	if err != nil {
		return nil, err
	}
	r := &Runtime{Path: path, Name: "crun", Flags: flags, Root: filepath.Join(runDir, "oci"), Cgroups: facts}
	if strings.Contains(filepath.Base(path), "runc") {
		r.Name = "runc"
	}
	return r, nil
}

// preferred puts crun first, but where root may not raise limits: to load the
// filter for devices into a cgroup, crun (1.8) raises one, and gives up.
func preferred(facts cgroup.Facts) []string {
	mayRaise, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	if facts.Manager != cgroup.None && err == nil && mayRaise == 0 {
		return []string{"runc", "crun"}
	}
	return []string{"crun", "runc"}
}

func lookup(names []string) (string, error) {
	for _, n := range names {
		if strings.Contains(n, "/") {
			if _, err := os.Stat(n); err == nil {
				return n, nil
			}
			continue
		}
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
		for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/local/sbin"} {
			p := filepath.Join(dir, n)
			if _, err := os.Stat(p); err == nil {
				return p, nil
			}
		}
	}
	if len(names) > 1 {
		return "", &NotInstalledError{}
	}
	return "", &NotInstalledError{names[0]}
}

// Argv is the runtime's argv up to the subcommand; manager is who makes the
// container's cgroup (package cgroup).
func (r *Runtime) Argv(manager string) []string {
	argv := []string{r.Path, "--root", r.Root}
	switch {
	case r.Name == "crun":
		argv = append(argv, "--cgroup-manager="+manager)
	case manager == cgroup.Systemd:
		argv = append(argv, "--systemd-cgroup")
	}
	for _, f := range r.Flags {
		argv = append(argv, "--"+strings.TrimLeft(f, "-"))
	}
	return argv
}

// Run calls a subcommand and waits. What the runtime says on stderr becomes
// the error.
func (r *Runtime) Run(ctx context.Context, manager string, args ...string) error {
	argv := append(r.Argv(manager), args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = r.Env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if err == nil {
		return nil
	}
	words := strings.TrimSpace(stderr.String())
	if words == "" {
		return fmt.Errorf("%s %s: %w", r.Name, args[0], err)
	}
	return errors.New(r.Name + ": " + strings.TrimPrefix(words, "error: "))
}

// CanFreeze tells whether containers have cgroups that can be frozen.
func (r *Runtime) CanFreeze() bool { return r.Cgroups.Manager != cgroup.None }

// NeedsHiddenCgroups tells that this runtime gives up at the sight of the
// host's cgroup mounts.
func (r *Runtime) NeedsHiddenCgroups() bool {
	return r.Name == "crun" && r.Cgroups.Version == 1 && r.Cgroups.Manager == cgroup.None
}
