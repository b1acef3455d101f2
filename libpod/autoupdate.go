package libpod

import (
	"context"
	"errors"
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/userns"
)

// Labels that make containers update themselves.
const (
	labelAutoUpdate = "io.containers.autoupdate"
	labelAuthFile   = "io.containers.autoupdate.authfile"
	labelUnit       = "PODMAN_SYSTEMD_UNIT"
)

// Policies of AutoUpdate.
const (
	UpdateRegistry = "registry" // the registry has another image of that name
	UpdateLocal    = "local"    // the name means another image here
)

// What AutoUpdate has done with a container.
const (
	UpdatedTrue       = "true"
	UpdatedFalse      = "false" // there is nothing newer
	UpdatedPending    = "pending"
	UpdatedFailed     = "failed"
	UpdatedRolledBack = "rolled back"
)

// AutoUpdateOptions say how.
type AutoUpdateOptions struct {
	AuthFile  string // "": the container's own label, or the user's
	TLSVerify *bool
	DryRun    bool // only look
	Rollback  bool // a unit that does not start with the new image gets the old one back
}

// AutoUpdated is a container that AutoUpdate has looked at.
type AutoUpdated struct {
	ID, Name, Image, Policy, Unit string
	Updated                       string
}

// updateTask is a container with a policy.
type updateTask struct {
	AutoUpdated
	imageID  string // what it runs
	authFile string
}

// updater holds what updating does to the world outside.
type updater struct {
	opts    AutoUpdateOptions
	remote  func(ctx context.Context, t *updateTask) (id string, err error) // pulls, or with DryRun looks; "": a newer one is there
	local   func(name string) (id string, err error)
	tag     func(id, name string) error
	restart func(ctx context.Context, unit string) error
}

// AutoUpdate restarts the units of running containers for whose images there
// are newer ones, which it pulls before. Errors of single containers do not
// keep it from the others; they are joined.
func (rt *Runtime) AutoUpdate(ctx context.Context, opts AutoUpdateOptions) ([]AutoUpdated, error) {
	tasks, errs := rt.updateTasks(ctx)
	images, err := rt.Images()
	if err != nil {
		return nil, err
	}
	find := func(name string) (*image.Image, error) { return images.Lookup(name) }
	u := &updater{opts: opts, restart: restartUnit}
	u.local = func(name string) (string, error) {
		img, err := find(name)
		if err != nil {
			return "", err
		}
		return img.ID, nil
	}
	u.tag = func(id, name string) error {
		img, err := find(id)
		if err != nil {
			return err
		}
		return img.Tag(name)
	}
	u.remote = func(ctx context.Context, t *updateTask) (string, error) {
		pull := PullOptions{Policy: "always", AuthFile: firstOf(opts.AuthFile, t.authFile), TLSVerify: opts.TLSVerify, Quiet: true}
		if opts.DryRun {
			pull.Args = []string{"--look"}
		}
		return rt.opts.PullImage(ctx, t.Image, pull)
	}
	done, more := u.all(ctx, tasks)
	return done, errors.Join(append(errs, more...)...)
}

// updateTasks are the running containers with a policy.
func (rt *Runtime) updateTasks(ctx context.Context) ([]*updateTask, []error) {
	all, err := rt.Containers(ctx)
	if err != nil {
		return nil, []error{err}
	}
	var tasks []*updateTask
	var errs []error
	for _, c := range all {
		st, err := c.State()
		if err != nil || !st.Running() || c.Infra {
			continue
		}
		t, err := updateTaskOf(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot update container %s: %w", c.Name, err))
		} else if t != nil {
			tasks = append(tasks, t)
		}
	}
	return tasks, errs
}

// updateTaskOf is nil for a container that does not want to be updated.
func updateTaskOf(c *Container) (*updateTask, error) {
	policy := c.Labels[labelAutoUpdate]
	switch policy {
	case "", "disabled":
		return nil, nil
	case "image": // the older word
		policy = UpdateRegistry
	case UpdateRegistry, UpdateLocal:
	default:
		return nil, fmt.Errorf("its label %s is %q, and neither registry, local nor disabled", labelAutoUpdate, policy)
	}
	t := &updateTask{imageID: c.ImageID, authFile: c.Labels[labelAuthFile]}
	t.ID, t.Name, t.Image, t.Policy, t.Unit = c.ID, c.Name, c.Image, policy, c.Labels[labelUnit]
	if t.Unit == "" {
		return nil, WithHint(fmt.Errorf("it has no label %s: no systemd unit has made it", labelUnit), "carob generate systemd --new")
	}
	ref, err := image.ParseReference(c.Image)
	if policy == UpdateRegistry && (err != nil || ref.IsShort()) {
		return nil, fmt.Errorf("its image %s is no full name, so that nobody knows where to look for a newer one", c.Image)
	}
	return t, nil
}

