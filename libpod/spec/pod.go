package spec

import "time"

// Pod is a group of containers as asked for. What its members share is held
// by its infra container, a Container with Infra set: namespaces, ports, dns,
// hosts, hostname and the user namespace stand there.
type Pod struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Created       time.Time         `json:"created"`
	CreateCommand []string          `json:"create_command,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`

	// Infra is the ID of the infra container, "" without one.
	Infra string `json:"infra,omitempty"`
	// Share are the namespaces that members get from the infra container:
	// any of cgroup, ipc, net, pid, uts.
	Share []string `json:"share,omitempty"`
	// NoShareParent (--share-parent=false): members do not live in the pod's
	// control group.
	NoShareParent bool   `json:"no_share_parent,omitempty"`
	Hostname      string `json:"hostname,omitempty"` // "" the pod's name
	// ExitPolicy is what becomes of the pod when its last member has ended.
	ExitPolicy string  `json:"exit_policy,omitempty"` // "" continue
	Restart    Restart `json:"restart"`               // of members that ask for none
	// Resources limit all members together, through the pod's control group.
	Resources Resources `json:"resources"`
	// Volumes, Devices and Security are given to every member.
	Volumes  []Mount  `json:"volumes,omitempty"`
	Devices  []string `json:"devices,omitempty"`
	Security Security `json:"security"`
	// VolumesFrom are containers whose volumes every member gets.
	VolumesFrom []string `json:"volumes_from,omitempty"`
	IDFile      string   `json:"id_file,omitempty"` // --pod-id-file
	// Kube is set for pods that Kubernetes YAML has made.
	Kube *KubeOrigin `json:"kube,omitempty"`
}

// KubeOrigin tells which object of a YAML file made a pod.
type KubeOrigin struct {
	Kind      string `json:"kind"` // Pod, Deployment ...
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Replica   int    `json:"replica,omitempty"`
	// Job is set for the pods of a Job.
	Job *KubeJob `json:"job,omitempty"`
	// FSGroup is the group of the pod's volumes.
	FSGroup *uint32 `json:"fs_group,omitempty"`
	// Play is the call that made it, so that a killed one can be undone.
	Play string `json:"play,omitempty"`
	// ReplacedBy is the call that is replacing it.
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// KubeJob is what the pods of a Job have in common.
type KubeJob struct {
	// Parallelism is how many of them run at once; 0: none starts by itself.
	Parallelism int `json:"parallelism"`
}

// Exit policies of a pod.
const (
	ExitPolicyContinue = "continue"
	ExitPolicyStop     = "stop"
)

// When an init container of a pod runs: at every start of the pod, or once,
// after which it is removed.
const (
	InitAlways = "always"
	InitOnce   = "once"
)
