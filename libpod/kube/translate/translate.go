// Package translate makes a plan of Kubernetes YAML. It does no I/O: what it
// needs to know of the host and of stored secrets comes in, and the same
// source always gives the same plan.
package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// translator gathers the plan of one file.
type translator struct {
	src      *kube.Source
	plan     *kube.Plan
	warnings []string
	fields   map[string]field

	configMaps map[string]*core.ConfigMap
	secretKeys map[string][]string // of the file's and the stored secrets
	podNames   map[string]string   // who made them
}

// Plan reads a source. The warnings name, with kind, name and path, whatever
// is in it that will not be done.
func Plan(src *kube.Source) (*kube.Plan, []string, error) {
	t := &translator{
		src: src, plan: &kube.Plan{}, fields: table(),
		configMaps: map[string]*core.ConfigMap{}, secretKeys: maps.Clone(src.Secrets), podNames: map[string]string{},
	}
	if t.secretKeys == nil {
		t.secretKeys = map[string][]string{}
	}
	if err := t.readConfigMaps(); err != nil {
		return nil, t.warnings, err
	}
	objects, err := read(src.YAML)
	if err != nil {
		return nil, t.warnings, err
	}
	if len(objects) == 0 {
		return nil, t.warnings, fmt.Errorf("cannot play an empty file: it holds no Kubernetes object")
	}
	for _, o := range objects {
		if t.workloads()[o.Kind] != nil {
			t.plan.Owners = append(t.plan.Owners, spec.KubeOrigin{Kind: o.Kind, Name: ownerName(o), Namespace: o.Metadata.Namespace})
		}
	}
	if src.Names {
		return t.plan, nil, t.names(objects)
	}
	// What pods refer to comes first, wherever it stands in the file.
	for _, pass := range []map[string]func(*object) error{t.leaves(), t.workloads()} {
		for _, o := range objects {
			if read := pass[o.Kind]; read != nil {
				if err := read(o); err != nil {
					return nil, t.warnings, err
				}
			}
		}
	}
	known, makes := kinds(), false
	for _, o := range objects {
		if _, ok := known[o.Kind]; !ok {
			t.warn("%s is left out: carob does not know the kind %s", o, o.Kind)
			continue
		}
		makes = makes || (o.Kind != "ConfigMap" && o.Kind != "Namespace")
	}
	if !makes {
		return nil, t.warnings, fmt.Errorf("cannot play the file: nothing is made of what it holds, %s", objects[0])
	}
	return t.plan, t.warnings, nil
}

// ownerName is the name of an object that makes pods.
func ownerName(o *object) string {
	if o.Kind == "Pod" && o.Metadata.Name == "" && o.Metadata.GenerateName != "" {
		return o.Metadata.GenerateName + suffix(o.Metadata.GenerateName, 0)
	}
	return o.Metadata.Name
}

// names plans what kube down needs: it must work for a file that could not be
// played.
func (t *translator) names(objects []*object) error {
	for _, o := range objects {
		switch o.Kind {
		case "Secret":
			t.plan.Secrets = append(t.plan.Secrets, kube.Secret{Name: o.Metadata.Name})
		case "PersistentVolumeClaim":
			t.plan.Volumes = append(t.plan.Volumes, spec.Volume{Name: o.Metadata.Name})
		case "Service":
			t.plan.Services = append(t.plan.Services, kube.Object{Kind: o.Kind, Name: o.Metadata.Name})
		case "StatefulSet":
			s := &apps.StatefulSet{}
			if _, err := decode(o, s); err != nil {
				return err
			}
			count, err := t.count(o, "spec.replicas", s.Spec.Replicas)
			if err != nil {
				return err
			}
			for i := range count {
				for _, claim := range s.Spec.VolumeClaimTemplates {
					t.plan.Volumes = append(t.plan.Volumes, spec.Volume{Name: claim.Name + "-" + statefulPod(s, i)})
				}
			}
		}
	}
	return nil
}

// statefulPod is the name of pod i of a StatefulSet.
func statefulPod(s *apps.StatefulSet, i int) string {
	if s.Spec.Ordinals != nil {
		i += int(s.Spec.Ordinals.Start)
	}
	return fmt.Sprintf("%s-%d", s.Name, i)
}

func (t *translator) leaves() map[string]func(*object) error {
	return map[string]func(*object) error{
		"ConfigMap": t.addConfigMap, "Secret": t.addSecret, "PersistentVolumeClaim": t.addClaim, "Service": t.addService, "Namespace": t.addNamespace,
	}
}

