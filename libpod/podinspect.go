package libpod

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/cgroup"
)

// InspectedPod is a pod with podman's keys.
type InspectedPod struct {
	ID               string            `json:"Id"`
	Name             string            `json:"Name"`
	Namespace        string            `json:"Namespace,omitempty"`
	Created          time.Time         `json:"Created"`
	CreateCommand    []string          `json:"CreateCommand,omitempty"`
	ExitPolicy       string            `json:"ExitPolicy"`
	State            string            `json:"State"`
	Hostname         string            `json:"Hostname"`
	Labels           map[string]string `json:"Labels,omitempty"`
	CreateCgroup     bool              `json:"CreateCgroup"`
	CgroupParent     string            `json:"CgroupParent,omitempty"`
	CgroupPath       string            `json:"CgroupPath,omitempty"`
	CreateInfra      bool              `json:"CreateInfra"`
	InfraContainerID string            `json:"InfraContainerID,omitempty"`
	InfraConfig      *InspectedInfra   `json:"InfraConfig,omitempty"`
	SharedNamespaces []string          `json:"SharedNamespaces,omitempty"`
	NumContainers    int               `json:"NumContainers"`
	Containers       []InspectedMember `json:"Containers,omitempty"`
	CPUPeriod        uint64            `json:"cpu_period,omitempty"`
	CPUQuota         int64             `json:"cpu_quota,omitempty"`
	CPUShares        uint64            `json:"cpu_shares,omitempty"`
	CPUSetCPUs       string            `json:"cpuset_cpus,omitempty"`
	CPUSetMems       string            `json:"cpuset_mems,omitempty"`
	MemoryLimit      int64             `json:"memory_limit,omitempty"`
	MemorySwap       int64             `json:"memory_swap,omitempty"`
	Devices          []InspectedDevice `json:"devices,omitempty"`
	Mounts           []InspectedMount  `json:"mounts,omitempty"`
	VolumesFrom      []string          `json:"volumes_from,omitempty"`
	SecurityOpts     []string          `json:"security_opt,omitempty"`
	RestartPolicy    string            `json:"RestartPolicy,omitempty"`
	BlkioWeight      uint16            `json:"blkio_weight,omitempty"`
}

// InspectedMember is a container of an inspected pod.
type InspectedMember struct {
	ID    string `json:"Id"`
	Name  string `json:"Name"`
	State string `json:"State"`
}

// InspectedInfra is what the infra container holds.
type InspectedInfra struct {
	PortBindings       map[string][]InspectedPort `json:"PortBindings"`
	HostNetwork        bool                       `json:"HostNetwork"`
	StaticIP           string                     `json:"StaticIP"`
	StaticMAC          string                     `json:"StaticMAC"`
	NoManageResolvConf bool                       `json:"NoManageResolvConf"`
	DNSServer          []string                   `json:"DNSServer"`
	DNSSearch          []string                   `json:"DNSSearch"`
	DNSOption          []string                   `json:"DNSOption"`
	NoManageHosts      bool                       `json:"NoManageHosts"`
	HostAdd            []string                   `json:"HostAdd"`
	HostsFile          string                     `json:"HostsFile,omitempty"`
	Networks           []string                   `json:"Networks"`
	NetworkOptions     map[string][]string        `json:"NetworkOptions"`
	PidNS              string                     `json:"pid_ns"`
	UserNS             string                     `json:"userns"`
	UTSNS              string                     `json:"uts_ns"`
}

// Inspect tells all that is known of the pod.
func (p *Pod) Inspect(ctx context.Context) (*InspectedPod, error) {
	st, err := p.State(ctx)
	if err != nil {
		return nil, err
	}
	out := &InspectedPod{
		ID: p.ID, Name: p.Name, Created: p.Created, CreateCommand: p.CreateCommand,
		ExitPolicy: firstOf(p.ExitPolicy, spec.ExitPolicyContinue), State: st.Status, Hostname: p.Hostname, Labels: p.Labels,
		CreateInfra: p.Infra != "", InfraContainerID: p.Infra, SharedNamespaces: p.Share, NumContainers: len(st.Members),
		VolumesFrom: p.VolumesFrom, SecurityOpts: securityOptions(&p.Security), RestartPolicy: p.Pod.Restart.Policy,
	}
	if err := errors.Join(out.limits(&p.Resources), out.group(p)); err != nil {
		return nil, err
	}
	for _, word := range p.Devices {
		source, inside, perms := cutDevice(word)
		out.Devices = append(out.Devices, InspectedDevice{source, inside, perms})
	}
	for _, m := range p.Volumes {
		if mount := p.rt.inspectMount(m, m.Options); mount != nil {
			out.Mounts = append(out.Mounts, *mount)
		}
	}
	for _, m := range st.Members {
		out.Containers = append(out.Containers, InspectedMember{m.ID, m.Name, m.State.Status})
		if m.Infra {
			out.InfraConfig = inspectInfra(m.Container)
		}
	}
	return out, nil
}

// group tells of the pod's control group; its path is known once it was made.
func (o *InspectedPod) group(p *Pod) error {
	g, err := p.group()
	if err != nil || g == nil {
		return err
	}
	o.CreateCgroup, o.CgroupParent = true, p.Resources.CgroupParent
	if g.manager == cgroup.Systemd {
		o.CgroupParent, o.CgroupPath = p.sliceParent(), g.path
		return nil
	}
	b, err := os.ReadFile(p.rt.dirs.PodGroup(p.ID))
	o.CgroupPath = strings.TrimSpace(string(b))
	return ignoreMissing(err)
}

func (o *InspectedPod) limits(r *spec.Resources) error {
	o.CPUPeriod, o.CPUQuota, o.CPUShares, o.CPUSetCPUs, o.CPUSetMems = r.CPUPeriod, r.CPUQuota, r.CPUShares, r.CPUSetCPUs, r.CPUSetMems
	o.BlkioWeight = r.BlkioWeight
	if r.CPUs > 0 {
		o.CPUPeriod, o.CPUQuota = 100000, int64(r.CPUs*100000+0.5)
	}
	var err error
	if r.Memory != "" {
		if o.MemoryLimit, err = spec.ParseSize(r.Memory); err != nil {
			return err
		}
		o.MemorySwap = 2 * o.MemoryLimit
	}
	if r.MemorySwap != "" {
		o.MemorySwap, err = spec.ParseSwap(r.MemorySwap)
	}
	return err
}

func inspectInfra(c *Container) *InspectedInfra {
	n := &c.Network
	servers, search, options := n.AskedDNS()
	return &InspectedInfra{
		PortBindings: inspectedPorts(n.Ports), HostNetwork: n.Mode == netHost,
		NoManageResolvConf: len(n.DNS) == 1 && n.DNS[0] == "none", DNSServer: servers, DNSSearch: search, DNSOption: options,
		NoManageHosts: c.Mounts.NoHosts, HostAdd: n.AddHosts, HostsFile: c.Mounts.HostsFile,
		PidNS: firstOf(c.Isolation.PID, "private"), UserNS: firstOf(c.Isolation.User, "host"), UTSNS: firstOf(c.Isolation.UTS, "private"),
	}
}
