package spec

import (
	"fmt"
	"strconv"
	"strings"
)

func (c *Container) validateMemory() error {
	r := &c.Resources
	memory, err := limitSize("--memory", r.Memory)
	if err != nil {
		return err
	}
	reservation, err := limitSize("--memory-reservation", r.MemoryReservation)
	if err != nil {
		return err
	}
	if r.MemorySwap != "" {
		swap, err := ParseSwap(r.MemorySwap)
		switch {
		case err != nil:
			return fmt.Errorf("invalid value for --memory-swap: %w", err)
		case swap > 0 && r.Memory == "":
			return fmt.Errorf("--memory-swap needs --memory, which it includes")
		case swap > 0 && swap < memory:
			return fmt.Errorf("--memory-swap %s is less than --memory %s, which it includes", r.MemorySwap, r.Memory)
		}
	}
	if memory > 0 && reservation > memory {
		return fmt.Errorf("--memory-reservation %s is more than --memory %s", r.MemoryReservation, r.Memory)
	}
	if n := r.MemorySwappiness; n != nil && (*n < -1 || *n > 100) {
		return fmt.Errorf("invalid --memory-swappiness %d: must be between 0 and 100", *n)
	}
	return nil
}

func limitSize(flag, word string) (int64, error) {
	if word == "" {
		return 0, nil
	}
	n, err := ParseSize(word)
	if err != nil {
		return 0, fmt.Errorf("invalid value for %s: %w", flag, err)
	}
	return n, nil
}

func (c *Container) validateCPU() error {
	r := &c.Resources
	switch {
	case r.CPUs < 0:
		return fmt.Errorf("invalid --cpus %v: cannot be negative", r.CPUs)
	case r.CPUs != 0 && r.CPUPeriod != 0:
		return together("--cpu-period", "--cpus")
	case r.CPUs != 0 && r.CPUQuota != 0:
		return together("--cpu-quota", "--cpus")
	case r.CPUPeriod != 0 && (r.CPUPeriod < 1000 || r.CPUPeriod > 1000000):
		return fmt.Errorf("invalid --cpu-period %d: must be between 1000 and 1000000 microseconds", r.CPUPeriod)
	case r.CPUQuota > 0 && r.CPUQuota < 1000:
		return fmt.Errorf("invalid --cpu-quota %d: must be at least 1000 microseconds", r.CPUQuota)
	}
	if err := validateCPUSet("--cpuset-cpus", r.CPUSetCPUs); err != nil {
		return err
	}
	return validateCPUSet("--cpuset-mems", r.CPUSetMems)
}

// validateCPUSet checks a list as in cpuset(7): 0-3,5.
func validateCPUSet(flag, list string) error {
	if list == "" {
		return nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err != nil || err2 != nil || from > to {
			return fmt.Errorf("invalid %s %q: must be numbers and ranges such as 0-3,5", flag, list)
		}
	}
	return nil
}

func (c *Container) validateLimits() error {
	r := &c.Resources
	for _, word := range r.Ulimits {
		if word == "host" {
			if len(r.Ulimits) > 1 {
				return fmt.Errorf("--ulimit host cannot be set together with other --ulimit options")
			}
			continue
		}
		if _, err := ParseUlimit(word); err != nil {
			return err
		}
	}
	for _, word := range r.DefaultUlimits {
		if _, err := ParseUlimit(word); err != nil && word != "host" {
			return fmt.Errorf("cannot use default_ulimits of containers.conf: %w", err)
		}
	}
	if n := r.PidsLimit; n != nil && *n < -1 {
		return fmt.Errorf("invalid --pids-limit %d: must be -1, for no limit, or more", *n)
	}
	if n := r.OOMScoreAdj; n != nil && (*n < -1000 || *n > 1000) {
		return fmt.Errorf("invalid --oom-score-adj %d: must be between -1000 and 1000", *n)
	}
	if n := r.BlkioWeight; n != 0 && (n < 10 || n > 1000) {
		return fmt.Errorf("invalid --blkio-weight %d: must be between 10 and 1000", n)
	}
	return r.validateDevices()
}

func (r *Resources) validateDevices() error {
	for _, word := range r.DeviceCgroupRule {
		if _, err := ParseDeviceRule(word); err != nil {
			return err
		}
	}
	for _, word := range r.BlkioWeightDevice {
		d, err := ParseDeviceCount(word)
		if err == nil && (d.Rate < 10 || d.Rate > 1000) {
			err = fmt.Errorf("the weight must be between 10 and 1000")
		}
		if err != nil {
			return fmt.Errorf("invalid --blkio-weight-device %s: %w", word, err)
		}
	}
	for _, list := range []struct {
		flag  string
		words []string
		parse func(string) (DeviceRate, error)
	}{
		{"--device-read-bps", r.DeviceReadBPS, ParseDeviceBytes},
		{"--device-write-bps", r.DeviceWriteBPS, ParseDeviceBytes},
		{"--device-read-iops", r.DeviceReadIOPS, ParseDeviceCount},
		{"--device-write-iops", r.DeviceWriteIOPS, ParseDeviceCount},
	} {
		for _, word := range list.words {
			if _, err := list.parse(word); err != nil {
				return fmt.Errorf("invalid %s: %w", list.flag, err)
			}
		}
	}
	return nil
}

func (c *Container) validateCgroup() error {
	r := &c.Resources
	if err := oneOf("--cgroups", r.Cgroups, "enabled", "disabled", "no-conmon", "split"); err != nil {
		return err
	}
	if r.Cgroups == "split" && r.CgroupParent != "" {
		return together("--cgroups=split", "--cgroup-parent")
	}
	for key := range r.CgroupConf {
		if key == "" || strings.ContainsAny(key, "/\n") {
			return fmt.Errorf("invalid --cgroup-conf %q: must name a file of the cgroup", key)
		}
	}
	for key := range r.Sysctl {
		if strings.ContainsAny(key, "/ \n") || !strings.Contains(key, ".") {
			return fmt.Errorf("invalid --sysctl %q: must be a name such as net.core.somaxconn", key)
		}
	}
	return nil
}
