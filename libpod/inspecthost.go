package libpod

import (
	"fmt"
	"math"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/spec"
)

func (i *inspector) hostConfig() {
	c, o := i.c, &i.out.HostConfig
	i.isolation()
	i.limits()
	i.binds()
	o.ContainerIDFile, o.LogConfig = c.CIDFile, i.log()
	o.RestartPolicy = InspectedRestart{c.Container.Restart.Policy, c.Container.Restart.Max}
	o.AutoRemove, o.VolumesFrom = c.Container.Remove, c.Mounts.VolumesFrom
	i.capabilities()
	n := &c.Network
	o.PortBindings = inspectedPorts(n.Ports)
	servers, search, options := n.AskedDNS()
	o.DNS, o.DNSOptions, o.DNSSearch = some(servers), some(options), some(search)
	o.ExtraHosts, o.GroupAdd = some(n.AddHosts), some(c.Process.Groups)
	o.Privileged, o.PublishAllPorts, o.ReadonlyRootfs = c.Security.Privileged, n.PublishAll, c.Mounts.ReadOnly
	o.Init, o.SecurityOpt = c.Process.Init, securityOptions(&i.c.Security)
	o.Runtime, o.Isolation = "oci", ""
	o.Devices = []InspectedDevice{}
	for _, word := range c.Mounts.Devices {
		source, inside, perms := cutDevice(word)
		o.Devices = append(o.Devices, InspectedDevice{source, inside, perms})
	}
}

// some is never nil: an empty list is printed as one.
func some(list []string) []string { return append([]string{}, list...) }

// cutDevice reads HOST[:CONTAINER[:PERMISSIONS]].
func cutDevice(word string) (source, inside, perms string) {
	parts := strings.Split(word, ":")
	source, inside = parts[0], parts[0]
	if len(parts) > 1 && strings.Trim(parts[1], "rwm") == "" {
		return source, inside, parts[1]
	}
	if len(parts) > 1 {
		inside = parts[1]
	}
	if len(parts) > 2 {
		perms = parts[2]
	}
	return source, inside, perms
}

func (i *inspector) isolation() {
	c, o := i.c, &i.out.HostConfig
	iso := &c.Isolation
	o.CgroupManager = "disabled"
	if r, err := c.rt.OCI(); err == nil {
		o.CgroupManager = r.Cgroups.Manager
	}
	o.CgroupMode, o.Cgroups = firstOf(iso.Cgroup, "private"), firstOf(c.Resources.Cgroups, "default")
	if o.Cgroups == "enabled" {
		o.Cgroups = "default"
	}
	o.NetworkMode = firstOf(c.Network.Mode, netPasta)
	if kind, _, err := networkKind(c.Network.Mode); err == nil && kind == netPasta {
		o.NetworkMode = netPasta
	}
	o.IpcMode, o.PidMode, o.UTSMode = firstOf(iso.IPC, "shareable"), firstOf(iso.PID, "private"), firstOf(iso.UTS, "private")
	if m := iso.Mapping; m != nil {
		o.UsernsMode = "private"
		o.IDMappings = &InspectedIDs{idWords(m.UIDs), idWords(m.GIDs)}
	}
	o.CgroupParent = c.Resources.CgroupParent
}

func idWords(maps []spec.IDMap) []string {
	words := []string{}
	for _, m := range maps {
		words = append(words, fmt.Sprintf("%d:%d:%d", m.Container, m.Host, m.Size))
	}
	return words
}

func (i *inspector) log() InspectedLog {
	l := &i.c.Log
	out := InspectedLog{Type: i.c.logDriver(), Config: l.Options, Tag: l.Tag, Size: "0B"}
	if out.Type == "k8s-file" || out.Type == "json-file" {
		out.Path = i.c.LogPath()
	}
	if l.MaxSize > 0 {
		out.Size = fmt.Sprintf("%dB", l.MaxSize)
	}
	return out
}

// capabilities says how the bounding set differs from the usual one.
func (i *inspector) capabilities() {
	o := &i.out.HostConfig
	o.CapAdd, o.CapDrop = []string{}, []string{}
	usual := i.usualCapabilities()
	have := i.oci.Process.Capabilities.Bounding
	for _, name := range have {
		if !slices.Contains(usual, name) {
			o.CapAdd = append(o.CapAdd, name)
		}
	}
	for _, name := range usual {
		if !slices.Contains(have, name) {
			o.CapDrop = append(o.CapDrop, name)
		}
	}
}

func (i *inspector) usualCapabilities() []string {
	names := i.c.Security.DefaultCaps
	if names == nil {
		names = bundle.DefaultCapabilities()
	}
	return fullNames(names)
}