// all updates unit by unit, in the order of the containers.
func (u *updater) all(ctx context.Context, tasks []*updateTask) ([]AutoUpdated, []error) {
	var units []string
	byUnit := map[string][]*updateTask{}
	for _, t := range tasks {
		if byUnit[t.Unit] == nil {
			units = append(units, t.Unit)
		}
		byUnit[t.Unit] = append(byUnit[t.Unit], t)
	}
	var done []AutoUpdated
	var errs []error
	for _, unit := range units {
		errs = append(errs, u.unit(ctx, unit, byUnit[unit])...)
		for _, t := range byUnit[unit] {
			done = append(done, t.AutoUpdated)
		}
	}
	return done, errs
}

// unit updates what one unit runs.
func (u *updater) unit(ctx context.Context, unit string, tasks []*updateTask) []error {
	var changed []*updateTask
	var errs []error
	for _, t := range tasks {
		newer, err := u.look(ctx, t)
		switch {
		case err != nil:
			t.Updated = UpdatedFailed
			errs = append(errs, fmt.Errorf("cannot update container %s: %w", t.Name, err))
		case !newer:
			t.Updated = UpdatedFalse
		default:
			t.Updated = UpdatedPending
			changed = append(changed, t)
		}
	}
	if u.opts.DryRun || len(changed) == 0 {
		return errs
	}
	err := u.restart(ctx, unit)
	word := UpdatedTrue
	if err != nil {
		word = UpdatedFailed
		// When it is we who were interrupted, the unit goes on with the new image.
		if u.opts.Rollback && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			if again := u.rollBack(context.WithoutCancel(ctx), unit, changed); again != nil {
				err = fmt.Errorf("%w; %v", err, again)
			} else {
				word = UpdatedRolledBack
			}
		}
		errs = append(errs, err)
	}
	for _, t := range changed {
		t.Updated = word
	}
	return errs
}

// look tells whether there is a newer image. One in a registry is pulled,
// unless this is a dry run.
func (u *updater) look(ctx context.Context, t *updateTask) (bool, error) {
	if t.Policy == UpdateLocal {
		id, err := u.local(t.Image)
		return id != t.imageID, err
	}
	id, err := u.remote(ctx, t)
	return id != t.imageID, err
}

// rollBack gives the images' names back to those that ran before.
func (u *updater) rollBack(ctx context.Context, unit string, changed []*updateTask) error {
	for _, t := range changed {
		if err := u.tag(t.imageID, t.Image); err != nil {
			return fmt.Errorf("cannot go back to the former image of container %s: %w", t.Name, err)
		}
	}
	if err := u.restart(ctx, unit); err != nil {
		return fmt.Errorf("with the former image: %w", err)
	}
	return nil
}

// restartUnit has systemd restart a unit, and waits until it is up, which for
// units of Type=notify is when it has said so.
func restartUnit(ctx context.Context, unit string) error {
	conn, err := systemd.NewConnection(func() (*dbus.Conn, error) { return userns.Systemd(ctx) })
	if err != nil {
		return fmt.Errorf("cannot restart %s: %w", unit, err)
	}
	defer conn.Close()
	// Failures with the other image do not count for this one. A unit that has
	// not failed has nothing to reset.
	_ = conn.ResetFailedUnitContext(ctx, unit)
	result := make(chan string, 1)
	if _, err := conn.RestartUnitContext(ctx, unit, "replace", result); err != nil {
		return fmt.Errorf("cannot restart %s: %w", unit, err)
	}
	select {
	case word := <-result:
		if word != "done" {
			return WithHint(fmt.Errorf("cannot restart %s: systemd says %s", unit, word), "systemctl status "+unit)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot wait for the restart of %s: %w", unit, ctx.Err())
	}
}
