package bundle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
)

// CheckHost refuses what this host or account cannot give a container, as far
// as that can be told before there is a root file system. Creating a
// container calls it, so that the mistake shows then; Generate does as well,
// because hosts change.
func CheckHost(c *spec.Container, h Host) error {
	if err := checkLimits(c, h); err != nil {
		return err
	}
	if err := checkAppArmor(c.Security.AppArmor, h); err != nil {
		return err
	}
	if err := checkLabels(c.Security.Label, h); err != nil {
		return err
	}
	names := capabilityNames()
	if _, err := mergeCapabilities(names, 1<<len(names)-1, &c.Security); err != nil {
		return err
	}
	for key := range c.Resources.Sysctl {
		if !strings.HasPrefix(key, "net.") && !isIPCSysctl(key) {
			return errSysctl(key)
		}
	}
	r := &c.Resources
	if len(r.DeviceCgroupRule) > 0 && h.Rootless {
		return fmt.Errorf("cannot use --device-cgroup-rule: device rules are not supported in rootless mode")
	}
	if adj := r.OOMScoreAdj; adj != nil && h.Rootless && *adj < h.OOMScoreAdj {
		return fmt.Errorf("cannot set --oom-score-adj to %d: carob runs with %d and only root may go below its own", *adj, h.OOMScoreAdj)
	}
	if c.Process.Systemd == "always" && h.CgroupVersion != 2 {
		return hinted("boot the host with systemd.unified_cgroup_hierarchy=1",
			"cannot use --systemd=always: systemd needs a cgroup of its own, which cgroup v1 does not give it")
	}
	return nil
}

// limit is one kind of limit: the controller that enforces it, and the flags
// that were used to ask for it.
type limit struct {
	controller string
	flags      []string
}

func limitsAsked(r *spec.Resources) []limit {
	flags := func(pairs map[string]bool) []string {
		var used []string
		for flag, on := range pairs {
			if on {
				used = append(used, flag)
			}
		}
		slices.Sort(used)
		return used
	}
	return []limit{
		{"memory", flags(map[string]bool{
			"--memory": r.Memory != "", "--memory-reservation": r.MemoryReservation != "", "--memory-swap": r.MemorySwap != "",
			"--memory-swappiness": r.MemorySwappiness != nil, "--oom-kill-disable": r.OOMKillDisable,
		})},
		{"cpu", flags(map[string]bool{
			"--cpus": r.CPUs != 0, "--cpu-shares": r.CPUShares != 0, "--cpu-period": r.CPUPeriod != 0, "--cpu-quota": r.CPUQuota != 0,
			"--cpu-rt-period": r.CPURTPeriod != 0, "--cpu-rt-runtime": r.CPURTRuntime != 0,
		})},
		{"cpuset", flags(map[string]bool{"--cpuset-cpus": r.CPUSetCPUs != "", "--cpuset-mems": r.CPUSetMems != ""})},
		{"pids", flags(map[string]bool{"--pids-limit": r.PidsLimit != nil && *r.PidsLimit > 0})},
		{"io", flags(map[string]bool{
			"--blkio-weight": r.BlkioWeight != 0, "--blkio-weight-device": len(r.BlkioWeightDevice) > 0,
			"--device-read-bps": len(r.DeviceReadBPS) > 0, "--device-write-bps": len(r.DeviceWriteBPS) > 0,
			"--device-read-iops": len(r.DeviceReadIOPS) > 0, "--device-write-iops": len(r.DeviceWriteIOPS) > 0,
		})},
		{"", flags(map[string]bool{"--cgroup-conf": len(r.CgroupConf) > 0, "--cgroup-parent": r.CgroupParent != ""})},
	}
}

