package libpod

import (
	"context"
	"maps"

	"github.com/carob-containers/carob/libpod/spec"
)

// States of a pod, as users read them.
const (
	PodCreated  = "Created"
	PodRunning  = "Running"
	PodDegraded = "Degraded" // some run, some do not
	PodPaused   = "Paused"
	PodExited   = "Exited"
)

// PodMember is a container of a pod and what it is right now.
type PodMember struct {
	*Container
	State *State
}

// PodState is what a pod is right now, computed from its members.
type PodState struct {
	Status  string
	Members []PodMember // the infra container first
}

// State looks at all members and heals what killed monitors have left.
func (p *Pod) State(ctx context.Context) (*PodState, error) {
	all, err := p.Members(ctx)
	if err != nil {
		return nil, err
	}
	s := &PodState{}
	for _, c := range all {
		st, err := c.Repair(ctx)
		if ignoreGone(err) != nil {
			return nil, err
		}
		if err == nil {
			s.Members = append(s.Members, PodMember{c, st})
		}
	}
	s.Status = podStatus(s.Members)
	return s, nil
}

// podStatus weighs the members; init containers that have done their work do
// not count.
func podStatus(members []PodMember) string {
	var total, running, paused, created int
	frozen := 0 // infra containers cannot be
	for _, m := range members {
		if m.InitType != "" && !m.State.Live() {
			continue
		}
		total++
		switch m.State.Status {
		case StateRunning, StateStopping, StateRestarting:
			running++
			if m.Infra {
				frozen++
			}
		case StatePaused:
			paused++
		case StateCreated, StateInitialized:
			created++
		}
	}
	switch {
	case created == total:
		return PodCreated
	case running == total:
		return PodRunning
	case paused > 0 && paused+frozen == total:
		return PodPaused
	case running+paused > 0:
		return PodDegraded
	}
	return PodExited
}

func (rt *Runtime) podEvent(p *Pod, status string) {
	rt.WriteEvent(Event{Type: "pod", Status: status, ID: p.ID, Name: p.Name, Attributes: maps.Clone(p.Labels)})
}

// stopsWhenIdle tells whether a member's monitor has to look after the pod at
// the member's end.
func (rt *Runtime) stopsWhenIdle(ctx context.Context, c *spec.Container) bool {
	if c.Pod == "" || c.Infra {
		return false
	}
	p, err := rt.Pod(ctx, c.Pod)
	return err == nil && p.ExitPolicy == spec.ExitPolicyStop
}
