package libpod

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"slices"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// Of a Job's pods no more run at once than its parallelism says. Those that
// wait for their turn have been made and never started. A play starts the
// first ones; whenever one has ended, the monitor of its last container calls
// for the exit policy of the pod, and with it for the next one. One command at
// a time does so for a job, holding a lock.

// JobProgress is how far a Job's pods have come.
type JobProgress struct {
	Waiting []*Pod // in their order
	Active  int
	// Failed: one has failed for good. Then no other starts, as in Kubernetes
	// when backoffLimit is used up.
	Failed bool
}

// Job looks at all pods that one play has made for a Job.
func (rt *Runtime) Job(ctx context.Context, o *spec.KubeOrigin) (*JobProgress, error) {
	pods, err := rt.podsOf(ctx, []spec.KubeOrigin{*o})
	if err != nil {
		return nil, err
	}
	job := &JobProgress{}
	for _, p := range pods {
		if p.Kube.Play != o.Play {
			continue
		}
		st, err := p.State(ctx)
		if err != nil {
			return nil, err
		}
		job.add(p, st)
	}
	slices.SortFunc(job.Waiting, func(a, b *Pod) int { return a.Kube.Replica - b.Kube.Replica })
	return job, nil
}

func (j *JobProgress) add(p *Pod, st *PodState) {
	regular := slices.DeleteFunc(slices.Clone(st.Members), func(m PodMember) bool { return m.Infra || m.InitType != "" })
	started := func(m PodMember) bool { return m.State.Status != StateCreated || m.State.Error != "" }
	switch {
	case !slices.ContainsFunc(st.Members, started):
		j.Waiting = append(j.Waiting, p)
	case slices.ContainsFunc(regular, func(m PodMember) bool { return m.State.Live() || m.State.Orphan }):
		j.Active++
	case slices.ContainsFunc(regular, func(m PodMember) bool { return m.State.Status != StateExited || m.State.ExitCode != 0 }):
		j.Failed = true
	}
}

// advanceJob starts the next pods of a Job, as many as its parallelism has
// room for. The wait for who does the same ends with patience.
func (rt *Runtime) advanceJob(ctx, patience context.Context, o *spec.KubeOrigin) error {
	lock, err := rt.lockJob(patience, o)
	if err != nil {
		return err
	}
	defer lock.Release()
	job, err := rt.Job(ctx, o)
	if err != nil || job.Failed {
		return err
	}
	room := max(0, o.Job.Parallelism-job.Active)
	return eachPod(job.Waiting[:min(room, len(job.Waiting))], func(p *Pod) error { return ignoreGonePod(p.Start(ctx)) })
}

// lockJob's file is swept like the lock of a pod that is gone.
func (rt *Runtime) lockJob(ctx context.Context, o *spec.KubeOrigin) (*store.Lock, error) {
	sum := sha256.Sum256([]byte(o.Play + "/" + o.Namespace + "/" + o.Name))
	path := rt.dirs.PodLock("job-" + hex.EncodeToString(sum[:16]))
	for {
		lock, err := store.Acquire(ctx, path, true)
		if !errors.Is(err, os.ErrNotExist) { // swept this moment
			return lock, err
		}
	}
}
