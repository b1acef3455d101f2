package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/store"
)

// What a play may make.
const (
	makesPod     = "pod"
	makesVolume  = "volume"
	makesSecret  = "secret"
	makesObject  = "object"
	makesDir     = "dir"
	makesFile    = "file"
	makesNothing = "nothing" // what the line before announced was not made after all
	// What it may replace.
	makesAside       = "aside" // a pod, by its ID
	makesSecretAside = "secret-aside"
	makesOtherObject = "other-object"
	makesGroup       = "group" // of what a volume holds
	// makesDone: all was made; what was replaced can go.
	makesDone = "done"
)

// made is a line of a journal: something that is about to be made.
type made struct {
	Kind    string            `json:"kind"`
	Name    string            `json:"name,omitempty"`
	ID      string            `json:"id,omitempty"`     // of the secret that is made, or replaced
	Created time.Time         `json:"created,omitzero"` // what the volume says
	Live    []string          `json:"live,omitempty"`   // containers that run in a pod that is replaced
	Object  *store.KubeObject `json:"object,omitempty"` // that is replaced
	Group   *groupBefore      `json:"group,omitempty"`
}

// journal is the list of all that one play makes, each line written before
// the thing is made. It is locked as long as the play lives; one that is found
// unlocked is that of a killed play, and what it lists is removed again.
type journal struct {
	rt    *Runtime
	id    string
	lock  *store.Lock
	file  *os.File
	lines []made
}

func (rt *Runtime) newJournal(ctx context.Context) (*journal, error) {
	var id, path string
	var lock *store.Lock
	err := os.ErrNotExist
	// Between the making of the file and its lock another play may take it for
	// that of a killed one, and remove it.
	for try := 0; errors.Is(err, os.ErrNotExist) && try < 20; try++ {
		id = newID()[:32]
		path = rt.dirs.KubeJournal(id)
		lock, err = store.Acquire(ctx, path, true)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot begin a journal: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		lock.Release()
		return nil, err
	}
	return &journal{rt: rt, id: id, lock: lock, file: file}, nil
}

// announce says what will be made next. A torn line was never followed by its
// deed.
func (j *journal) announce(m made) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("cannot write the journal: %w", err)
	}
	j.lines = append(j.lines, m)
	return nil
}

// retract takes the last announcement back: it was somebody else's.
func (j *journal) retract() error { return j.announce(made{Kind: makesNothing}) }

// close ends the journal: what it lists stays.
func (j *journal) close() error {
	err := ignoreMissing(os.Remove(j.rt.dirs.KubeJournal(j.id)))
	j.file.Close()
	j.lock.Release()
	return err
}

// finish removes what has been replaced, and ends the journal.
func (j *journal) finish(ctx context.Context) error {
	var failed []error
	for _, m := range j.lines {
		var err error
		switch m.Kind {
		case makesAside:
			err = j.rt.dropReplaced(ctx, m.Name)
		case makesSecretAside:
			err = j.rt.dropSecret(ctx, m.ID)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("cannot remove what was replaced: %w", err))
		}
	}
	if err := j.rt.sweepPodVolumes(ctx); err != nil {
		failed = append(failed, err)
	}
	return j.end(failed)
}

// end closes the journal unless something failed: then it stays, for the next
// command.
func (j *journal) end(failed []error) error {
	if len(failed) > 0 {
		j.file.Close()
		j.lock.Release()
		return errors.Join(failed...)
	}
	return j.close()
}

// settle does what is left to do of a play that was killed.
func (j *journal) settle(ctx context.Context) error {
	if slices.ContainsFunc(j.lines, func(m made) bool { return m.Kind == makesDone }) {
		return j.finish(ctx)
	}
	return j.undo(ctx)
}

// undo removes what the journal lists, the latest first, and ends it.
func (j *journal) undo(ctx context.Context) error {
	var failed, told []error
	for _, m := range j.undoOrder() {
		var err error
		if m.Kind == makesAside {
			var tell error
			tell, err = j.rt.putBack(ctx, m, j.id)
			told = append(told, tell)
		} else {
			err = j.rt.unmake(ctx, m, j.id)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("cannot undo %s %s: %w", m.Kind, m.Name, err))
		}
	}
	return errors.Join(errors.Join(told...), j.end(failed))
}

// undoOrder lists what was made, the latest first. Groups are given back when
// the new pods have gone, and the old ones do not run again yet.
func (j *journal) undoOrder() []made {
	var rest, groups, asides []made
	skip := false
	for _, m := range slices.Backward(j.lines) {
		switch {
		case m.Kind == makesNothing:
			skip = true
			continue
		case skip:
		case m.Kind == makesGroup:
			groups = append(groups, m)
		case m.Kind == makesAside:
			asides = append(asides, m)
		default:
			rest = append(rest, m)
		}
		skip = false
	}
	return slices.Concat(rest, groups, asides)
}

