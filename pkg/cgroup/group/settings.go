// Package group makes control groups that hold containers and limit them
// together: directories of the hierarchy, or slices of systemd.
package group

import (
	"fmt"
	"strconv"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
)

// setting is a limit as cgroup v2 wants it (Documentation/admin-guide/
// cgroup-v2.rst of the kernel): one line for one file.
type setting struct{ controller, file, value string }

// settings translates limits. OCI counts shares from 2 to 262144 and weights
// from 10 to 1000, the kernel both from 1 to 10000.
func settings(r *rspec.LinuxResources) []setting {
	var all []setting
	add := func(file, value string) {
		controller, _, _ := strings.Cut(file, ".")
		all = append(all, setting{controller, file, value})
	}
	if m := r.Memory; m != nil {
		addNumber(add, "memory.max", m.Limit)
		addNumber(add, "memory.low", m.Reservation)
		if swap := swapOnly(m); swap != nil {
			addNumber(add, "memory.swap.max", swap)
		}
	}
	if c := r.CPU; c != nil {
		if c.Shares != nil {
			add("cpu.weight", fmt.Sprint(weightOfShares(*c.Shares)))
		}
		if c.Quota != nil || c.Period != nil {
			add("cpu.max", quota(c)+" "+fmt.Sprint(period(c)))
		}
		if c.Cpus != "" {
			add("cpuset.cpus", c.Cpus)
		}
		if c.Mems != "" {
			add("cpuset.mems", c.Mems)
		}
	}
	if r.Pids != nil {
		addNumber(add, "pids.max", r.Pids.Limit)
	}
	if b := r.BlockIO; b != nil {
		addBlockIO(add, b)
	}
	return all
}

func addNumber(add func(file, value string), file string, n *int64) {
	switch {
	case n == nil:
	case *n < 0:
		add(file, "max")
	default:
		add(file, strconv.FormatInt(*n, 10))
	}
}

// swapOnly is the limit of swap, which OCI counts together with memory.
func swapOnly(m *rspec.LinuxMemory) *int64 {
	if m.Swap == nil || *m.Swap < 0 || m.Limit == nil {
		return m.Swap
	}
	n := max(0, *m.Swap-*m.Limit)
	return &n
}

func weightOfShares(shares uint64) uint64 { return 1 + (max(shares, 2)-2)*9999/262142 }

func weightOfBlkio(w uint16) uint64 { return 1 + (uint64(max(w, 10))-10)*9999/990 }

func period(c *rspec.LinuxCPU) uint64 {
	if c.Period != nil && *c.Period != 0 {
		return *c.Period
	}
	return 100000
}

func quota(c *rspec.LinuxCPU) string {
	if c.Quota == nil || *c.Quota <= 0 {
		return "max"
	}
	return strconv.FormatInt(*c.Quota, 10)
}

func addBlockIO(add func(file, value string), b *rspec.LinuxBlockIO) {
	if b.Weight != nil {
		add("io.weight", fmt.Sprint(weightOfBlkio(*b.Weight)))
	}
	for _, d := range b.WeightDevice {
		if d.Weight != nil {
			add("io.weight", fmt.Sprintf("%d:%d %d", d.Major, d.Minor, weightOfBlkio(*d.Weight)))
		}
	}
	for _, list := range []struct {
		key     string
		devices []rspec.LinuxThrottleDevice
	}{
		{"rbps", b.ThrottleReadBpsDevice}, {"wbps", b.ThrottleWriteBpsDevice},
		{"riops", b.ThrottleReadIOPSDevice}, {"wiops", b.ThrottleWriteIOPSDevice},
	} {
		for _, d := range list.devices {
			add("io.max", fmt.Sprintf("%d:%d %s=%d", d.Major, d.Minor, list.key, d.Rate))
		}
	}
}
