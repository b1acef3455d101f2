// Package generate writes Kubernetes YAML of pods, containers and volumes. It
// does no I/O. What it writes passes Kubernetes' strict decoding, and played
// again it gives the same containers; what Kubernetes has no words for is
// named in warnings.
package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// writer gathers the documents of one file.
type writer struct {
	ask      *kube.Generate
	docs     []any
	warnings []string
}

// YAML writes what is asked for.
func YAML(ask *kube.Generate) ([]byte, []string, error) {
	w := &writer{ask: ask}
	for i := range ask.Volumes {
		w.docs = append(w.docs, claim(&ask.Volumes[i]))
	}
	for i := range ask.Pods {
		if err := w.pod(&ask.Pods[i]); err != nil {
			return nil, w.warnings, err
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Made by carob %s.\n# Play it with `carob kube play FILE`, or take it to a cluster with `kubectl create -f FILE`.\n", ask.Version)
	for i, doc := range w.docs {
		if i > 0 {
			out.WriteString("---\n")
		}
		body, err := clean(doc)
		if err != nil {
			return nil, w.warnings, err
		}
		out.Write(body)
	}
	return out.Bytes(), w.warnings, nil
}

func (w *writer) warn(format string, args ...any) {
	w.warnings = append(w.warnings, fmt.Sprintf(format, args...))
}

// clean leaves out what only a cluster fills in: empty statuses and times.
func clean(doc any) ([]byte, error) {
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(body, &tree); err != nil {
		return nil, err
	}
	delete(tree, "status")
	prune(tree)
	return yaml.Marshal(tree)
}

func prune(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			prune(member)
			m, isMap := member.(map[string]any)
			if member == nil || isMap && len(m) == 0 && (key == "resources" || key == "strategy" || key == "updateStrategy") {
				delete(v, key)
			}
		}
	case []any:
		for _, member := range v {
			prune(member)
		}
	}
}

// pod writes one pod, in an object of the kind that is asked for.
func (w *writer) pod(from *kube.GeneratePod) error {
	p := &podWriter{writer: w, from: from}
	p.build()
	m := meta.ObjectMeta{Name: p.name, Labels: p.labels, Annotations: p.annotations}
	if err := w.wrap(p, m); err != nil {
		return err
	}
	if w.ask.Service {
		w.docs = append(w.docs, service(p))
	}
	return nil
}

func (w *writer) wrap(p *podWriter, m meta.ObjectMeta) error {
	template := core.PodTemplateSpec{ObjectMeta: meta.ObjectMeta{Labels: m.Labels, Annotations: m.Annotations}, Spec: p.out}
	selector := &meta.LabelSelector{MatchLabels: map[string]string{"app": m.Labels["app"]}}
	replicas := w.ask.Replicas
	if replicas == 0 {
		replicas = 1
	}
	kind := strings.ToLower(w.ask.Kind)
	if w.ask.Replicas > 1 && kind != "deployment" {
		return fmt.Errorf("cannot write %d replicas of a %s: only --type deployment has them", replicas, kind)
	}
	switch kind {
	case "", "pod":
		w.docs = append(w.docs, core.Pod{TypeMeta: typeOf("v1", "Pod"), ObjectMeta: m, Spec: p.out})
	case "deployment":
		if err := p.alwaysRuns("Deployment"); err != nil {
			return err
		}
		template.Spec.RestartPolicy = ""
		m.Name += "-deployment"
		w.docs = append(w.docs, apps.Deployment{TypeMeta: typeOf("apps/v1", "Deployment"), ObjectMeta: m,
			Spec: apps.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: template}})
	case "daemonset":
		if err := p.alwaysRuns("DaemonSet"); err != nil {
			return err
		}
		template.Spec.RestartPolicy = ""
		m.Name += "-daemonset"
		w.docs = append(w.docs, apps.DaemonSet{TypeMeta: typeOf("apps/v1", "DaemonSet"), ObjectMeta: m,
			Spec: apps.DaemonSetSpec{Selector: selector, Template: template}})
	case "job":
		if template.Spec.RestartPolicy != core.RestartPolicyOnFailure {
			template.Spec.RestartPolicy = core.RestartPolicyNever
		}
		m.Name += "-job"
		w.docs = append(w.docs, batch.Job{TypeMeta: typeOf("batch/v1", "Job"), ObjectMeta: m, Spec: batch.JobSpec{Template: template}})
	default:
		return fmt.Errorf("cannot write a %q: --type is one of pod, deployment, daemonset, job", w.ask.Kind)
	}
	return nil
}

// alwaysRuns refuses kinds whose pods are always run again for one that is
// run again only when it fails.
func (p *podWriter) alwaysRuns(kind string) error {
	if p.out.RestartPolicy == core.RestartPolicyOnFailure {
		return fmt.Errorf("cannot write pod %s as a %s: its restart policy is on-failure, and that kind has always", p.name, kind)
	}
	return nil
}

func typeOf(version, kind string) meta.TypeMeta {
	return meta.TypeMeta{APIVersion: version, Kind: kind}
}

// service publishes the ports of a pod.
func service(p *podWriter) core.Service {
	s := core.Service{TypeMeta: typeOf("v1", "Service"), ObjectMeta: meta.ObjectMeta{Name: p.name, Labels: p.labels},
		Spec: core.ServiceSpec{Selector: map[string]string{"app": p.labels["app"]}}}
	for _, port := range p.ports() {
		out := core.ServicePort{
			Name: fmt.Sprintf("%d-%s", port.Container, port.Protocol), Port: int32(port.Container), TargetPort: intstr.FromInt32(int32(port.Container)),
			Protocol: core.Protocol(strings.ToUpper(port.Protocol)),
		}
		if port.HostPort >= 30000 && port.HostPort <= 32767 { // the range that clusters have
			out.NodePort = int32(port.HostPort)
		}
		if port.HostPort != 0 {
			s.Spec.Type = core.ServiceTypeNodePort
		}
		s.Spec.Ports = append(s.Spec.Ports, out)
	}
	return s
}

// claim writes a volume.
func claim(v *spec.Volume) core.PersistentVolumeClaim {
	c := core.PersistentVolumeClaim{TypeMeta: typeOf("v1", "PersistentVolumeClaim"),
		ObjectMeta: meta.ObjectMeta{Name: v.Name, Labels: v.Labels, Annotations: map[string]string{}},
		Spec: core.PersistentVolumeClaimSpec{
			AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
			Resources:   core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")}},
		}}
	note := func(key, value string) {
		if value != "" {
			c.Annotations["volume.podman.io/"+key] = value
		}
	}
	if v.Driver != "local" {
		note("driver", v.Driver)
	}
	note("device", v.Options["device"])
	note("type", v.Options["type"])
	note("mount-options", v.Options["o"])
	note("image", v.Options["image"])
	for key, id := range map[string]*int{"uid": v.UID, "gid": v.GID} {
		if id != nil && !strings.Contains(v.Options["o"], key+"=") {
			note(key, fmt.Sprint(*id))
		}
	}
	return c
}

// ports are those of the whole pod, ranges taken apart.
func (p *podWriter) ports() []spec.Port {
	var out []spec.Port
	all := p.shared().Network.Ports
	if p.from.Spec == nil {
		for i := range p.from.Containers[1:] { // each had ports of its own
			all = append(slices.Clone(all), p.from.Containers[i+1].Spec.Network.Ports...)
		}
	}
	for _, port := range all {
		for i := range max(port.Range, 1) {
			one := port
			one.Range, one.Container = 1, port.Container+i
			if port.HostPort != 0 {
				one.HostPort += i
			}
			if !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	return out
}
