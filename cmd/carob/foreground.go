package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/pkg/termio"
)

// foregroundFlags are about this process's terminal and a container's, of
// run, start, attach and exec.
type foregroundFlags struct {
	detachKeys string
	sigProxy   bool
	flags      *pflag.FlagSet
}

func (o *foregroundFlags) add(f *pflag.FlagSet, proxyDefault bool) {
	o.flags = f
	o.addKeys(f)
	f.BoolVar(&o.sigProxy, "sig-proxy", proxyDefault, "hand signals on to the container")
}

func (o *foregroundFlags) addKeys(f *pflag.FlagSet) {
	o.flags = f
	f.StringVar(&o.detachKeys, "detach-keys", termio.DefaultDetachKeys, "keys that detach: a character or ctrl-KEY, several separated by commas; empty: none")
}

// streams tells which of this process's streams are joined to the container.
type streams struct{ in, out, err bool }

// foreground is this process's side of an attached container. Close gives the
// terminal back.
type foreground struct {
	libpod.AttachOptions
	raw     *termio.Raw
	signals *termio.Signals
	undo    []func()
}

// foreground prepares the terminal and begins to catch signals. It comes
// before the container's start, so that neither a size nor a signal is lost.
func (a *app) foreground(o *foregroundFlags, tty bool, s streams) (*foreground, error) {
	keys, err := a.detachKeys(o)
	if err != nil {
		return nil, err
	}
	f := &foreground{}
	f.DetachKeys = keys
	f.join(a, s)
	// Without this, writing to a closed pipe would end the process before
	// it has said good-bye to the monitor.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	f.undo = append(f.undo, func() { signal.Stop(pipe) })
	if o.sigProxy {
		f.signals = termio.CatchSignals(tty)
		f.Signals = f.signals.C
		f.undo = append(f.undo, f.signals.Stop)
	}
	if tty {
		err = f.useTerminal(a, o.sigProxy, s.in)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *foreground) join(a *app, s streams) {
	if s.in {
		f.Stdin = a.in
	}
	if s.out {
		f.Stdout = a.out
	}
	if s.err {
		f.Stderr = a.err
	}
}

// useTerminal hands on the size of whichever of this process's streams is a
// terminal, and its keys when it is the input.
func (f *foreground) useTerminal(a *app, proxied, input bool) error {
	file := a.in
	if !termio.IsTerminal(file) {
		out, ok := a.out.(*os.File)
		if !ok || !termio.IsTerminal(out) {
			return nil
		}
		file, input = out, false
	}
	size, err := termio.SizeOf(file)
	if err != nil {
		return err
	}
	sizes, stop := termio.Resizes(file)
	f.Size, f.Sizes = size, sizes
	f.undo = append(f.undo, stop)
	if input {
		f.Terminal = true
		f.raw, err = termio.MakeRaw(file, proxied)
	}
	return err
}

// Close gives the terminal back and lets signals act as usual.
func (f *foreground) Close() error {
	err := f.raw.Restore()
	for _, undo := range f.undo {
		undo()
	}
	f.undo = nil
	return err
}

// detachKeys are the flag's, containers.conf's or the usual ones.
func (a *app) detachKeys(o *foregroundFlags) ([]byte, error) {
	if !o.flags.Changed("detach-keys") {
		conf, err := a.config()
		if err != nil {
			return nil, err
		}
		if conf.Engine.DetachKeys != nil {
			return termio.ParseDetachKeys(*conf.Engine.DetachKeys)
		}
	}
	return termio.ParseDetachKeys(o.detachKeys)
}

// warnNoTTY is podman's warning for -it without a terminal.
func (a *app) warnNoTTY(tty, interactive bool) {
	if tty && interactive && !termio.IsTerminal(a.in) {
		a.warn("The input device is not a TTY. The --tty and --interactive flags might not work properly")
	}
}

// startAttached starts a container, carries its streams and signals until it
// ends or the user detaches, and returns its exit code as an *exitError. A
// container that was made with --rm is gone then.
func (a *app) startAttached(ctx context.Context, ctr *libpod.Container, fg *foreground, opts libpod.StartOptions) error {
	if fg.Signals != nil {
		if ctx.Err() != nil { // it came before signals were caught
			return errors.Join(signalError(ctx), removeUnstarted(ctr))
		}
		ctx = context.WithoutCancel(ctx) // SIGINT and SIGTERM mean the container now
	}
	opts.Streams, opts.ClaimRemove = fg.Streams(), ctr.Container.Remove
	opts.Rows, opts.Cols = fg.Size.Rows, fg.Size.Cols
	fg.Size = termio.Size{}
	fg.Started = opts.Streams == 0
	conn, err := ctr.Start(ctx, opts)
	if err != nil {
		return errors.Join(err, removeUnstarted(ctr))
	}
	defer conn.Close()
	fg.OnStart = func() { ctr.Announce(conn.PID()) }
	result, err := libpod.Attach(ctx, conn, &fg.AttachOptions)
	err = errors.Join(err, fg.Close())
	return a.afterAttach(ctx, ctr, conn, result, err)
}

// afterAttach ends what startAttached began.
func (a *app) afterAttach(ctx context.Context, ctr *libpod.Container, conn *client.Conn, result *libpod.Attached, err error) error {
	var failed *client.Failed
	switch {
	case ctx.Err() != nil:
		return signalError(ctx)
	case errors.Is(err, libpod.ErrOutputClosed):
		return outputClosed(ctr, conn)
	case errors.Is(err, client.ErrGone) && neverRan(ctx, ctr):
		return errors.Join(fmt.Errorf("cannot start container %s: %w", ctr.Name, err), removeUnstarted(ctr))
	case errors.Is(err, client.ErrGone):
		code, err := ctr.Wait(ctx, []string{libpod.StateExited}, 100*time.Millisecond)
		if err != nil {
			return err
		}
		result = &libpod.Attached{Code: code}
	case errors.As(err, &failed):
		return errors.Join(err, ctr.Finish(ctx, conn))
	case err != nil:
		return err
	}
	if result.Detached {
		return nil
	}
	if !result.Again {
		if err := ctr.Finish(ctx, conn); err != nil {
			return err
		}
	}
	if result.Code != 0 {
		return &exitError{code: result.Code}
	}
	return nil
}

// neverRan tells that a monitor died before the container's process was made:
// there is no end to wait for.
func neverRan(ctx context.Context, ctr *libpod.Container) bool {
	st, err := ctr.Repair(ctx)
	return err == nil && st.Status == libpod.StateCreated
}

// removeUnstarted removes a --rm container whose start has failed.
func removeUnstarted(ctr *libpod.Container) error {
	if !ctr.Container.Remove {
		return nil
	}
	err := ctr.Remove(context.Background(), libpod.RemoveOptions{Force: true, Volumes: true})
	var gone *libpod.NoContainerError
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

// outputClosed is the quiet end of "carob run ... | head". A --rm container is
// told to stop, and its monitor, whom this client leaves, removes it; another
// one is left running.
func outputClosed(ctr *libpod.Container, conn *client.Conn) error {
	if ctr.Container.Remove {
		if err := conn.Stop(0, -1); err != nil && !errors.Is(err, client.ErrGone) {
			return err
		}
	}
	return &exitError{code: 128 + int(syscall.SIGPIPE)}
}

// signalError is the end by a signal that was not handed on, with the exit
// code a shell gives it.
func signalError(ctx context.Context) error {
	code := 128 + int(syscall.SIGINT)
	if cause := context.Cause(ctx); cause != nil && strings.Contains(cause.Error(), syscall.SIGTERM.String()) {
		code = 128 + int(syscall.SIGTERM)
	}
	return &exitError{code: code}
}
