package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
)

// StartOptions of start, run and init.
type StartOptions struct {
	// InitOnly leaves the container created by the OCI runtime, its process
	// not yet running.
	InitOnly bool
	// Streams are the attach bits (monitor.Stdin ...) the launcher wants from
	// the first byte on; 0 attaches nothing.
	Streams byte
	// Rows and Cols are the terminal's first size.
	Rows, Cols uint16
	// ClaimRemove: the caller removes a --rm container itself when it ended.
	ClaimRemove bool
	// Stdio is handed inside with log driver passthrough, ExtraFiles with
	// --preserve-fds.
	Stdio      *[3]*os.File
	ExtraFiles []*os.File
	// Env is added to the process's environment, this time only: LISTEN_FDS
	// and its like, which belong to ExtraFiles.
	Env map[string]string
	// Notify is the mode of --sdnotify for this start; "" is the container's own.
	Notify string
	// Dependent: this start serves that of a pod or of another container, and
	// systemd, should it listen, waits to hear of that. Only programs that were
	// said to speak for themselves still may.
	Dependent bool
	// again: the record says that the container is to run again, and goes on
	// saying so until its next monitor writes.
	again bool
	// Service leaves an infra container's process in the systemd service that
	// starts it, so that it can be the service's main process.
	Service bool
}

// Start starts the container. The connection, to be closed by the caller,
// tells how it goes on; an infra container has none. Without streams the process runs when Start returns;
// with streams that, too, is still to be read from the connection, in its
// place among the output. A start that the OCI runtime refused is a
// *client.Failed with podman's exit code.
func (c *Container) Start(ctx context.Context, opts StartOptions) (*client.Conn, error) {
	lock, err := c.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	if opts.Notify != "" {
		c.Process.SdNotify = opts.Notify
	}
	st, err := c.settled(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case st.Orphan:
		if st, err = c.repair(ctx, st); err != nil {
			return nil, err
		}
	case st.Stale && !opts.again:
		if err := c.clean(ctx, st); err != nil {
			return nil, err
		}
	}
	if opts.Dependent && c.outlivesEnd(st) {
		return nil, &NoContainerError{c.Name} // whoever ran it with --rm is about to remove it
	}
	switch st.Status {
	case StateRunning, StateStopping:
		return nil, &AlreadyRunningError{c.Name}
	case StatePaused:
		return nil, WithHint(fmt.Errorf("cannot start container %s: it is paused", c.Name), "carob unpause "+c.Name)
	case StateInitialized:
		return c.startCreated(ctx, st, opts)
	case StateRestarting:
		if opts.again {
			break
		}
		if err := c.end(ctx, st, nil); err != nil {
			return nil, err
		}
	}
	if err := c.startRequired(ctx); err != nil {
		return nil, err
	}
	if c.Infra {
		return nil, c.startInfra(ctx, opts)
	}
	return c.launch(ctx, opts)
}

// AlreadyRunningError says that there is nothing to start.
type AlreadyRunningError struct{ Name string }

func (e *AlreadyRunningError) Error() string {
	return fmt.Sprintf("cannot start container %s: it is already running", e.Name)
}

// startCreated lets a container go on that init has left waiting.
func (c *Container) startCreated(ctx context.Context, st *State, opts StartOptions) (*client.Conn, error) {
	if opts.InitOnly {
		return nil, fmt.Errorf("cannot initialize container %s: it is initialized already", c.Name)
	}
	if err := c.canNotify(opts); err != nil {
		return nil, err
	}
	if err := c.startRequired(ctx); err != nil {
		return nil, err
	}
	conn, err := c.dial(st)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the monitor of container %s: %w", c.Name, err)
	}
	if opts.Streams != 0 {
		err = conn.Attach(opts.Streams)
	} else {
		err = conn.Send(monitor.MsgWatch, nil)
	}
	if err == nil {
		err = conn.Send(monitor.MsgStart, nil)
	}
	if err == nil && opts.Streams == 0 {
		_, err = conn.WaitStarted()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	if opts.Streams == 0 && !opts.Dependent {
		c.Announce(st.MonitorPID)
	}
	return conn, nil
}

// startRequired starts what --requires and joined namespaces need.
func (c *Container) startRequired(ctx context.Context) error {
	for _, id := range c.Requires {
		if err := c.rt.ensureRunning(ctx, id, StartOptions{}); err != nil {
			return fmt.Errorf("cannot start container %s: it requires %s: %w", c.Name, id[:12], err)
		}
		if err := c.rt.awaitStartup(ctx, id); err != nil {
			return fmt.Errorf("cannot start container %s: it requires %s: %w", c.Name, id[:12], err)
		}
	}
	for _, mode := range []string{c.Isolation.PID, c.Isolation.IPC, c.Isolation.UTS, c.Isolation.Cgroup, c.Isolation.User, c.Network.Mode} {
		id, ok := otherContainer(mode)
		if !ok {
			continue
		}
		if err := c.rt.ensureRunning(ctx, id, StartOptions{}); err != nil {
			return fmt.Errorf("cannot start container %s: it joins a namespace of %s: %w", c.Name, id[:12], err)
		}
	}
	return nil
}

// ensureRunning starts a container that something else needs.
func (rt *Runtime) ensureRunning(ctx context.Context, id string, opts StartOptions) error {
	other, err := rt.Container(ctx, id)
	if err != nil {
		return err
	}
	opts.Dependent = true
	conn, err := other.Start(ctx, opts)
	var running *AlreadyRunningError
	if errors.As(err, &running) {
		return nil
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// startupLook is how often awaitStartup looks.
const startupLook = 50 * time.Millisecond

// awaitStartup waits until a container's startup probe, if it has one, has
// passed: what comes after a sidecar may rely on that. One that is run again
// and again is waited for as long as that goes on.
func (rt *Runtime) awaitStartup(ctx context.Context, id string) error {
	c, err := rt.Container(ctx, id)
	if err != nil || c.Probes == nil || c.Probes.Startup == nil {
		return err
	}
	for {
		st, err := c.Repair(ctx)
		if err != nil {
			return err
		}
		if !st.Live() {
			return fmt.Errorf("container %s ended before its startup probe had passed", c.Name)
		}
		report, err := c.HealthReport(st)
		if err != nil || st.Running() && report.Started() {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(startupLook):
		}
	}
}

// Finish is for a client that has claimed the removal of a --rm container:
// it waits until the monitor has cleaned up after the final end, removes the
// container, and lets the monitor go.
func (c *Container) Finish(ctx context.Context, conn *client.Conn) error {
	if err := conn.WaitCleaned(); err != nil && !errors.Is(err, client.ErrGone) {
		return err
	}
	if !c.Container.Remove {
		return nil
	}
	err := c.Remove(ctx, RemoveOptions{Force: true, Volumes: true})
	if errors.Is(err, errNoContainer) {
		err = nil
	}
	conn.Removed() // gone already when somebody else removed it
	return err
}

// writeConfig leaves the monitor's orders in the container's directory.
func (c *Container) writeConfig(cfg *monitor.Config) error {
	body, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(c.Dir(), monitor.ConfigFile), body, 0o600)
}

// writeFile replaces a file as a whole: readers see the old or the new one.
func writeFile(path string, body []byte, mode os.FileMode) error {
	return replaceFile(path+".new", path, body, mode)
}

// replaceFile is writeFile with the name that the new file has at first.
func replaceFile(tmp, path string, body []byte, mode os.FileMode) error {
	if err := os.WriteFile(tmp, body, mode); err != nil {
		os.Remove(tmp)
		return err
	}
	return os.Rename(tmp, path)
}