// DropLimits takes away limits of memory, cpu and processes that nothing on
// this host would enforce, and says what and why.
func DropLimits(r *spec.Resources, h Host) []string {
	var said []string
	for _, l := range limitsAsked(r) {
		if len(l.flags) == 0 || checkLimits(&spec.Container{Resources: *r}, h) == nil {
			continue
		}
		only := spec.Resources{}
		keep := *r
		switch l.controller {
		case "memory":
			only.Memory, only.MemoryReservation = r.Memory, r.MemoryReservation
			keep.Memory, keep.MemoryReservation = "", ""
		case "cpu":
			only.CPUs, only.CPUShares = r.CPUs, r.CPUShares
			keep.CPUs, keep.CPUShares = 0, 0
		case "cpuset":
			only.CPUSetCPUs, only.CPUSetMems = r.CPUSetCPUs, r.CPUSetMems
			keep.CPUSetCPUs, keep.CPUSetMems = "", ""
		case "pids":
			only.PidsLimit = r.PidsLimit
			keep.PidsLimit = nil
		default:
			continue
		}
		if err := checkLimits(&spec.Container{Resources: only}, h); err != nil {
			_, why, _ := strings.Cut(err.Error(), ": ")
			said = append(said, fmt.Sprintf("%s is not limited: %s", l.controller, why))
			*r = keep
		}
	}
	return said
}

// checkLimits refuses limits that nothing on this host would enforce.
func checkLimits(c *spec.Container, h Host) error {
	for _, l := range limitsAsked(&c.Resources) {
		if len(l.flags) == 0 {
			continue
		}
		what := strings.Join(l.flags, ", ")
		switch {
		case c.Resources.Cgroups == "disabled":
			return fmt.Errorf("cannot use %s: --cgroups=disabled leaves no cgroup to limit", what)
		case h.CgroupMode == CgroupNone:
			reason := h.CgroupReason
			if reason == "" {
				reason = "this account has no cgroup of its own"
			}
			return hinted(cgroupHint(h), "cannot use %s: %s", what, reason)
		case l.controller != "" && !slices.Contains(h.Controllers, l.controller) && !(l.controller == "io" && slices.Contains(h.Controllers, "blkio")):
			return hinted(delegateHint(l.controller), "cannot use %s: the cgroup controller %s is not delegated to this account", what, l.controller)
		}
	}
	if p := c.Resources.CgroupParent; p != "" && h.CgroupMode == CgroupBySystem && !strings.HasSuffix(p, ".slice") {
		return errNoSlice(p)
	}
	if h.CgroupVersion == 2 {
		return checkVersion2(&c.Resources)
	}
	if len(c.Resources.CgroupConf) > 0 {
		return fmt.Errorf("cannot use --cgroup-conf: it needs cgroup v2")
	}
	return nil
}

func errNoSlice(parent string) error {
	return fmt.Errorf("cannot use cgroup parent %s: systemd needs the name of a slice (NAME.slice)", parent)
}

// checkVersion2 refuses what cgroup v2 dropped.
func checkVersion2(r *spec.Resources) error {
	switch {
	case r.MemorySwappiness != nil && *r.MemorySwappiness != -1:
		return fmt.Errorf("cannot use --memory-swappiness: cgroup v2 has no such limit")
	case r.OOMKillDisable:
		return fmt.Errorf("cannot use --oom-kill-disable: cgroup v2 has no such switch")
	case r.CPURTPeriod != 0 || r.CPURTRuntime != 0:
		return fmt.Errorf("cannot use --cpu-rt-period and --cpu-rt-runtime: cgroup v2 has no such limits")
	}
	return nil
}

func cgroupHint(h Host) string {
	if h.CgroupVersion != 2 {
		return "limits for an unprivileged account need cgroup v2: boot with systemd.unified_cgroup_hierarchy=1"
	}
	return "log in through systemd (a user session), or run 'loginctl enable-linger' for the account"
}

func delegateHint(controller string) string {
	return fmt.Sprintf("as root, put 'Delegate=%s' with the others wanted under [Service] in "+
		"/etc/systemd/system/user@.service.d/delegate.conf, then log in again", controller)
}
