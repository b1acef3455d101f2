package libpod

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/selinux"
)

// PlayOptions are what a play needs beside the plan.
type PlayOptions struct {
	// Pull is how images are pulled; their policies stand in the plan.
	Pull    PullOptions
	Replace bool // end the pods of the same objects first
	Start   bool
	Warn    func(line string)
}

// Played is what a play has made.
type Played struct {
	Volumes []string // names
	Secrets []string // IDs
	Pods    []PlayedPod
}

// PlayedPod is a pod and its containers.
type PlayedPod struct {
	*Pod
	Init, Containers []*Container
}

// play is one call of PlayKube.
type play struct {
	rt   *Runtime
	plan *kube.Plan
	opts PlayOptions
	log  *journal
	out  Played
	// replaced are the pods that were set aside.
	replaced []*Pod
}

// PlayKube makes what a plan asks for and starts it. On an error, all that it
// has made is removed again, and what it replaces is as before: see setAside.
// What needs to be pulled is pulled before anything is made, and what can be
// refused before is refused. Should there be a Played beside an error, the new
// pods run, and something of the old ones is left.
func (rt *Runtime) PlayKube(ctx context.Context, plan *kube.Plan, opts PlayOptions) (*Played, error) {
	if err := rt.UndoKilledPlays(ctx); err != nil {
		return nil, err
	}
	p := &play{rt: rt, plan: plan, opts: opts}
	if err := p.checkPods(ctx); err != nil {
		return nil, err
	}
	if err := p.checkNetworks(); err != nil {
		return nil, err
	}
	if err := p.ensureImages(ctx); err != nil {
		return nil, err
	}
	p.dropAllLimits()
	p.dropLabels()
	if opts.Replace {
		if err := p.checkNew(ctx); err != nil {
			return nil, err
		}
	}
	var err error
	if p.log, err = rt.newJournal(ctx); err != nil {
		return nil, err
	}
	whole := context.WithoutCancel(ctx)
	if err := p.make(ctx); err != nil {
		return nil, errors.Join(err, p.log.undo(whole))
	}
	return &p.out, p.log.finish(whole)
}

// checkPods refuses to play what was played already.
func (p *play) checkPods(ctx context.Context) error {
	if p.opts.Replace {
		return nil
	}
	pods, err := p.rt.podsOf(ctx, p.plan.Owners)
	if err != nil || len(pods) == 0 {
		return err
	}
	old := pods[0]
	return WithHint(fmt.Errorf("cannot play %s %s: its pod %s exists already: pod already exists", old.Kube.Kind, old.Kube.Name, old.Name),
		"use --replace, or carob kube down first")
}

func (p *play) make(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		p.setAside, p.makeSecrets, p.makeVolumes, p.makePods,
		p.stopReplaced, p.groupClaims, p.replaceSecrets, p.keepServices, p.startPods,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return p.log.announce(made{Kind: makesDone})
}

// makeSecrets stores the secrets that are new. One that is there with the same
// data stays, one with other data is replaced when nothing else can fail.
func (p *play) makeSecrets(ctx context.Context) error {
	for i := range p.plan.Secrets {
		s := &p.plan.Secrets[i]
		if _, err := p.rt.secretNamed(ctx, s.Name); err == nil {
			continue
		}
		stored := &spec.StoredSecret{ID: newSecretID(), Name: s.Name, Labels: s.Labels}
		if err := p.log.announce(made{Kind: makesSecret, Name: s.Name, ID: stored.ID}); err != nil {
			return err
		}
		if err := p.rt.CreateSecret(ctx, stored, s.Data, false); err != nil {
			return errors.Join(err, p.log.retract())
		}
		p.out.Secrets = append(p.out.Secrets, stored.ID)
	}
	return nil
}

// makeVolumes makes the claims' volumes that are not there yet.
func (p *play) makeVolumes(ctx context.Context) error {
	for i := range p.plan.Volumes {
		v := p.plan.Volumes[i]
		isNew, err := p.makeVolume(ctx, &v)
		if err != nil {
			return err
		}
		if isNew {
			p.out.Volumes = append(p.out.Volumes, v.Name)
		}
	}
	return nil
}

// makeVolume makes a volume unless there is one of its name, and tells which.
func (p *play) makeVolume(ctx context.Context, v *spec.Volume) (isNew bool, err error) {
	if _, err := p.rt.db.Volume(ctx, v.Name); err == nil {
		return false, nil
	}
	v.Created = time.Now()
	if err := p.log.announce(made{Kind: makesVolume, Name: v.Name, Created: v.Created}); err != nil {
		return false, err
	}
	err = p.rt.recordVolume(ctx, v)
	if errors.Is(err, store.ErrExists) { // somebody was quicker
		return false, p.log.retract()
	}
	if err != nil { // what has that name is not the play's
		return false, errors.Join(err, p.log.retract())
	}
	return true, p.rt.finishVolume(v)
}