func (t *translator) workloads() map[string]func(*object) error {
	return map[string]func(*object) error{
		"Pod": t.addPod, "Deployment": t.addDeployment, "ReplicaSet": t.addReplicaSet, "StatefulSet": t.addStatefulSet, "DaemonSet": t.addDaemonSet, "Job": t.addJob,
	}
}

func (t *translator) warn(format string, args ...any) {
	t.warnings = append(t.warnings, fmt.Sprintf(format, args...))
}

// typed decodes o and warns of what is unknown or not honoured in it.
func (t *translator) typed(o *object, apiVersion string, into any) error {
	if o.APIVersion != apiVersion {
		t.warn("%s: apiVersion is %q and is read as %s", o, o.APIVersion, apiVersion)
	}
	unknown, err := decode(o, into)
	if err != nil {
		return err
	}
	for _, u := range unknown {
		t.warn("%s: %s", o, u)
	}
	w := &walker{table: t.fields, report: func(path string, f field) {
		if f.note != "" {
			t.warn("%s: %s is not supported: %s", o, path, f.note)
			return
		}
		t.warn("%s: %s is not supported", o, path)
	}}
	w.walk(reflect.ValueOf(into).Elem(), "")
	return nil
}

// named refuses an object without a name, or with one that cannot be used.
func named(o *object) error {
	switch name := o.Metadata.Name; {
	case name == "":
		return fmt.Errorf("cannot use %s: metadata.name is missing", o)
	case !spec.ValidName(name) || len(name) > 253:
		return fmt.Errorf("cannot use %s: metadata.name %q is no name", o, name)
	}
	return nil
}

