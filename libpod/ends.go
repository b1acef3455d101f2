package libpod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// What a container's end entails for others is written down by its start, in
// a file that outlives the container, and the file goes when all of it is done.
// So whoever was killed in between, the monitor or a command, the next listing
// finds what is left to do. Everything in it may be done twice.

// ending is the content of such a file.
type ending struct {
	Pod     string   `json:"pod,omitempty"`     // ID of the pod that is to be stopped if it is idle then
	Volumes []string `json:"volumes,omitempty"` // to be unmounted if nobody else uses them
	Start   int64    `json:"start"`             // unix nanoseconds: tells one start's file from the next one's
}

// promiseEnd writes down what the end of the start that is under way entails,
// if anything. The caller holds the container's lock and that on its record.
func (c *Container) promiseEnd(ctx context.Context) error {
	e := ending{Start: time.Now().UnixNano()}
	if !c.Container.Remove { // removal unmounts by itself
		e.Volumes = c.mountedVolumes
	}
	if c.rt.stopsWhenIdle(ctx, c.Container) {
		e.Pod = c.Pod
	}
	c.endsOthers = e.Pod != "" || len(e.Volumes) > 0
	if !c.endsOthers {
		return nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	path := c.rt.dirs.Ending(c.ID)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// Made elsewhere: in its directory a new one that was left would be read.
	return replaceFile(filepath.Join(c.Dir(), "ending.new"), path, body, 0o600)
}

// SettleEnd does what the end of a container entails, if that has come and is
// not done yet. The container itself may be gone. id is a whole ID; what is
// none has nothing to be done.
func (rt *Runtime) SettleEnd(ctx context.Context, id string) error {
	return rt.settleEnd(ctx, ctx, id)
}

// settleEnd waits for locks as long as patience lasts.
func (rt *Runtime) settleEnd(ctx, patience context.Context, id string) error {
	if filepath.Base(id) != id {
		return nil
	}
	body, err := os.ReadFile(rt.dirs.Ending(id))
	if err != nil {
		return ignoreMissing(err)
	}
	var e ending
	_ = json.Unmarshal(body, &e) // cut short by a power failure: then nothing of it is left to do
	c, err := rt.Container(ctx, id)
	if errors.Is(err, errNoContainer) {
		c, err = &Container{Container: &spec.Container{ID: id, Name: id}, rt: rt}, nil
	}
	if err != nil {
		return err
	}
	if busy, err := c.busy(); busy || err != nil {
		return err
	}
	for _, name := range e.Volumes {
		if err := rt.releaseNamed(patience, name); err != nil {
			return err
		}
	}
	if e.Pod != "" {
		if err := c.settlePod(ctx, patience, e.Pod); err != nil {
			return err
		}
	}
	return c.forgetEnding(body)
}

// settlePod stops the container's pod if it is idle, and gives a Job's next pod
// its turn. Whoever stopped it may have been killed before that; a pod that
// the user has stopped is followed by none.
func (c *Container) settlePod(ctx, patience context.Context, id string) error {
	p, err := c.rt.Pod(ctx, id)
	if err != nil {
		return ignoreGonePod(err)
	}
	idle, stopped, err := p.stopIfIdle(ctx, patience)
	if err != nil || !idle || p.Kube == nil || p.Kube.Job == nil {
		return err
	}
	if st, err := c.State(); !stopped && (err != nil || st.StoppedByUser) {
		return ignoreGone(err)
	}
	return c.rt.advanceJob(ctx, patience, p.Kube)
}

// forgetEnding removes the file whose content body is, unless another start
// has written its own or is about to.
func (c *Container) forgetEnding(body []byte) error {
	lock, err := store.TryAcquire(filepath.Join(c.Dir(), store.LockFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err == nil && lock == nil {
		return nil // the next listing forgets it
	}
	defer lock.Release()
	path := c.rt.dirs.Ending(c.ID)
	now, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(now, body) {
		return ignoreMissing(err)
	}
	return ignoreMissing(os.Remove(path))
}

// settlePatience is how long a listing waits for who is at work on a pod or a
// volume: that one, or the listing after it, sees to the rest.
const settlePatience = 50 * time.Millisecond

// settleEnds does what killed monitors and commands have left undone.
func (rt *Runtime) settleEnds(ctx context.Context) error {
	files, err := os.ReadDir(filepath.Dir(rt.dirs.Ending("any")))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, f := range files {
		patience, cancel := context.WithTimeout(ctx, settlePatience)
		_ = rt.settleEnd(ctx, patience, f.Name()) // what could not be done is still written down
		cancel()
	}
	return nil
}
