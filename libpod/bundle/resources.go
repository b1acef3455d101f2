package bundle

import (
	"fmt"
	"path"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/hostdev"
)

const (
	defaultPidsLimit = 2048
	defaultCPUPeriod = 100000 // microseconds
)

// usesCgroups tells whether the runtime makes a cgroup at all.
func (g *generator) usesCgroups() bool {
	return g.Host.CgroupMode != CgroupNone && g.Spec.Resources.Cgroups != "disabled"
}

func (g *generator) resources() *rspec.LinuxResources {
	if g.oci.Config.Linux.Resources == nil {
		g.oci.Config.Linux.Resources = &rspec.LinuxResources{}
	}
	return g.oci.Config.Linux.Resources
}

// addCgroup names the container's cgroup and its limits. CheckHost has seen
// to it that whatever is asked for can be had.
func (g *generator) addCgroup() error {
	if class := g.Spec.Resources.RdtClass; class != "" {
		g.oci.SetLinuxIntelRdtClosID(class)
	}
	if !g.usesCgroups() {
		return nil
	}
	for _, step := range []func() error{g.addCgroupPath, g.addMemory, g.addCPU, g.addPids, g.addBlockIO, g.addDeviceRules} {
		if err := step(); err != nil {
			return err
		}
	}
	if conf := g.Spec.Resources.CgroupConf; len(conf) > 0 {
		g.oci.SetLinuxResourcesUnified(conf)
	}
	return nil
}

// addCgroupPath writes the path in the form the cgroup manager reads:
// "slice:prefix:name" for systemd, a path below the hierarchy's root otherwise.
func (g *generator) addCgroupPath() error {
	parent := g.CgroupParent
	if parent == "" {
		parent = g.Spec.Resources.CgroupParent
	}
	if parent == "" {
		parent = g.Host.CgroupParent
	}
	switch {
	case g.Spec.Resources.Cgroups == "split":
		if g.Host.OwnCgroup == "" {
			return fmt.Errorf("cannot use --cgroups=split: carob's own cgroup is not known")
		}
		g.oci.SetLinuxCgroupsPath(path.Join("/", g.Host.OwnCgroup, "carob-payload-"+g.Spec.ID))
	case g.Host.CgroupMode == CgroupBySystem:
		if parent == "" {
			parent = g.defaultSlice()
		}
		if !strings.HasSuffix(parent, ".slice") {
			return errNoSlice(parent)
		}
		g.oci.SetLinuxCgroupsPath(path.Base(parent) + ":carob:" + g.Spec.ID)
	default:
		if parent == "" {
			parent = "/carob"
		}
		g.oci.SetLinuxCgroupsPath(path.Join("/", parent, "carob-"+g.Spec.ID))
	}
	return nil
}

func (g *generator) defaultSlice() string {
	if g.Host.Rootless {
		return "user.slice"
	}
	return "machine.slice"
}

func (g *generator) addMemory() error {
	r := &g.Spec.Resources
	memory, err := sizeOf("--memory", r.Memory)
	if err != nil {
		return err
	}
	reservation, err := sizeOf("--memory-reservation", r.MemoryReservation)
	if err != nil {
		return err
	}
	if memory > 0 {
		g.oci.SetLinuxResourcesMemoryLimit(memory)
	}
	if reservation > 0 {
		g.oci.SetLinuxResourcesMemoryReservation(reservation)
	}
	// As much swap again as memory, which OCI counts together.
	swap := 2 * memory
	if r.MemorySwap != "" {
		if swap, err = spec.ParseSwap(r.MemorySwap); err != nil {
			return fmt.Errorf("invalid value for --memory-swap: %w", err)
		}
	}
	if swap != 0 {
		g.oci.SetLinuxResourcesMemorySwap(swap)
	}
	if n := r.MemorySwappiness; n != nil && *n >= 0 {
		g.oci.SetLinuxResourcesMemorySwappiness(uint64(*n))
	}
	if r.OOMKillDisable {
		g.oci.SetLinuxResourcesMemoryDisableOOMKiller(true)
	}
	return nil
}

func sizeOf(flag, word string) (int64, error) {
	if word == "" {
		return 0, nil
	}
	n, err := spec.ParseSize(word)
	if err != nil {
		return 0, fmt.Errorf("invalid value for %s: %w", flag, err)
	}
	return n, nil
}