// makeClaims makes the volumes that a pod's containers mount and nobody has
// made: containers would make them, too, but no journal would say so.
func (p *play) makeClaims(ctx context.Context, from *kube.Pod) error {
	for i := range from.Containers {
		for _, m := range from.Containers[i].Spec.Mounts.List {
			if m.Type != spec.MountVolume || m.Anonymous || !slices.Contains(from.Claims, m.Source) {
				continue
			}
			if _, err := p.makeVolume(ctx, &spec.Volume{Name: m.Source}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *play) makePods(ctx context.Context) error {
	for i := range p.plan.Pods {
		if err := p.makePod(ctx, &p.plan.Pods[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) makePod(ctx context.Context, from *kube.Pod) error {
	if err := p.makeHostPaths(from); err != nil {
		return err
	}
	names, err := p.makePodVolumes(ctx, from)
	if err != nil {
		return err
	}
	if err := p.makeClaims(ctx, from); err != nil {
		return err
	}
	if err := p.log.announce(made{Kind: makesPod, Name: from.Spec.Name}); err != nil {
		return err
	}
	from.Spec.Kube.Play = p.log.id
	pod, err := p.rt.CreatePod(ctx, &from.Spec, PodOptions{Infra: &from.Infra})
	if err != nil {
		return fmt.Errorf("cannot use %s %s: %w", from.Spec.Kube.Kind, from.Spec.Kube.Name, err)
	}
	if err := p.fillPodVolumes(ctx, pod, from, names); err != nil {
		return err
	}
	out := PlayedPod{Pod: pod}
	for i := range from.Containers {
		c := from.Containers[i]
		nameVolumes(c.Spec.Mounts.List, names)
		c.Spec.Pod = pod.ID
		made, err := p.rt.CreateContainer(ctx, &c.Spec, CreateOptions{Pull: PullOptions{Policy: "missing"}})
		if err != nil {
			return fmt.Errorf("cannot use %s: %w", c.Path, err)
		}
		if c.Spec.InitType != "" {
			out.Init = append(out.Init, made)
		} else {
			out.Containers = append(out.Containers, made)
		}
	}
	p.out.Pods = append(p.out.Pods, out)
	return nil
}

func (p *play) dropAllLimits() {
	for i := range p.plan.Pods {
		pod := &p.plan.Pods[i]
		p.dropLimits(&spec.Container{Resources: pod.Spec.Resources}, pod.Spec.Kube.Kind+" "+pod.Spec.Kube.Name, &pod.Spec.Resources)
		for k := range pod.Containers {
			c := &pod.Containers[k]
			p.dropLimits(&c.Spec, c.Path, &c.Spec.Resources)
		}
	}
}

// dropLimits takes away limits that this host cannot enforce, and says so:
// YAML that was written for a cluster has limits, and is to run all the same.
func (p *play) dropLimits(c *spec.Container, where string, r *spec.Resources) {
	oci, err := p.rt.OCI()
	if err != nil {
		return // creating the container says so, too
	}
	host, err := p.rt.hostFacts(oci, c)
	if err != nil {
		return
	}
	for _, what := range bundle.DropLimits(r, host) {
		p.opts.Warn(fmt.Sprintf("%s: resources: %s", where, what))
	}
}

// dropLabels takes away what pods ask of SELinux where it is off, as nodes of a
// cluster do.
func (p *play) dropLabels() {
	if selinux.Enabled() {
		return
	}
	for i := range p.plan.Pods {
		pod := &p.plan.Pods[i]
		withoutLabels(&pod.Infra.Security) // the containers have it, too
		for k := range pod.Containers {
			if c := &pod.Containers[k]; withoutLabels(&c.Spec.Security) {
				p.opts.Warn(c.Path + ": seLinuxOptions are left out: SELinux is not enabled on this system")
			}
		}
	}
}

// withoutLabels tells whether there was a label to take away.
func withoutLabels(s *spec.Security) bool {
	n := len(s.Label)
	s.Label = slices.DeleteFunc(s.Label, func(word string) bool { return word != "disable" })
	return len(s.Label) < n
}

// nameVolumes gives the mounts of the pod's own volumes their real names.
func nameVolumes(list []spec.Mount, names map[string]string) {
	for i := range list {
		if m := &list[i]; m.Type == spec.MountVolume && m.Anonymous {
			m.Source = names[m.Source]
		}
	}
}

// keepServices stores the services for those who ask.
func (p *play) keepServices(ctx context.Context) error {
	for _, s := range p.plan.Services {
		o := store.KubeObject{Kind: s.Kind, Name: s.Name, Namespace: s.Namespace, Body: s.Body}
		have, err := p.rt.db.KubeObjects(ctx)
		if err != nil {
			return err
		}
		line := made{Kind: makesObject, Name: o.Kind + "/" + o.Name}
		if i := slices.IndexFunc(have, func(h store.KubeObject) bool { return h.Kind == o.Kind && h.Name == o.Name }); i >= 0 {
			line.Kind, line.Object = makesOtherObject, &have[i]
		}
		if err := p.log.announce(line); err != nil {
			return err
		}
		if err := p.rt.db.Update(ctx, func(t *store.Tx) error { return t.PutKubeObject(o) }); err != nil {
			return fmt.Errorf("cannot keep %s %s: %w", s.Kind, s.Name, err)
		}
	}
	return nil
}

// startPods starts all pods side by side: one may wait for another. Of a Job
// as many start as may run at once.
func (p *play) startPods(ctx context.Context) error {
	if !p.opts.Start {
		return nil
	}
	var starts []func() error
	jobs := map[string]bool{}
	for _, pod := range p.out.Pods {
		o := pod.Kube
		if o.Job == nil {
			starts = append(starts, func() error { return pod.Start(ctx) })
			continue
		}
		if key := o.Namespace + "/" + o.Name; !jobs[key] {
			jobs[key] = true
			starts = append(starts, func() error { return p.rt.advanceJob(ctx, ctx, o) })
		}
	}
	return atOnce(starts)
}

// KubeObjects are the objects that plays have left to be kept.
func (rt *Runtime) KubeObjects(ctx context.Context) ([]store.KubeObject, error) {
	return rt.db.KubeObjects(ctx)
}

// podsOf are the pods that the given objects have made.
func (rt *Runtime) podsOf(ctx context.Context, owners []spec.KubeOrigin) ([]*Pod, error) {
	pods, err := rt.Pods(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pods, func(p *Pod) bool { return !madeBy(p, owners) }), nil
}

// madeBy tells whether one of the objects has made the pod.
func madeBy(p *Pod, owners []spec.KubeOrigin) bool {
	return p.Kube != nil && slices.ContainsFunc(owners, func(o spec.KubeOrigin) bool {
		return o.Kind == p.Kube.Kind && o.Name == p.Kube.Name && o.Namespace == p.Kube.Namespace
	})
}

// KubeSecrets are the keys of all stored secrets that kube play can use; one
// that is none of Kubernetes' has none.
func (rt *Runtime) KubeSecrets(ctx context.Context) (map[string][]string, error) {
	list, err := rt.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	keys := make(map[string][]string, len(list))
	for _, s := range list {
		data, err := rt.SecretData(s)
		if err != nil {
			return nil, err
		}
		keys[s.Name] = kube.SecretKeys(data)
	}
	return keys, nil
}

// Down is what DownKube has taken away.
type Down struct {
	Stopped, Removed []string // IDs of pods
	Secrets, Volumes []string // IDs, names
}

// DownKube removes the pods of a plan's objects, its secrets and its kept
// objects; volumes only with force. What is not there is no error.
func (rt *Runtime) DownKube(ctx context.Context, plan *kube.Plan, force bool) (*Down, error) {
	out := &Down{}
	pods, err := rt.podsOf(ctx, plan.Owners)
	if err != nil {
		return nil, err
	}
	if err := eachPod(pods, func(p *Pod) error { return ignoreGonePod(p.Stop(ctx, nil)) }); err != nil {
		return out, err
	}
	for _, p := range pods {
		out.Stopped = append(out.Stopped, p.ID)
	}
	if err := eachPod(pods, func(p *Pod) error { return ignoreGonePod(p.Remove(ctx, RemoveOptions{Force: true, Volumes: true})) }); err != nil {
		return out, err
	}
	out.Removed = out.Stopped
	return out, errors.Join(rt.downRest(ctx, plan, force, out), rt.sweepPodVolumes(ctx))
}

func (rt *Runtime) downRest(ctx context.Context, plan *kube.Plan, force bool, out *Down) error {
	for _, s := range plan.Secrets {
		stored, err := rt.secretNamed(ctx, s.Name)
		if err == nil {
			err = rt.dropSecret(ctx, stored.ID)
		}
		var none *NoSecretError
		switch {
		case errors.As(err, &none):
		case err != nil:
			return err
		default:
			out.Secrets = append(out.Secrets, stored.ID)
		}
	}
	for _, s := range plan.Services {
		if err := rt.db.Update(ctx, func(t *store.Tx) error { return t.RemoveKubeObject(s.Kind, s.Name) }); err != nil {
			return err
		}
	}
	if !force {
		return nil
	}
	for _, v := range plan.Volumes {
		stored, err := rt.volumeNamed(ctx, v.Name)
		if err == nil {
			err = rt.removeVolume(ctx, stored, false, nil)
		}
		var none *NoVolumeError
		switch {
		case errors.As(err, &none):
		case err != nil:
			return err
		default:
			out.Volumes = append(out.Volumes, v.Name)
		}
	}
	return nil
}

func ignoreGonePod(err error) error {
	if errors.Is(err, errNoPod) {
		return nil
	}
	return err
}

// eachPod does act for all pods side by side and joins the errors.
func eachPod(pods []*Pod, act func(*Pod) error) error {
	acts := make([]func() error, 0, len(pods))
	for _, p := range pods {
		acts = append(acts, func() error { return act(p) })
	}
	return atOnce(acts)
}

func atOnce(acts []func() error) error {
	errs := make(chan error, len(acts))
	for _, act := range acts {
		go func() { errs <- act() }()
	}
	var failed []error
	for range acts {
		failed = append(failed, <-errs)
	}
	return errors.Join(failed...)
}

// imageUser is the user of an image's configuration, without its group.
func imageUser(word string) string {
	user, _, _ := strings.Cut(word, ":")
	return user
}
