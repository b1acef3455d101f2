package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/cgroup"
)

// Container is one container: what was asked for, and the way to what it is.
type Container struct {
	*spec.Container
	rt   *Runtime
	host *bundle.Host // set by create, for the start that follows
	base *baseImage   // set once it was looked up
	net  *network     // set when create has begun it for the start that follows
	lock *store.Lock  // ours since creation, for the start that follows; see Lock

	mountedVolumes []string // set by a start: those of its volumes that are mounts
	endsOthers     bool     // set by a start: its end entails more than its removal
}

// States of a container, as users read them.
const (
	StateCreated     = "created"     // never started
	StateInitialized = "initialized" // the runtime made it, its process waits
	StateRunning     = "running"
	StatePaused      = "paused"
	StateStopping    = "stopping"
	StateRestarting  = "restarting" // its restart policy waits before the next run
	StateExited      = "exited"
)

// State is what a container is right now. It is read from the kernel and the
// monitor's record at every call and stored nowhere.
type State struct {
	Status string
	// Orphan: the process runs, or may be about to, but its monitor was
	// killed; Repair cures it.
	Orphan bool
	// Stale: the monitor died without writing down the end, or the container
	// is to run again and has no monitor.
	Stale bool
	// Busy: a monitor is at work that will be through by itself soon, with
	// making the container or with cleaning up after its end.
	Busy bool
	monitor.Record
}

// Running tells whether there is a process.
func (s *State) Running() bool {
	switch s.Status {
	case StateRunning, StatePaused, StateStopping:
		return true
	}
	return false
}

// Live tells whether a monitor or a process is there at all.
func (s *State) Live() bool {
	return s.Running() || s.Status == StateInitialized || s.Status == StateRestarting
}

// StartedAt and FinishedAt are zero when it never did.
func (s *State) StartedAt() time.Time  { return unixNano(s.Started) }
func (s *State) FinishedAt() time.Time { return unixNano(s.Finished) }

func unixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// Dir is the container's directory and its OCI bundle.
func (c *Container) Dir() string { return c.rt.dirs.Container(c.ID) }

// RunDir is its runtime directory.
func (c *Container) RunDir() string { return c.rt.dirs.ContainerRun(c.ID) }

// hasLayer tells that its root file system is a layer on top of an image.
func (c *Container) hasLayer() bool { return c.Rootfs == nil && !c.Infra }

// Lock keeps other commands from changing the container until released. Where
// a start follows creation it is held from there on: nobody else may start the
// container in between. Taken anew, it comes with what is asked for now.
func (c *Container) Lock(ctx context.Context) (*store.Lock, error) {
	if l := c.lock; l != nil {
		c.lock = nil
		return l, nil
	}
	l, err := store.Acquire(ctx, filepath.Join(c.Dir(), store.LockFile), false)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &NoContainerError{c.Name}
	}
	if err != nil {
		return nil, err
	}
	if err := c.reload(ctx); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// reload reads again what was asked for: what we know is from before we had
// the container's lock, and another command may have changed it since. Of one
// that a killed rm has left without a row we know no better.
func (c *Container) reload(ctx context.Context) error {
	now, err := c.rt.db.Container(context.WithoutCancel(ctx), c.ID) // its patience was for the lock
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Container = now
	return nil
}

// NoContainerError says that there is no such container (any more).
type NoContainerError struct{ Name string }

func (e *NoContainerError) Error() string {
	return fmt.Sprintf("no container with name or ID %q found: no such container", e.Name)
}

func (e *NoContainerError) Is(target error) bool { return target == errNoContainer }

// Container finds a container by name, ID or start of its ID.
func (rt *Runtime) Container(ctx context.Context, given string) (*Container, error) {
	c, err := rt.db.Container(ctx, given)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &NoContainerError{given}
	}
	if err != nil {
		return nil, err
	}
	return &Container{Container: c, rt: rt}, nil
}

// Containers returns all containers, oldest first. Those that a killed create
// or rm left half made are finished off on the way and not returned.
func (rt *Runtime) Containers(ctx context.Context) ([]*Container, error) {
	if err := rt.sweepNetworks(); err != nil {
		return nil, err
	}
	specs, err := rt.db.Containers(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]*Container, 0, len(specs))
	known := make(map[string]bool, len(specs))
	for _, s := range slices.Backward(specs) { // what others need can only go after them
		known[s.ID] = true
		c := &Container{Container: s, rt: rt}
		if c.halfMade() && c.sweep(ctx) {
			continue
		}
		all = append(all, c)
	}
	slices.Reverse(all)
	if err := rt.sweepUnknown(ctx, known); err != nil {
		return nil, err
	}
	return all, rt.settleEnds(ctx)
}

