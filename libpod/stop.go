package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
)

// Stop asks the container to end: its stop signal, then SIGKILL after
// timeout seconds (nil: its own stop timeout). A container that is not
// running is left as it is.
func (c *Container) Stop(ctx context.Context, timeout *uint) error {
	defer c.mainProcess().waitGone() // it may still need the lock
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	st, err := c.settled(ctx)
	if err != nil {
		return err
	}
	if !st.Live() && !st.Stale {
		return nil
	}
	if err := c.end(ctx, st, timeout); err != nil {
		return err
	}
	return c.releaseVolumes(ctx)
}

// maxRepairs is how many monitors a container whose end is wanted is given in
// place of killed ones.
const maxRepairs = 5

// end brings the container to its end and waits until nothing of it is left
// but its record. The caller holds its lock.
func (c *Container) end(ctx context.Context, st *State, timeout *uint) error {
	return c.endAfter(ctx, st, timeout, maxRepairs)
}

// endAfter is end with so many repairs left. Then it is done without a
// monitor: something kills each of them.
func (c *Container) endAfter(ctx context.Context, st *State, timeout *uint, repairs int) error {
	if st.Stale {
		return c.clean(ctx, st)
	}
	if c.Infra {
		return c.endInfra(ctx, st)
	}
	if st.Orphan && repairs == 0 {
		st.ExitCode = 128 + int(syscall.SIGKILL)
		return c.clean(ctx, st)
	}
	if st.Orphan {
		repairs--
		repaired, err := c.repair(ctx, st)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			return c.settleAfter(ctx, timeout, repairs)
		}
		st = repaired
	}
	conn, err := c.dial(st)
	if errors.Is(err, client.ErrNotRunning) {
		return c.settleAfter(ctx, timeout, repairs)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	seconds := -1
	if timeout != nil {
		seconds = int(*timeout)
	}
	if err := errors.Join(conn.Watch(), conn.Stop(0, seconds)); err != nil && !errors.Is(err, client.ErrGone) {
		return fmt.Errorf("cannot stop container %s: %w", c.Name, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	// A run that came to nothing has ended as well.
	var failed *client.Failed
	if err := conn.WaitCleaned(); err != nil && !errors.Is(err, client.ErrGone) && !errors.As(err, &failed) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("cannot stop container %s: %w", c.Name, err)
	}
	return c.settleAfter(ctx, timeout, repairs)
}

// settle waits until the monitor has let go of the record (it does so at its
// very end), and cleans up after one that died instead.
func (c *Container) settle(ctx context.Context, timeout *uint) error {
	return c.settleAfter(ctx, timeout, maxRepairs)
}

func (c *Container) settleAfter(ctx context.Context, timeout *uint, repairs int) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		st, err := c.State()
		if errors.Is(err, errNoContainer) {
			return nil
		}
		if err != nil {
			return err
		}
		if st.Stale {
			return c.clean(ctx, st)
		}
		if st.Orphan {
			return c.endAfter(ctx, st, timeout, repairs)
		}
		if !st.Live() && !st.Busy {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// How long a monitor may be busy until it counts as stuck: one that somebody
// has stopped (SIGSTOP), and one that waits for its turn, as where fifty
// containers end at once.
const (
	stoppedTime = 10 * time.Second
	busyTime    = 30 * time.Second
)

// settled is State, once no monitor is busy: until then it writes into the
// directories that a start or a removal changes, and may be about to run what
// nobody sees yet. The caller holds the container's lock.
func (c *Container) settled(ctx context.Context) (*State, error) {
	began := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		st, err := c.State()
		if err != nil || !st.Busy {
			return st, err
		}
		waited := time.Since(began)
		if waited > busyTime || waited > stoppedTime && isStopped(st.MonitorPID) {
			return c.endMonitor(ctx, st)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func isStopped(pid int) bool {
	fields := processStat(pid)
	return len(fields) > 0 && fields[0] == "T"
}

// endMonitor ends a monitor that is stuck. What it was making is an orphan
// then; what it was cleaning up is cleaned up here.
func (c *Container) endMonitor(ctx context.Context, st *State) (*State, error) {
	if st.MonitorPID > 0 && startTime(st.MonitorPID) == st.MonitorStart {
		if err := unix.Kill(st.MonitorPID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return nil, fmt.Errorf("cannot end the monitor of container %s: %w", c.Name, err)
		}
		for i := 0; i < 100 && startTime(st.MonitorPID) == st.MonitorStart; i++ {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if st.Record.State == monitor.StateExited {
		if err := c.clean(ctx, st); err != nil {
			return nil, err
		}
	}
	return c.State()
}

// dial connects to the monitor. One whose socket was removed with the runtime
// directory is asked to make it again.
func (c *Container) dial(st *State) (*client.Conn, error) {
	dir := c.RunDir()
	if st.RunDir != "" {
		dir = st.RunDir
	}
	conn, err := client.Dial(dir)
	if !errors.Is(err, client.ErrNotRunning) {
		return conn, err
	}
	if st.MonitorPID == 0 || startTime(st.MonitorPID) != st.MonitorStart {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	for i := range 500 {
		if i%50 == 0 { // again: a monitor that just wakes does not hear it
			if err := unix.Kill(st.MonitorPID, unix.SIGHUP); err != nil {
				return nil, client.ErrNotRunning
			}
		}
		time.Sleep(2 * time.Millisecond)
		if conn, err = client.Dial(dir); !errors.Is(err, client.ErrNotRunning) {
			return conn, err
		}
	}
	return nil, err
}

// Kill sends a signal to the container's first process. SIGKILL also ends a
// container that is between two runs: its policy does not start it any more.
func (c *Container) Kill(ctx context.Context, sig syscall.Signal) error {
	st, err := c.State()
	if err != nil {
		return err
	}
	if st.Status == StateRestarting && sig == syscall.SIGKILL {
		return c.Stop(ctx, new(uint))
	}
	if !st.Running() {
		return fmt.Errorf("cannot kill container %s: it is %s: can only kill running containers", c.Name, st.Status)
	}
	conn, err := c.dial(st)
	if errors.Is(err, client.ErrNotRunning) {
		err = unix.Kill(st.PID, sig) // its monitor was killed
	} else if err == nil {
		err = conn.Signal(sig)
		if err == nil {
			_, err = conn.Until(nil, nil, monitor.MsgDone)
		}
		conn.Close()
	}
	if err != nil {
		return fmt.Errorf("cannot kill container %s: %w", c.Name, err)
	}
	c.rt.event(c, "kill", map[string]string{"signal": strconv.Itoa(int(sig))})
	return nil
}

// stopSignal is the one asked for, the image's, systemd's, or SIGTERM.
func (c *Container) stopSignal(img *baseImage) syscall.Signal {
	var config *v1.ImageConfig
	if img != nil {
		config = &img.config.Config.ImageConfig
	}
	sig, err := bundle.StopSignal(c.Container, config)
	if err != nil {
		return syscall.SIGTERM // an image's nonsense; the user's was refused earlier
	}
	return syscall.Signal(sig)
}
