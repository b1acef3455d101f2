// Package kube is what Kubernetes YAML asks of this host, in carob's own
// structs. It knows nothing of YAML: package translate makes a Plan of a file,
// and package generate a file of what is here. Both run in carob-kube, a
// program of its own, because the types of Kubernetes cost more start-up time
// than carob has; a Request goes in on its standard input and a Reply comes
// out.
package kube

import (
	"encoding/json"

	"github.com/carob-containers/carob/libpod/spec"
)

// ServiceDomain ends the full name of a pod with a subdomain, as that of most
// clusters does.
const ServiceDomain = ".svc.cluster.local"

// Request is one call of carob-kube: exactly one field is set.
type Request struct {
	Translate *Source   `json:"translate,omitempty"`
	Generate  *Generate `json:"generate,omitempty"`
	Fetch     string    `json:"fetch,omitempty"` // URL of a file
}

// Reply is its answer.
type Reply struct {
	Plan     *Plan    `json:"plan,omitempty"`
	YAML     []byte   `json:"yaml,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Error says why there is neither, as users see it.
	Error string `json:"error,omitempty"`
}

// Source is what a plan is made of. Everything from outside of the file comes
// with it, so that the same source always gives the same plan.
type Source struct {
	YAML       []byte   `json:"yaml"`
	ConfigMaps [][]byte `json:"config_maps,omitempty"` // files of --configmap
	// Names wants only what is needed to take the objects away again.
	Names bool `json:"names,omitempty"`
	// Secrets are those that are stored here: the keys of each; none for one
	// that no kube play has made.
	Secrets map[string][]string `json:"secrets,omitempty"`
	Host    Host                `json:"host"`
	Options Options             `json:"options"`
}

// Host is what fieldRef and resourceFieldRef can ask for.
type Host struct {
	Name   string `json:"name"`
	IP     string `json:"ip,omitempty"`     // of the host, as others see it
	PodIP  string `json:"pod_ip,omitempty"` // what a pod sees as its own
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memory"` // bytes
}

// Options are the flags of kube play that change the plan.
type Options struct {
	Network       []string          `json:"network,omitempty"` // --network
	Ports         []spec.Port       `json:"ports,omitempty"`   // --publish
	PublishAll    bool              `json:"publish_all,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	Log           spec.Log          `json:"log"`
	UserNS        string            `json:"userns,omitempty"`
	SeccompRoot   string            `json:"seccomp_root,omitempty"`
	NoHosts       bool              `json:"no_hosts,omitempty"`
	NoHostname    bool              `json:"no_hostname,omitempty"`
	NoPodPrefix   bool              `json:"no_pod_prefix,omitempty"`
	CreateCommand []string          `json:"create_command,omitempty"`
}

// Plan is what a file asks for, in the order of the file.
type Plan struct {
	// Owners are the objects that make pods, even if none for now.
	Owners   []spec.KubeOrigin `json:"owners,omitempty"`
	Secrets  []Secret          `json:"secrets,omitempty"`
	Volumes  []spec.Volume     `json:"volumes,omitempty"` // persistent volume claims
	Pods     []Pod             `json:"pods,omitempty"`
	Services []Object          `json:"services,omitempty"`
}

// Secret is a Secret to be stored.
type Secret struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Data   []byte            `json:"data"` // see EncodeSecret
}

// Object is an object that is kept as it is.
type Object struct {
	Kind      string          `json:"kind"`
	Name      string          `json:"name"`
	Namespace string          `json:"namespace,omitempty"`
	Body      json.RawMessage `json:"body"`
}

// Pod is a pod with what is made for it and goes with it.
type Pod struct {
	Spec       spec.Pod       `json:"spec"`
	Infra      spec.Container `json:"infra"`
	Volumes    []PodVolume    `json:"volumes,omitempty"`
	HostPaths  []HostPath     `json:"host_paths,omitempty"`
	Containers []Container    `json:"containers"` // in the order of their start
	// FSGroup owns, as group, what Volumes and Claims hold.
	FSGroup *uint32  `json:"fs_group,omitempty"`
	Claims  []string `json:"claims,omitempty"` // named volumes
	Images  []Image  `json:"images,omitempty"` // that are mounted
	// PullSecrets are secrets with credentials for registries.
	PullSecrets []string `json:"pull_secrets,omitempty"`
}

// Image is an image that must be here.
type Image struct {
	Name string `json:"name"`
	Pull string `json:"pull"` // policy
	// Path names the volume in errors.
	Path string `json:"path,omitempty"`
}

// Container is a container of a pod.
type Container struct {
	Spec spec.Container `json:"spec"`
	Pull string         `json:"pull"` // policy
	// NonRoot: the image's user must not be root.
	NonRoot bool `json:"non_root,omitempty"`
	// Path names the container in warnings.
	Path string `json:"path"`
}

// PodVolume is a volume that lives as long as its pod. Mounts name it by Name
// until it gets a name that nobody else has.
type PodVolume struct {
	Name   string `json:"name"`
	Memory bool   `json:"memory,omitempty"` // a tmpfs
	Size   int64  `json:"size,omitempty"`   // bytes; 0: no limit
	// Mode is that of the directory.
	Mode    uint32              `json:"mode"`
	Files   []File              `json:"files,omitempty"`
	Secrets []spec.VolumeSecret `json:"secrets,omitempty"`
}

// Record is what is kept of how the volume is filled; nil for an empty one.
func (v *PodVolume) Record() *spec.VolumeFiles {
	if len(v.Files)+len(v.Secrets) == 0 {
		return nil
	}
	out := &spec.VolumeFiles{Name: v.Name, Secrets: v.Secrets}
	for _, f := range v.Files {
		out.Files = append(out.Files, spec.VolumeFile{Path: f.Path, Mode: f.Mode})
	}
	return out
}

// File is a file in a PodVolume.
type File struct {
	Path string `json:"path"` // below the volume
	Data []byte `json:"data"`
	Mode uint32 `json:"mode"`
}

// HostPath is a path of the host that is mounted, and what must be there.
type HostPath struct {
	Path string `json:"path"`
	Type string `json:"type,omitempty"` // Kubernetes' word
	// Where names the volume in errors.
	Where string `json:"where"`
}

// Generate is what is to be written as YAML.
type Generate struct {
	Kind       string        `json:"kind"` // Pod, Deployment, DaemonSet, Job
	Service    bool          `json:"service,omitempty"`
	Replicas   int32         `json:"replicas,omitempty"`
	PodmanOnly bool          `json:"podman_only,omitempty"`
	Version    string        `json:"version"` // of carob, for the heading
	Pods       []GeneratePod `json:"pods,omitempty"`
	Volumes    []spec.Volume `json:"volumes,omitempty"`
	// Anonymous are the volumes that go with the containers, by name.
	Anonymous map[string]spec.Volume `json:"anonymous,omitempty"`
	// Contents are their files, by volume and path: see spec.VolumeFiles.
	Contents map[string]map[string][]byte `json:"contents,omitempty"`
}

// GeneratePod is a pod here. A container alone stands in one without Spec.
type GeneratePod struct {
	Spec       *spec.Pod           `json:"spec,omitempty"`
	Infra      *spec.Container     `json:"infra,omitempty"`
	Containers []GenerateContainer `json:"containers"`
}

// GenerateContainer is a container.
type GenerateContainer struct {
	Spec spec.Container `json:"spec"`
	// Binds tells what lies at the host's end of each bind mount: directory,
	// file or "".
	Binds map[string]string `json:"binds,omitempty"`
}