// sweepUnknown finishes off the directories that no row tells of: a create
// was killed before its row, or a rm after it.
func (rt *Runtime) sweepUnknown(ctx context.Context, known map[string]bool) error {
	dirs, err := os.ReadDir(rt.dirs.Containers())
	if err != nil {
		return fmt.Errorf("cannot look for half made containers: %w", err)
	}
	for _, d := range dirs {
		if known[d.Name()] {
			continue
		}
		c := &Container{Container: &spec.Container{ID: d.Name(), Name: d.Name()}, rt: rt}
		if c.halfMade() && !c.justBegun() || rt.rowLost(c) {
			c.sweep(ctx) // what stays is for the next listing
		}
	}
	return nil
}

// rowLost tells that the machine went down before the row of a new container
// had reached the disk, while its files had: they are of an earlier boot. Those
// that are older than the database are not looked at, which may have been lost
// as a whole, or be an old copy.
func (rt *Runtime) rowLost(c *Container) bool {
	made, err := os.Lstat(filepath.Join(c.Dir(), store.LockFile)) // never written to
	if err != nil {
		return false
	}
	var db unix.Statx_t
	var up unix.Timespec
	if unix.Statx(unix.AT_FDCWD, rt.dirs.Database(), 0, unix.STATX_BTIME, &db) != nil || db.Mask&unix.STATX_BTIME == 0 ||
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return false
	}
	booted := time.Now().Add(-time.Duration(up.Nano()))
	return made.ModTime().After(time.Unix(db.Btime.Sec, int64(db.Btime.Nsec))) && made.ModTime().Before(booted)
}

// justBegun tells that the directory is so new that its maker may be about to
// lock it.
func (c *Container) justBegun() bool {
	if _, err := os.Lstat(filepath.Join(c.Dir(), store.LockFile)); err == nil {
		return false // the lock itself tells
	}
	info, err := os.Lstat(c.Dir())
	return err != nil || time.Since(info.ModTime()) < time.Second
}

// halfMade tells that create did not finish or rm has begun: the record file
// is made last and removed first.
func (c *Container) halfMade() bool {
	_, err := os.Lstat(filepath.Join(c.Dir(), monitor.RecordFile))
	return errors.Is(err, os.ErrNotExist)
}

// openRecord opens the record file for reading, or for taking its lock.
func (c *Container) openRecord(flags int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(c.Dir(), monitor.RecordFile), flags, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &NoContainerError{c.Name}
	}
	return f, err
}

// State tells what the container is now.
func (c *Container) State() (*State, error) {
	f, err := c.openRecord(os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	locked, err := monitor.RecordLocked(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	rec, err := monitor.ReadRecord(int(f.Fd()))
	if errors.Is(err, monitor.ErrNoRecord) {
		return &State{Status: StateCreated}, nil
	}
	if err != nil {
		return nil, err
	}
	return c.rt.judge(rec, locked), nil
}

// judge holds a record against the kernel.
func (rt *Runtime) judge(rec *monitor.Record, locked bool) *State {
	s := &State{Record: *rec}
	sameBoot := rec.BootID == rt.bootID
	switch {
	case rec.State == monitor.StateExited:
		s.Status, s.Busy = StateExited, locked && sameBoot
		if rec.Started == 0 && rec.Finished == 0 {
			s.Status = StateCreated
		}
	case locked && sameBoot:
		s.Status, s.Busy = liveStatus(rec), rec.State == monitor.StateCreating
	case sameBoot && rec.State == monitor.StateCreating:
		// The runtime may be at work still and start a process that nobody
		// knows of: whoever adopts it waits for that.
		s.Status, s.Orphan = StateCreated, true
	case sameBoot && rec.PID > 0 && startTime(rec.PID) == rec.PIDStart:
		s.Status, s.Orphan = StateRunning, true
	case sameBoot && rec.State == monitor.StateRestarting: // who was to run it again is gone, or has yet to come
		s.Status, s.Stale = StateRestarting, true
	default:
		s.Stale = true
		s.Status = StateExited
		if rec.Started == 0 {
			s.Status = StateCreated
		}
		if s.Finished < s.Started {
			s.ExitCode = 255
			if s.Error == "" {
				s.Error = "the end was not seen: the machine went down or the monitor was killed"
			}
		}
	}
	if s.Status == StateRunning && cgroup.Frozen(rec.PID) {
		s.Status = StatePaused
	}
	return s
}

func liveStatus(rec *monitor.Record) string {
	switch rec.State {
	case monitor.StateCreated:
		return StateInitialized
	case monitor.StateRunning:
		return StateRunning
	case monitor.StateStopping:
		return StateStopping
	case monitor.StateRestarting:
		return StateRestarting
	case monitor.StateCreating:
		if rec.Restarts > 0 {
			return StateRestarting // its policy runs it again right now
		}
	}
	return StateCreated // being created
}