func (g *generator) addCPU() error {
	r := &g.Spec.Resources
	period, quota := r.CPUPeriod, r.CPUQuota
	if r.CPUs > 0 {
		period = defaultCPUPeriod
		quota = int64(r.CPUs*defaultCPUPeriod + 0.5)
	}
	if r.CPUShares != 0 {
		g.oci.SetLinuxResourcesCPUShares(r.CPUShares)
	}
	if period != 0 {
		g.oci.SetLinuxResourcesCPUPeriod(period)
	}
	if quota != 0 {
		g.oci.SetLinuxResourcesCPUQuota(quota)
	}
	if r.CPURTPeriod != 0 {
		g.oci.SetLinuxResourcesCPURealtimePeriod(r.CPURTPeriod)
	}
	if r.CPURTRuntime != 0 {
		g.oci.SetLinuxResourcesCPURealtimeRuntime(r.CPURTRuntime)
	}
	if r.CPUSetCPUs != "" {
		g.oci.SetLinuxResourcesCPUCpus(r.CPUSetCPUs)
	}
	if r.CPUSetMems != "" {
		g.oci.SetLinuxResourcesCPUMems(r.CPUSetMems)
	}
	return nil
}

// addPids limits the number of processes by default, where that is possible.
func (g *generator) addPids() error {
	limit := int64(defaultPidsLimit)
	if usual := g.Spec.Resources.PidsDefault; usual != nil {
		limit = *usual
	}
	if asked := g.Spec.Resources.PidsLimit; asked != nil {
		limit = *asked
	}
	if limit > 0 && slices.Contains(g.Host.Controllers, "pids") {
		g.oci.SetLinuxResourcesPidsLimit(limit)
	}
	return nil
}

func (g *generator) addBlockIO() error {
	r := &g.Spec.Resources
	if r.BlkioWeight != 0 {
		g.oci.SetLinuxResourcesBlockIOWeight(r.BlkioWeight)
	}
	for _, list := range []struct {
		flag  string
		words []string
		parse func(string) (spec.DeviceRate, error)
		set   func(major, minor int64, rate uint64)
	}{
		{"--blkio-weight-device", r.BlkioWeightDevice, spec.ParseDeviceCount, func(major, minor int64, weight uint64) {
			g.oci.AddLinuxResourcesBlockIOWeightDevice(major, minor, uint16(weight))
		}},
		{"--device-read-bps", r.DeviceReadBPS, spec.ParseDeviceBytes, g.oci.AddLinuxResourcesBlockIOThrottleReadBpsDevice},
		{"--device-write-bps", r.DeviceWriteBPS, spec.ParseDeviceBytes, g.oci.AddLinuxResourcesBlockIOThrottleWriteBpsDevice},
		{"--device-read-iops", r.DeviceReadIOPS, spec.ParseDeviceCount, g.oci.AddLinuxResourcesBlockIOThrottleReadIOPSDevice},
		{"--device-write-iops", r.DeviceWriteIOPS, spec.ParseDeviceCount, g.oci.AddLinuxResourcesBlockIOThrottleWriteIOPSDevice},
	} {
		for _, word := range list.words {
			rate, err := list.parse(word)
			if err != nil {
				return fmt.Errorf("invalid %s: %w", list.flag, err)
			}
			number, err := g.blockDevice(rate.Path)
			if err != nil {
				return err
			}
			list.set(number.Major, number.Minor, rate.Rate)
		}
	}
	return nil
}

func (g *generator) blockDevice(p string) (hostdev.DeviceNumber, error) {
	number, ok := g.BlockDevices[p]
	if !ok {
		return number, fmt.Errorf("cannot limit device %s: it was left unresolved", p)
	}
	return number, nil
}

// addDeviceRules starts from "no device" (the runtime adds those every
// container has), or "all" with --privileged. Devices given by --device are
// in the list already.
func (g *generator) addDeviceRules() error {
	if !g.limitsDevices() {
		return nil
	}
	r := g.resources()
	first := rspec.LinuxDeviceCgroup{Allow: g.Spec.Security.Privileged, Access: "rwm"}
	r.Devices = append([]rspec.LinuxDeviceCgroup{first}, r.Devices...)
	for _, word := range g.Spec.Resources.DeviceCgroupRule {
		rule, err := spec.ParseDeviceRule(word)
		if err != nil {
			return err
		}
		g.addDeviceRule(rule.Type, rule.Major, rule.Minor, rule.Access)
	}
	return nil
}