func (t *translator) readConfigMaps() error {
	for _, file := range t.src.ConfigMaps {
		objects, err := read(file)
		if err != nil {
			return fmt.Errorf("cannot use the file of --configmap: %w", err)
		}
		for _, o := range objects {
			if o.Kind != "ConfigMap" {
				return fmt.Errorf("cannot use the file of --configmap: %s is no ConfigMap", o)
			}
			if err := t.addConfigMap(o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *translator) addConfigMap(o *object) error {
	m := &core.ConfigMap{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "v1", m); err != nil {
		return err
	}
	if t.configMaps[m.Name] != nil {
		return fmt.Errorf("cannot use %s: there are two of that name", o)
	}
	for key := range m.BinaryData {
		if _, both := m.Data[key]; both {
			return fmt.Errorf("cannot use %s: %q is in data and in binaryData", o, key)
		}
	}
	t.configMaps[m.Name] = m
	return nil
}

func (t *translator) addSecret(o *object) error {
	s := &core.Secret{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "v1", s); err != nil {
		return err
	}
	if slices.ContainsFunc(t.plan.Secrets, func(have kube.Secret) bool { return have.Name == s.Name }) {
		return fmt.Errorf("cannot use %s: there are two of that name", o)
	}
	data := map[string][]byte{}
	maps.Copy(data, s.Data)
	for key, text := range s.StringData {
		data[key] = []byte(text)
	}
	t.plan.Secrets = append(t.plan.Secrets, kube.Secret{
		Name: s.Name, Labels: s.Labels, Data: kube.EncodeSecret(s.Name, string(s.Type), data),
	})
	t.secretKeys[s.Name] = slices.Sorted(maps.Keys(data))
	return nil
}

func (t *translator) addService(o *object) error {
	s := &core.Service{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "v1", s); err != nil {
		return err
	}
	if slices.ContainsFunc(t.plan.Services, func(have kube.Object) bool { return have.Name == s.Name }) {
		return fmt.Errorf("cannot use %s: there are two of that name", o)
	}
	t.plan.Services = append(t.plan.Services, kube.Object{Kind: "Service", Name: s.Name, Namespace: s.Namespace, Body: json.RawMessage(o.body)})
	return nil
}

func (t *translator) addNamespace(o *object) error {
	return t.typed(o, "v1", &core.Namespace{})
}

func (t *translator) addPod(o *object) error {
	p := &core.Pod{}
	if err := t.typed(o, "v1", p); err != nil {
		return err
	}
	name := p.Name
	if name == "" && p.GenerateName != "" {
		name = p.GenerateName + suffix(p.GenerateName, 0)
	}
	if name == "" {
		return fmt.Errorf("cannot use %s: metadata.name is missing", o)
	}
	return t.pod(o, podSource{name: name, meta: p.ObjectMeta, spec: p.Spec, path: "spec"})
}

// count is how many pods the field asks for.
func (t *translator) count(o *object, field string, n *int32) (int, error) {
	switch {
	case n == nil:
		return 1, nil
	case *n < 0 || *n > maxReplicas:
		return 0, fmt.Errorf("cannot use %s: %s is %d, and one host takes 0 to %d", o, field, *n, maxReplicas)
	case *n == 0:
		t.warn("%s: %s is 0: no pod is made", o, field)
	}
	return int(*n), nil
}

// maxReplicas is more than a host can run; it keeps a slip of the keyboard
// from being taken at its word.
const maxReplicas = 1000

// set makes the pods of a Deployment and its like.
func (t *translator) set(o *object, n *int32, selector *meta.LabelSelector, template core.PodTemplateSpec, name func(i int) string) error {
	if err := fits(o, selector, template.Labels); err != nil {
		return err
	}
	count, err := t.count(o, "spec.replicas", n)
	if err != nil {
		return err
	}
	for i := range count {
		p := podSource{name: name(i), meta: template.ObjectMeta, spec: template.Spec, path: "spec.template.spec", replica: i}
		if err := t.pod(o, p); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses a selector that would not find the pods of its own template,
// as Kubernetes does.
func fits(o *object, selector *meta.LabelSelector, labels map[string]string) error {
	if selector == nil {
		return nil
	}
	for key, want := range selector.MatchLabels {
		if labels[key] != want {
			return fmt.Errorf("cannot use %s: spec.selector wants the label %s=%s, which spec.template.metadata.labels lacks", o, key, want)
		}
	}
	return nil
}

func (t *translator) addDeployment(o *object) error {
	d := &apps.Deployment{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "apps/v1", d); err != nil {
		return err
	}
	prefix := d.Name + "-" + templateHash(d.Spec.Template) + "-"
	return t.set(o, d.Spec.Replicas, d.Spec.Selector, d.Spec.Template, func(i int) string { return prefix + suffix(d.Name, i) })
}

func (t *translator) addReplicaSet(o *object) error {
	r := &apps.ReplicaSet{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "apps/v1", r); err != nil {
		return err
	}
	return t.set(o, r.Spec.Replicas, r.Spec.Selector, r.Spec.Template, func(i int) string { return r.Name + "-" + suffix(r.Name, i) })
}

func (t *translator) addDaemonSet(o *object) error {
	d := &apps.DaemonSet{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "apps/v1", d); err != nil {
		return err
	}
	return t.set(o, nil, d.Spec.Selector, d.Spec.Template, func(i int) string { return d.Name + "-" + suffix(d.Name, i) })
}

func (t *translator) addStatefulSet(o *object) error {
	s := &apps.StatefulSet{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "apps/v1", s); err != nil {
		return err
	}
	if err := fits(o, s.Spec.Selector, s.Spec.Template.Labels); err != nil {
		return err
	}
	count, err := t.count(o, "spec.replicas", s.Spec.Replicas)
	if err != nil {
		return err
	}
	if s.Spec.Ordinals != nil && s.Spec.Ordinals.Start < 0 {
		return fmt.Errorf("cannot use %s: spec.ordinals.start is %d, and cannot be less than 0", o, s.Spec.Ordinals.Start)
	}
	if err := checkTemplates(o, s.Spec.VolumeClaimTemplates); err != nil {
		return err
	}
	for i := range count {
		name := statefulPod(s, i)
		pod := *s.Spec.Template.Spec.DeepCopy()
		pod.Subdomain = cmp.Or(pod.Subdomain, s.Spec.ServiceName)
		for _, claim := range s.Spec.VolumeClaimTemplates {
			volume := claim
			volume.Name = claim.Name + "-" + name
			if err := t.addVolume(o, &volume); err != nil {
				return err
			}
			pod.Volumes = slices.DeleteFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == claim.Name })
			pod.Volumes = append(pod.Volumes, core.Volume{Name: claim.Name, VolumeSource: core.VolumeSource{
				PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: volume.Name},
			}})
		}
		meta := *s.Spec.Template.ObjectMeta.DeepCopy()
		if err := t.pod(o, podSource{name: name, meta: meta, spec: pod, path: "spec.template.spec", replica: i}); err != nil {
			return err
		}
	}
	return nil
}

// checkTemplates refuses claims of a StatefulSet that have no name of their own.
func checkTemplates(o *object, claims []core.PersistentVolumeClaim) error {
	seen := map[string]bool{}
	for i, claim := range claims {
		switch {
		case !spec.ValidName(claim.Name):
			return fmt.Errorf("cannot use %s: spec.volumeClaimTemplates[%d].metadata.name: %q is no name", o, i, claim.Name)
		case seen[claim.Name]:
			return fmt.Errorf("cannot use %s: spec.volumeClaimTemplates[%d].metadata.name: there are two claims %s", o, i, claim.Name)
		}
		seen[claim.Name] = true
	}
	return nil
}

func (t *translator) addJob(o *object) error {
	j := &batch.Job{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "batch/v1", j); err != nil {
		return err
	}
	s := &j.Spec
	if p := s.Template.Spec.RestartPolicy; p != core.RestartPolicyNever && p != core.RestartPolicyOnFailure {
		return fmt.Errorf("cannot use %s: spec.template.spec.restartPolicy must be Never or OnFailure", o)
	}
	count, parallel, err := t.jobPods(o, s)
	if err != nil {
		return err
	}
	if s.ActiveDeadlineSeconds != nil {
		s.Template.Spec.ActiveDeadlineSeconds = s.ActiveDeadlineSeconds
	}
	retries := int32(6)
	if s.BackoffLimit != nil {
		retries = *s.BackoffLimit
	}
	if retries < 0 {
		return fmt.Errorf("cannot use %s: spec.backoffLimit is %d, and cannot be less than 0", o, retries)
	}
	indexed, err := isIndexed(o, s)
	if err != nil {
		return err
	}
	for i := range count {
		p := podSource{name: j.Name + "-" + suffix(j.Name, i), meta: *s.Template.ObjectMeta.DeepCopy(), spec: *s.Template.Spec.DeepCopy(), path: "spec.template.spec", replica: i, job: &spec.KubeJob{Parallelism: parallel}, retries: uint(retries)}
		if indexed {
			p.index(j.Name, i)
		}
		if err := t.pod(o, p); err != nil {
			return err
		}
	}
	return nil
}

func isIndexed(o *object, s *batch.JobSpec) (bool, error) {
	if s.CompletionMode == nil || *s.CompletionMode == batch.NonIndexedCompletion {
		return false, nil
	}
	if *s.CompletionMode != batch.IndexedCompletion {
		return false, fmt.Errorf("cannot use %s: spec.completionMode %q is neither NonIndexed nor Indexed", o, *s.CompletionMode)
	}
	if s.Completions == nil {
		return false, fmt.Errorf("cannot use %s: spec.completions is missing, which completionMode Indexed wants", o)
	}
	return true, nil
}

// jobPods is how many pods a Job has, and how many of them run at once.
func (t *translator) jobPods(o *object, s *batch.JobSpec) (count, parallel int, err error) {
	parallel = 1
	if p := s.Parallelism; p != nil {
		if *p < 0 {
			return 0, 0, fmt.Errorf("cannot use %s: spec.parallelism is %d, and cannot be less than 0", o, *p)
		}
		parallel = int(*p)
	}
	if s.Suspend != nil && *s.Suspend {
		parallel = 0
	}
	if s.Completions == nil && s.Parallelism != nil && parallel > 0 { // a work queue: that many workers
		count, err = t.count(o, "spec.parallelism", s.Parallelism)
		return count, parallel, err
	}
	count, err = t.count(o, "spec.completions", s.Completions)
	return count, parallel, err
}

// index tells a pod of an Indexed job which one it is.
func (p *podSource) index(job string, i int) {
	p.name = fmt.Sprintf("%s-%d-%s", job, i, suffix(job, i))
	p.spec.Hostname = cmp.Or(p.spec.Hostname, fmt.Sprintf("%s-%d", job, i))
	if p.meta.Annotations == nil {
		p.meta.Annotations = map[string]string{}
	}
	p.meta.Annotations["batch.kubernetes.io/job-completion-index"] = fmt.Sprint(i)
	for _, list := range [][]core.Container{p.spec.InitContainers, p.spec.Containers} {
		for n := range list {
			list[n].Env = append(list[n].Env, core.EnvVar{Name: "JOB_COMPLETION_INDEX", Value: fmt.Sprint(i)})
		}
	}
}

// inObject names a part of an object in errors and warnings.
func inObject(o *object, path string) string { return strings.TrimSuffix(o.String()+": "+path, ": ") }
