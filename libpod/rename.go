package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// Rename gives the container another name. Its monitor, if it runs, uses the
// new one in events from then on.
func (c *Container) Rename(ctx context.Context, name string) error {
	if !spec.ValidName(name) {
		return fmt.Errorf("cannot rename container %s: %q is no name: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*", c.Name, name)
	}
	if name == c.Name {
		return c.cannotBeCalled(name)
	}
	if err := c.rename(ctx, name); err != nil {
		return err
	}
	c.rt.event(c, "rename", nil)
	return nil
}

func (c *Container) cannotBeCalled(name string) error {
	return fmt.Errorf("cannot rename container %s: the name %q is already in use", c.Name, name)
}

// rename is Rename without the event. Giving a container the name that it has
// puts right what a rename that was killed has left.
func (c *Container) rename(ctx context.Context, name string) error {
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	changed := *c.Container
	changed.Name = name
	err = c.rt.db.Update(ctx, func(t *store.Tx) error { return t.ReplaceContainer(&changed) })
	if errors.Is(err, store.ErrExists) {
		return c.cannotBeCalled(name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return &NoContainerError{c.Name}
	}
	if err != nil {
		return err
	}
	old := c.Name
	c.Container = &changed
	if err := c.renameLayer(name); err != nil {
		return err
	}
	if err := c.tellMonitor(func(cfg *monitor.Config) { cfg.Name = name }); err != nil {
		return fmt.Errorf("container %s is now called %s, but its monitor could not be told: %w", old, name, err)
	}
	return nil
}

// renameLayer keeps what other programs see of the container in step.
func (c *Container) renameLayer(name string) error {
	if !c.hasLayer() {
		return nil
	}
	images, err := c.rt.Images()
	if err != nil {
		return err
	}
	return images.RenameContainer(c.ID, name)
}

// tellMonitor changes the monitor's orders. A container that was never
// started has none yet, and one that does not run needs not be told.
func (c *Container) tellMonitor(change func(*monitor.Config)) error {
	body, err := os.ReadFile(filepath.Join(c.Dir(), monitor.ConfigFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	cfg := new(monitor.Config)
	if json.Unmarshal(body, cfg) != nil {
		return nil // a power cut has taken its bytes, and the next start writes it anew
	}
	change(cfg)
	if err := c.writeConfig(cfg); err != nil {
		return err
	}
	st, err := c.State()
	if err != nil || !st.Live() || st.Orphan {
		return err
	}
	conn, err := c.dial(st)
	if errors.Is(err, client.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Reload(); err != nil {
		return err
	}
	_, err = conn.Until(nil, nil, monitor.MsgDone)
	return err
}
