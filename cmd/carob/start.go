package main

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
)

type startOptions struct {
	foregroundFlags
	selection
	attach, interactive bool
	sdNotify            string
}

func newStart(a *app) *cobra.Command {
	o := &startOptions{}
	cmd := &cobra.Command{
		Use:   "start [options] CONTAINER [CONTAINER...]",
		Short: "Start containers",
		Args:  o.checkArgs,
		RunE:  func(cmd *cobra.Command, args []string) error { return runStart(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainersIn(libpod.StateCreated, libpod.StateInitialized, libpod.StateExited),
	}
	f := cmd.Flags()
	o.selection.addFlags(f, "latest", "filter")
	f.BoolVar(&o.all, "all", false, "all containers")
	o.foregroundFlags.add(f, false)
	f.BoolVarP(&o.attach, "attach", "a", false, "join the container's output and signals to this terminal")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "join its standard input as well")
	f.Var(one(&o.sdNotify, "mode", parseNotify), "sdnotify", "who tells systemd, this time, that the service is ready: container, conmon, healthy or ignore; a container that runs already is an error then")
	completeFilters(cmd, libpod.ContainerFilterKeys()...)
	return cmd
}

func (o *startOptions) checkArgs(cmd *cobra.Command, args []string) error {
	if err := o.args(cmd, args); err != nil {
		return err
	}
	if (o.attach || o.interactive) && (len(args) > 1 || o.all) {
		return usage(cmd, errors.New("you cannot start and attach multiple containers at once"))
	}
	return nil
}

func runStart(ctx context.Context, a *app, o *startOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	if o.attach || o.interactive {
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return errors.New("you cannot start and attach multiple containers at once")
		}
		return a.startForeground(ctx, list[0].Container, o)
	}
	if o.all || len(o.filters) > 0 {
		list = inState(list, libpod.StateCreated, libpod.StateInitialized, libpod.StateExited)
	}
	return a.each(list, err, func(c chosen) error {
		opts, err := a.startWith(c.Container)
		if err != nil {
			return err
		}
		opts.Notify, opts.Service = o.sdNotify, o.sdNotify != ""
		conn, err := c.Start(ctx, opts)
		var running *libpod.AlreadyRunningError
		if errors.As(err, &running) && o.sdNotify == "" {
			return nil // a service could not have it as its own
		}
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// parseNotify is for a container that exists: what "" means is up to it.
func parseNotify(s string) (string, error) {
	switch s {
	case "container", "conmon", "healthy", "ignore":
		return s, nil
	}
	return "", errors.New("it is none of container, conmon, healthy, ignore")
}

// startWith is what this process hands to a container at its start.
func (a *app) startWith(ctr *libpod.Container) (libpod.StartOptions, error) {
	n, env := listenFDs(os.Getenv, os.Getpid())
	files, err := a.preserved(max(n, ctr.Process.PreserveFDs))
	opts := libpod.StartOptions{ExtraFiles: files, Env: env}
	if ctr.Log.Driver == "passthrough" {
		opts.Stdio = &[3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	}
	return opts, err
}

// listenFDs is the number of sockets that systemd has opened for this
// process, and the variables by which the container's first process is to
// know them as its own. See sd_listen_fds(3).
func listenFDs(getenv func(string) string, pid int) (uint, map[string]string) {
	n, err := strconv.ParseUint(getenv("LISTEN_FDS"), 10, 16)
	if err != nil || n == 0 || getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return 0, nil
	}
	env := map[string]string{"LISTEN_FDS": strconv.FormatUint(n, 10), "LISTEN_PID": "1"}
	if names := getenv("LISTEN_FDNAMES"); names != "" {
		env["LISTEN_FDNAMES"] = names
	}
	return uint(n), env
}

// startForeground starts one container, or joins it when it runs already.
func (a *app) startForeground(ctx context.Context, ctr *libpod.Container, o *startOptions) error {
	if !o.foregroundFlags.flags.Changed("sig-proxy") {
		o.sigProxy = o.attach // as podman has it
	}
	stdin := o.interactive && ctr.Process.Stdin
	st, err := ctr.State()
	if err != nil {
		return err
	}
	if st.Running() {
		return a.attach(ctx, ctr, &o.foregroundFlags, stdin)
	}
	opts, err := a.startWith(ctr)
	if err != nil {
		return err
	}
	opts.Notify = o.sdNotify
	a.warnNoTTY(ctr.Process.Terminal, stdin)
	join := streams{in: stdin, out: true, err: true}
	if opts.Stdio != nil {
		join = streams{}
	}
	fg, err := a.foreground(&o.foregroundFlags, ctr.Process.Terminal, join)
	if err != nil {
		return err
	}
	defer fg.Close()
	return a.startAttached(ctx, ctr, fg, opts)
}
