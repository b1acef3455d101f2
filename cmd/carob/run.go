package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/netns"
)

type runOptions struct {
	containerOptions
	foregroundFlags
	detach bool
	rmi    bool
}

func newRun(a *app) *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run [options] IMAGE [COMMAND [ARG...]]",
		Short: "Run a command in a new container",
		Args:  oneImage,
		RunE:  func(cmd *cobra.Command, args []string) error { return portCode(runRun(cmd.Context(), a, o, args)) },

		ValidArgsFunction: a.completeImageThenFiles,
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // flags behind the image belong to the command
	addContainerFlags(f, &o.containerOptions)
	o.foregroundFlags.add(f, true)
	f.BoolVarP(&o.detach, "detach", "d", false, "leave the container running and print its ID")
	f.BoolVar(&o.rmi, "rmi", false, "remove the container and, unless others use it, the image in the end")
	a.completeContainerFlags(cmd)
	return cmd
}

// portCode gives a port that cannot be published podman's exit code for it.
func portCode(err error) error {
	var port *netns.PortError
	if errors.As(err, &port) {
		return &exitError{code: 126, err: err}
	}
	return err
}

func runRun(ctx context.Context, a *app, o *runOptions, args []string) error {
	if o.c.InitType != "" {
		return errors.New("cannot run an init container: it runs when its pod starts: use carob create --init-ctr, then carob pod start")
	}
	if o.rmi {
		if o.detach {
			return errors.New("--rmi and --detach cannot be set together: nobody would be there to remove the image")
		}
		o.c.Remove = true
	}
	if _, err := a.config(); err != nil {
		return err
	}
	if _, err := a.detachKeys(&o.foregroundFlags); err != nil {
		return &exitError{code: 126, err: err} // podman's code for it
	}
	ctr, err := a.create(ctx, &o.containerOptions, args, true)
	if err != nil {
		return err
	}
	opts, err := a.startWith(ctr)
	if err != nil {
		return errors.Join(err, removeUnstarted(ctr))
	}
	if o.detach {
		return a.runDetached(ctx, ctr, opts)
	}
	a.warnNoTTY(ctr.Process.Terminal, ctr.Process.Stdin)
	fg, err := a.foreground(&o.foregroundFlags, ctr.Process.Terminal, o.streams(ctr.Container))
	if err != nil {
		return errors.Join(err, removeUnstarted(ctr))
	}
	defer fg.Close()
	err = a.startAttached(ctx, ctr, fg, opts)
	if o.rmi {
		err = errors.Join(err, a.removeImage(ctr.ImageID))
	}
	return err
}

func (a *app) runDetached(ctx context.Context, ctr *libpod.Container, opts libpod.StartOptions) error {
	conn, err := ctr.Start(ctx, opts)
	if err != nil {
		return errors.Join(err, removeUnstarted(ctr))
	}
	fmt.Fprintln(a.out, ctr.ID)
	return conn.Close()
}

// streams: output always, input with -i, unless -a names what is wanted. With
// log driver passthrough the container has this process's own already.
func (o *runOptions) streams(c *spec.Container) streams {
	if c.Log.Driver == "passthrough" {
		return streams{}
	}
	s := streams{in: true, out: true, err: true}
	if o.containerOptions.flags.Changed("attach") {
		has := func(name string) bool {
			return slices.ContainsFunc(o.attach, func(w string) bool { return strings.EqualFold(w, name) })
		}
		s = streams{in: has("stdin"), out: has("stdout"), err: has("stderr")}
	}
	s.in = s.in && c.Process.Stdin
	return s
}

// removeImage removes an image unless a container uses it.
func (a *app) removeImage(id string) error {
	images, err := a.rt.Images()
	if err != nil || id == "" {
		return err
	}
	if users, err := images.UsersOf(id); err != nil || len(users) > 0 {
		return err
	}
	_, err = images.Remove(id, image.RemoveOptions{})
	return err
}
