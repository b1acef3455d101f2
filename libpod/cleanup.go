package libpod

import (
	"context"
	"errors"
	"fmt"
)

// Cleanup takes down what an ended container may have left, and with remove
// the container as well; one that is to run again is started instead. A monitor has it run when nobody is there to remove
// a --rm container, or to unmount volumes, so whoever is quicker is welcome: a container that is gone
// is no error. One that runs is.
func (c *Container) Cleanup(ctx context.Context, remove bool) error {
	var err error
	again := false
	if !remove {
		again, err = c.runAgain(ctx)
	}
	if err == nil && !again {
		err = c.takeDown(ctx)
	}
	if err == nil && remove {
		err = c.Remove(ctx, RemoveOptions{Volumes: true})
	}
	if errors.Is(err, errNoContainer) {
		return nil
	}
	return err
}

func (c *Container) takeDown(ctx context.Context) error {
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	st, err := c.State()
	switch {
	case err != nil:
		return err
	case st.Stale:
		if err := c.clean(ctx, st); err != nil {
			return err
		}
	case st.Live():
		return fmt.Errorf("cannot clean up container %s: it is %s", c.Name, st.Status)
	}
	return c.releaseVolumes(ctx)
}
