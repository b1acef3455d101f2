package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

func newPort(a *app) *cobra.Command {
	o := &selection{}
	cmd := &cobra.Command{
		Use:   "port [options] CONTAINER [PORT[/PROTOCOL]]",
		Short: "List the published ports of a container",
		Args:  cobra.MaximumNArgs(2),
		RunE:  func(cmd *cobra.Command, args []string) error { return runPort(cmd.Context(), a, o, args) },

		ValidArgsFunction: completeFirst(a.completeContainersIn(libpod.StateRunning), cobra.ShellCompDirectiveNoFileComp),
	}
	o.addFlags(cmd.Flags(), "all", "latest")
	return cmd
}

func runPort(ctx context.Context, a *app, o *selection, args []string) error {
	switch {
	case o.all && (o.latest || len(args) > 0):
		return errors.New("--all takes neither names nor ports")
	case !o.all && !o.latest && len(args) == 0:
		return errors.New("you must supply a running container name or id")
	}
	wanted := ""
	if o.latest && len(args) == 1 {
		wanted, args = args[0], nil
	} else if len(args) == 2 {
		wanted, args = args[1], args[:1]
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	if err != nil {
		return err
	}
	if o.all {
		list = running(list)
	}
	for _, c := range list {
		if err := a.printPorts(ctx, c.Container, wanted, o.all); err != nil {
			return err
		}
	}
	return nil
}

// printPorts prints one line for each published port, or for the one wanted,
// of which only where it leads to.
func (a *app) printPorts(ctx context.Context, c *libpod.Container, wanted string, all bool) error {
	port, protocol, err := splitPort(wanted)
	if err != nil {
		return err
	}
	ports, err := c.PublishedPorts(ctx)
	if err != nil {
		return err
	}
	found := false
	for _, p := range ports {
		ip := p.HostIP
		if ip == "" {
			ip = "0.0.0.0"
		}
		for k := range max(p.Range, 1) {
			host := fmt.Sprintf("%s:%d", ip, p.HostPort+k)
			line := fmt.Sprintf("%d/%s -> %s", p.Container+k, p.Protocol, host)
			switch {
			case wanted != "" && (port != p.Container+k || protocol != p.Protocol):
				continue
			case wanted != "":
				line = host
			case all:
				line = report.ShortID(c.ID) + "\t" + line
			}
			found = true
			fmt.Fprintln(a.out, line)
		}
	}
	if wanted != "" && !found {
		return fmt.Errorf("failed to find published port %q", wanted)
	}
	return nil
}

func splitPort(word string) (port uint16, protocol string, err error) {
	if word == "" {
		return 0, "", nil
	}
	number, protocol, has := strings.Cut(word, "/")
	if !has {
		protocol = "tcp"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return 0, "", fmt.Errorf("%q is not a port number", number)
	}
	return uint16(n), protocol, nil
}