// fullNames writes capabilities as the kernel's headers do.
func fullNames(names []string) []string {
	var full []string
	for _, name := range names {
		full = append(full, "CAP_"+strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	return full
}

// securityOptions writes what --security-opt takes.
func securityOptions(s *spec.Security) []string {
	words := []string{}
	add := func(key, value string) {
		if value != "" {
			words = append(words, key+"="+value)
		}
	}
	if s.NoNewPrivileges {
		words = append(words, "no-new-privileges")
	}
	add("seccomp", s.Seccomp)
	add("apparmor", s.AppArmor)
	add("proc-opts", s.ProcOpts)
	add("mask", strings.Join(s.Mask, ":"))
	add("unmask", strings.Join(s.Unmask, ":"))
	for _, l := range s.Label {
		add("label", l)
	}
	return words
}

// binds writes mounts the way -v and --tmpfs take them.
func (i *inspector) binds() {
	o := &i.out.HostConfig
	o.Binds, o.Tmpfs = []string{}, map[string]string{}
	for _, m := range i.out.Mounts {
		if m.Type == spec.MountImage {
			continue // -v knows none
		}
		source, mode := m.Source, "rw"
		if m.Name != "" {
			source = m.Name
		}
		if !m.RW {
			mode = "ro"
		}
		options := append([]string{mode, m.Propagation}, m.Options...)
		o.Binds = append(o.Binds, source+":"+m.Destination+":"+strings.Join(options, ","))
	}
	for _, m := range i.c.Mounts.List {
		if m.Type == spec.MountTmpfs {
			o.Tmpfs[m.Destination] = strings.Join(i.mountOptions(m), ",")
		}
	}
}

// limits are those asked for; what cannot be parsed was refused by create.
func (i *inspector) limits() {
	r, o := &i.c.Resources, &i.out.HostConfig
	size := func(s string) int64 {
		n, _ := spec.ParseSwap(s)
		return n
	}
	o.Memory, o.MemoryReservation, o.MemorySwap = size(r.Memory), size(r.MemoryReservation), size(r.MemorySwap)
	if r.MemorySwap == "" && o.Memory > 0 {
		o.MemorySwap = 2 * o.Memory
	}
	if r.MemorySwappiness != nil {
		o.MemorySwappiness = *r.MemorySwappiness
	}
	o.CPUShares, o.CPUPeriod, o.CPUQuota = r.CPUShares, r.CPUPeriod, r.CPUQuota
	o.CPURealtimePeriod, o.CPURealtimeRuntime = r.CPURTPeriod, r.CPURTRuntime
	o.NanoCpus = int64(math.Round(r.CPUs * 1e9))
	if r.CPUs > 0 {
		o.CPUPeriod, o.CPUQuota = 100000, int64(math.Round(r.CPUs*100000))
	}
	o.CpusetCpus, o.CpusetMems, o.BlkioWeight = r.CPUSetCPUs, r.CPUSetMems, r.BlkioWeight
	for _, word := range r.BlkioWeightDevice {
		if d, err := spec.ParseDeviceCount(word); err == nil {
			o.BlkioWeightDevice = append(o.BlkioWeightDevice, InspectedRate{Path: d.Path, Weight: uint16(d.Rate)})
		}
	}
	o.BlkioDeviceReadBps, o.BlkioDeviceWriteBps = rates(r.DeviceReadBPS, spec.ParseDeviceBytes), rates(r.DeviceWriteBPS, spec.ParseDeviceBytes)
	o.BlkioDeviceReadIOps, o.BlkioDeviceWriteIOps = rates(r.DeviceReadIOPS, spec.ParseDeviceCount), rates(r.DeviceWriteIOPS, spec.ParseDeviceCount)
	o.OomKillDisable, o.CgroupConf = r.OOMKillDisable, r.CgroupConf
	if r.OOMScoreAdj != nil {
		o.OomScoreAdj = *r.OOMScoreAdj
	}
	i.actualLimits()
}

// actualLimits are taken from the OCI configuration, which has the defaults.
func (i *inspector) actualLimits() {
	o := &i.out.HostConfig
	if n := i.c.Resources.PidsLimit; n != nil {
		o.PidsLimit = *n
	} else if l := i.oci.Linux; l != nil && l.Resources != nil && l.Resources.Pids != nil && l.Resources.Pids.Limit != nil {
		o.PidsLimit = *l.Resources.Pids.Limit
	}
	o.ShmSize = shmSize(i.oci, i.c.Mounts.ShmSize)
	o.Ulimits = []InspectedUlimit{}
	for _, l := range i.oci.Process.Rlimits {
		o.Ulimits = append(o.Ulimits, InspectedUlimit{l.Type, int64(l.Soft), int64(l.Hard)})
	}
}

func shmSize(cfg *rspec.Spec, asked string) int64 {
	for _, m := range cfg.Mounts {
		if m.Destination != "/dev/shm" {
			continue
		}
		for _, option := range m.Options {
			if value, ok := strings.CutPrefix(option, "size="); ok {
				n, _ := spec.ParseSize(value)
				return n
			}
		}
	}
	n, _ := spec.ParseSize(firstOf(asked, "64m"))
	return n
}

func rates(words []string, parse func(string) (spec.DeviceRate, error)) []InspectedRate {
	var out []InspectedRate
	for _, word := range words {
		if d, err := parse(word); err == nil {
			out = append(out, InspectedRate{Path: d.Path, Rate: d.Rate})
		}
	}
	return out
}