// unmake removes one thing, if it is there and was made by the play.
func (rt *Runtime) unmake(ctx context.Context, m made, play string) error {
	switch m.Kind {
	case makesPod:
		return rt.unmakePod(ctx, m.Name, play)
	case makesVolume:
		return rt.unmakeVolume(ctx, m)
	case makesSecret:
		if m.ID == "" { // written by a carob that did not say which
			return nil
		}
		return rt.dropSecret(ctx, m.ID) // by now another one may have the name
	case makesObject:
		kind, name, _ := strings.Cut(m.Name, "/")
		return rt.db.Update(ctx, func(t *store.Tx) error { return t.RemoveKubeObject(kind, name) })
	case makesSecretAside:
		return rt.putSecretBack(ctx, m)
	case makesOtherObject:
		return rt.putObjectBack(ctx, m)
	case makesGroup:
		return rt.giveGroupBack(m)
	case makesDir, makesFile:
		return removeEmpty(m)
	}
	return nil
}

func (rt *Runtime) unmakeVolume(ctx context.Context, m made) error {
	v, err := rt.db.Volume(ctx, m.Name)
	if errors.Is(err, store.ErrNotFound) || err == nil && !v.Created.Equal(m.Created) {
		return nil // by now another one may have the name
	}
	if err != nil {
		return err
	}
	err = rt.eraseVolume(ctx, v)
	var used *VolumeInUseError
	if errors.As(err, &used) {
		return nil // somebody else has taken a liking to it
	}
	return err
}

// removeEmpty removes a path of the host unless it has been filled meanwhile.
func removeEmpty(m made) error {
	st, err := os.Lstat(m.Name)
	if err != nil || m.Kind == makesFile && st.Size() > 0 {
		return ignoreMissing(err)
	}
	if m.Kind == makesDir {
		if names, err := os.ReadDir(m.Name); err != nil || len(names) > 0 {
			return ignoreMissing(err)
		}
	}
	return ignoreMissing(os.Remove(m.Name))
}

func (rt *Runtime) unmakePod(ctx context.Context, name, play string) error {
	p, err := rt.Pod(ctx, name)
	if errors.Is(err, errNoPod) || err == nil && (p.Name != name || p.Kube == nil || p.Kube.Play != play) {
		return nil
	}
	if err != nil {
		return err
	}
	// What was being made when the play was killed is no member yet.
	half, err := rt.db.Members(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, c := range half {
		if half := (&Container{Container: c, rt: rt}); !c.Infra && half.halfMade() {
			half.sweep(ctx)
		}
	}
	zero := uint(0)
	return p.Remove(ctx, RemoveOptions{Force: true, Volumes: true, Timeout: &zero})
}

// labelPlay names, on a volume that is a pod's own, the play that has made it.
const labelPlay = "io.carob.kube.play"

// sweepPodVolumes removes the volumes of pods that are gone: a removal that
// was killed has left them.
func (rt *Runtime) sweepPodVolumes(ctx context.Context) error {
	volumes, err := rt.db.Volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		play := v.Labels[labelPlay]
		if !v.Anonymous || play == "" {
			continue
		}
		if _, err := os.Lstat(rt.dirs.KubeJournal(play)); err == nil {
			continue // it is being made
		}
		if err := rt.removeAnonymous(ctx, []string{v.Name}); err != nil { // unless it is in use
			return err
		}
	}
	return nil
}

// UndoKilledPlays removes what plays have made that were killed before they
// were done, and brings back what they were to replace.
func (rt *Runtime) UndoKilledPlays(ctx context.Context) error {
	files, err := os.ReadDir(filepath.Dir(rt.dirs.KubeJournal("any")))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, f := range files {
		path := rt.dirs.KubeJournal(f.Name())
		lock, err := store.TryAcquire(path)
		if err != nil || lock == nil {
			continue // its play lives
		}
		body, err := os.ReadFile(path)
		if err != nil {
			lock.Release()
			continue
		}
		j := &journal{rt: rt, id: f.Name(), lock: lock}
		for line := range strings.Lines(string(body)) {
			var m made
			if json.Unmarshal([]byte(line), &m) == nil {
				j.lines = append(j.lines, m)
			}
		}
		if err := j.settle(ctx); err != nil {
			return fmt.Errorf("cannot undo what a killed kube play has left: %w", err)
		}
	}
	return nil
}
