package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/netns"
)

// repair gives a container whose monitor was killed a new one, which takes
// the running process over, or has the container run again whose process is
// gone, too, if its policy says so. The caller holds the container's lock.
func (c *Container) repair(ctx context.Context, st *State) (*State, error) {
	record, err := c.openRecord(os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer record.Close()
	if held, err := monitor.LockRecord(int(record.Fd())); err != nil {
		return nil, err
	} else if held {
		return c.State() // somebody was quicker
	}
	if err := os.MkdirAll(c.RunDir(), 0o700); err != nil {
		return nil, err
	}
	r, err := c.rt.OCI()
	if err != nil {
		return nil, err
	}
	var conn *client.Conn
	err = besideCgroups(r, func() error {
		conn, err = client.Spawn(ctx, client.SpawnOptions{Program: c.rt.opts.Monitor, Dir: c.Dir(), Record: record, Adopt: true})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot supervise container %s again: %w", c.Name, err)
	}
	defer conn.Close()
	heard := []monitor.Kind{monitor.MsgStatus}
	if st.Stale { // what the restart policy makes of the end comes a little later
		heard = []monitor.Kind{monitor.MsgExited, monitor.MsgCleaned}
	}
	if err := conn.Watch(); err == nil {
		_, err = conn.Until(nil, nil, heard...)
		var failed *client.Failed // there was nothing to take over: the state says so
		if err != nil && !errors.As(err, &failed) {
			return nil, fmt.Errorf("cannot supervise container %s again: %w", c.Name, err)
		}
	}
	return c.State()
}

// Repair heals what a killed monitor left: a process without a supervisor
// gets one, an end that nobody wrote down is written down, helpers are ended,
// a container whose restart policy wants it runs again, by itself and soon,
// and a container that was to go with its end goes: then there is none.
// A container that another command works on is left to that.
func (c *Container) Repair(ctx context.Context) (*State, error) {
	st, err := c.State()
	if err != nil || !st.Orphan && !st.Stale && !c.outlivesEnd(st) && !c.leftRun(st) {
		return st, err
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	lock, err := c.Lock(short)
	if errors.Is(err, context.DeadlineExceeded) {
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	if st, err = c.State(); err != nil {
		return nil, err
	}
	if st.Orphan || c.mayRunAgain(st) {
		return c.repair(ctx, st)
	}
	if st.Stale || c.leftRun(st) {
		if err := c.clean(ctx, st); err != nil {
			return nil, err
		}
		if st, err = c.State(); err != nil {
			return nil, err
		}
	}
	if c.outlivesEnd(st) {
		c.lock = lock // nobody starts it before it is gone
		defer func() { c.lock = nil }()
		return c.removeEnded(ctx, st)
	}
	return st, nil
}

// mayRunAgain tells that the monitor and the process of a container are gone
// and that nobody asked for that as far as we know: the restart policy, to
// which the next monitor holds it, has a say. It has none across a reboot.
func (c *Container) mayRunAgain(st *State) bool {
	policy := c.Container.Restart.Policy
	return st.Stale && st.BootID == c.rt.bootID && st.Started != 0 && st.Record.State != monitor.StateCreated &&
		(policy != "" && policy != spec.RestartNo || st.ToRestart())
}

// runAgain starts a container whose record says that it is to run again. It
// says so no more once anybody has stopped or started it.
func (c *Container) runAgain(ctx context.Context) (wanted bool, err error) {
	lock, err := c.Lock(ctx)
	if err != nil {
		return false, err
	}
	st, err := c.settled(ctx)
	if err != nil || st.Record.State != monitor.StateRestarting || !c.mayRunAgain(st) {
		lock.Release()
		return false, err
	}
	c.lock = lock // Start takes it from here
	conn, err := c.Start(ctx, StartOptions{again: true})
	if err != nil {
		return true, errors.Join(err, c.giveUp(ctx, err))
	}
	c.rt.event(c, "restart", nil)
	return true, conn.Close()
}

// giveUp writes down why a container that was to run again does not. What its
// monitor has written since is left.
func (c *Container) giveUp(ctx context.Context, why error) error {
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	st, err := c.settled(ctx)
	if err != nil || !st.Stale {
		return err
	}
	st.Error = why.Error()
	return c.clean(ctx, st)
}

// leftRun tells that the monitor wrote the end down and was killed before it
// had cleaned up: its run directory goes last.
func (c *Container) leftRun(st *State) bool {
	if st.Record.State != monitor.StateExited || st.Busy {
		return false
	}
	_, err := os.Lstat(c.RunDir())
	return err == nil
}

// outlivesEnd tells of a --rm container that ended and was not removed: who
// was to do that was killed, or is about to do it. One that never ran stays
// until somebody removes it, and so does one that is to be run again.
func (c *Container) outlivesEnd(st *State) bool {
	return c.Container.Remove && st.Record.State == monitor.StateExited && !st.Busy && st.Started != 0 && !st.ToRestart()
}

// removeEnded does what the monitor of a --rm container could not do any more,
// unless another container depends on it.
func (c *Container) removeEnded(ctx context.Context, st *State) (*State, error) {
	deps, err := c.rt.db.Dependents(ctx, c.ID)
	if err != nil || len(deps) > 0 {
		return st, err
	}
	if !c.deathTold(ctx, st) {
		c.rt.event(c, "died", map[string]string{"containerExitCode": strconv.Itoa(st.ExitCode)}) // for those who wait
	}
	if err := c.Remove(ctx, RemoveOptions{Volumes: true}); err != nil {
		return nil, err
	}
	return nil, &NoContainerError{c.Name}
}

// deathTold tells whether there is an event of the end of the last run.
func (c *Container) deathTold(ctx context.Context, st *State) bool {
	e, err := c.rt.lastEvent(ctx, c.ID, "died")
	return err == nil && e != nil && !e.Time.Before(st.StartedAt())
}

// forgetRun makes the OCI runtime forget a container that has no monitor, and
// end what is left of it. It knows nothing of most, which costs one look.
func (c *Container) forgetRun(ctx context.Context) {
	r, err := c.rt.OCI()
	if err != nil {
		return
	}
	state := filepath.Join(r.Root, c.ID)
	if _, err := os.Lstat(state); err != nil {
		return
	}
	_ = besideCgroups(r, func() error {
		return r.Run(ctx, c.cgroupManager(r), "delete", "--force", c.ID) // fails for what a killed runtime had only begun
	})
	_ = os.RemoveAll(state)
}

// clearRun ends and removes what a monitor that was killed while it cleaned up
// has left: its run directory goes last.
func (c *Container) clearRun(ctx context.Context) error {
	if _, err := os.Lstat(c.RunDir()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := netns.Stop(filepath.Join(c.RunDir(), monitor.PastaPID)); err != nil {
		return err
	}
	c.forgetRun(ctx)
	return os.RemoveAll(c.RunDir())
}

// clean does what a killed monitor could not: end what is left of the
// container, and write down that it ended. The caller holds its lock.
func (c *Container) clean(ctx context.Context, st *State) error {
	record, err := c.openRecord(os.O_RDWR)
	if err != nil {
		return err
	}
	defer record.Close()
	if held, err := monitor.LockRecord(int(record.Fd())); err != nil || held {
		return err // held: a monitor after all
	}
	if used, err := c.netInUse(ctx); err != nil || used {
		return errors.Join(err, writeEnd(record, st)) // its network helper works on for others
	}
	if st.BootID == c.rt.bootID || st.BootID == "" { // "": killed before its first word
		if err := netns.Stop(filepath.Join(c.RunDir(), monitor.PastaPID)); err != nil {
			return err
		}
		c.forgetRun(ctx)
	} else if r, err := c.rt.OCI(); err == nil {
		// The runtime directory need not be on a tmpfs. The process ids in it are
		// somebody else's by now: nothing is killed.
		_ = os.RemoveAll(filepath.Join(r.Root, c.ID))
	}
	if err := os.RemoveAll(c.RunDir()); err != nil {
		return err
	}
	return writeEnd(record, st)
}

// writeEnd writes down that a container has ended.
func writeEnd(record *os.File, st *State) error {
	rec := st.Record
	rec.State, rec.PID = monitor.StateExited, 0
	if rec.Finished < rec.Started {
		rec.Finished = time.Now().UnixNano()
	}
	return monitor.WriteRecord(int(record.Fd()), &rec)
}
