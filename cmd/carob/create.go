package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

func newCreate(a *app) *cobra.Command {
	o := &containerOptions{}
	cmd := &cobra.Command{
		Use:   "create [options] IMAGE [COMMAND [ARG...]]",
		Short: "Make a container without starting it",
		Args:  oneImage,
		RunE:  func(cmd *cobra.Command, args []string) error { return runCreate(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeImageThenFiles,
	}
	cmd.Flags().SetInterspersed(false) // flags behind the image belong to the command
	addContainerFlags(cmd.Flags(), o)
	a.completeContainerFlags(cmd)
	return cmd
}

// oneImage says what is missing in podman's words.
func oneImage(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage(cmd, errors.New("requires at least 1 arg(s), only received 0"))
	}
	return nil
}

func runCreate(ctx context.Context, a *app, o *containerOptions, args []string) error {
	ctr, err := a.create(ctx, o, args, false)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, ctr.ID)
	return nil
}

// create makes the container that the flags and args describe. startFollows
// tells that the caller starts it at once.
func (a *app) create(ctx context.Context, o *containerOptions, args []string, startFollows bool) (*libpod.Container, error) {
	caller, err := a.facts()
	if err != nil {
		return nil, err
	}
	c, err := o.spec(args, caller)
	if err != nil {
		return nil, err
	}
	if len(c.Network.Networks) > 0 {
		return nil, fmt.Errorf("cannot use network %q: named and bridge networks come in a later version of carob", c.Network.Networks[0].Name)
	}
	a.dropPorts(&c.Network)
	rt, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return o.inPod(ctx, rt, func() (*libpod.Container, error) {
		return makeContainer(ctx, rt, c, libpod.CreateOptions{Pull: o.pull.options(), Replace: o.replace, StartFollows: startFollows})
	})
}

// dropPorts takes away the ports that were to be published in a network that
// is nobody's, or the host's own: there they mean nothing.
func (a *app) dropPorts(n *spec.Network) {
	if n.Mode != "none" && n.Mode != "host" || len(n.Ports) == 0 && !n.PublishAll {
		return
	}
	a.warn("no port is published: with --network=" + n.Mode + " there is nothing to publish from")
	n.Ports, n.PublishAll = nil, false
}

// makeContainer writes the CID file as well, which no other container may
// have claimed. The file is there before the container: whoever cleans up
// after a run that was killed, as a unit's ExecStopPost does, finds it by that.
func makeContainer(ctx context.Context, rt *libpod.Runtime, c *spec.Container, opts libpod.CreateOptions) (*libpod.Container, error) {
	if c.CIDFile == "" {
		return rt.CreateContainer(ctx, c, opts)
	}
	claimed := false
	opts.Named = func(id string) (err error) {
		err = claimCIDFile(c.CIDFile, id, os.Link)
		claimed = err == nil
		return err
	}
	ctr, err := rt.CreateContainer(ctx, c, opts)
	if err != nil && claimed {
		err = errors.Join(err, os.Remove(c.CIDFile))
	}
	return ctr, err
}

// claimCIDFile makes the file with its content, in one step, unless it exists.
// Where there are no hard links, as on vfat, it is empty for a moment.
func claimCIDFile(path, id string, link func(tmp, path string) error) error {
	tmp := path + "." + id[:12]
	if err := os.WriteFile(tmp, []byte(id), 0o644); err != nil {
		return fmt.Errorf("cannot write the CID file %s: %w", path, errors.Unwrap(err)) // the name of tmp means nothing to anybody
	}
	err := link(tmp, path)
	if err != nil && !errors.Is(err, os.ErrExist) {
		err = makeFile(path, id)
	}
	if errors.Is(err, os.ErrExist) {
		err = fmt.Errorf("container id file exists. Ensure another container is not using it or delete %s", path)
	} else if err != nil {
		err = fmt.Errorf("cannot write the CID file %s: %w", path, errors.Unwrap(err))
	}
	return errors.Join(err, os.Remove(tmp))
}

// makeFile makes a file unless it exists, and leaves none that it cannot write.
func makeFile(path, body string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(body)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

// options are the flags as libpod takes them.
func (p *pullFlags) options() libpod.PullOptions {
	return libpod.PullOptions{
		Policy: p.policy, Platform: p.platform, OS: p.os, Arch: p.arch, Variant: p.variant, Quiet: p.quiet,
		AuthFile: p.authFile, Credentials: p.creds, SigPolicy: p.sigPolicy, TLSVerify: p.tlsVerify, Args: p.extra(),
	}
}

// extra are flags that only carob-image needs to understand.
func (p *pullFlags) extra() []string {
	var args []string
	add := func(flag, value string) {
		if value != "" {
			args = append(args, "--"+flag+"="+value)
		}
	}
	add("cert-dir", p.certDir)
	add("retry-delay", p.retryDelay)
	if p.retry != nil {
		add("retry", fmt.Sprint(*p.retry))
	}
	for _, key := range p.decrypt {
		add("decryption-key", key)
	}
	return args
}
