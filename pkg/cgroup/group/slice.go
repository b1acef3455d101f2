package group

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/pkg/cgroup"
)

// property is one of systemd's (org.freedesktop.systemd1(5)).
type property struct {
	Name  string
	Value dbus.Variant
}

type auxiliary struct {
	Name       string
	Properties []property
}

func set(name string, value any) property { return property{name, dbus.MakeVariant(value)} }

const (
	manager     = "org.freedesktop.systemd1.Manager."
	unitExists  = "org.freedesktop.systemd1.UnitExists"
	noSuchUnit  = "org.freedesktop.systemd1.NoSuchUnit"
	scopeWait   = 2 * time.Second
	scopeGlance = 200 * time.Microsecond
)

func call(ctx context.Context, conn *dbus.Conn, method string, args ...any) error {
	object := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	return object.CallWithContext(ctx, manager+method, 0, args...).Err
}

func isError(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

// StartSlice starts a slice with limits, or sets those of one that is there.
func StartSlice(ctx context.Context, conn *dbus.Conn, name string, limits *rspec.LinuxResources) error {
	list, err := properties(limits)
	if err != nil {
		return err
	}
	all := append([]property{set("Description", "carob pod")}, list...)
	err = call(ctx, conn, "StartTransientUnit", name, "replace", all, []auxiliary{})
	if isError(err, unitExists) && len(list) == 0 {
		return nil
	}
	if isError(err, unitExists) {
		err = call(ctx, conn, "SetUnitProperties", name, true, list)
	}
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", name, err)
	}
	return nil
}

// StopSlice stops a slice and all in it. One that is gone is no error.
func StopSlice(ctx context.Context, conn *dbus.Conn, name string) error {
	if err := call(ctx, conn, "StopUnit", name, "replace"); err != nil && !isError(err, noSuchUnit) {
		return fmt.Errorf("cannot stop %s: %w", name, err)
	}
	return nil
}

// StartScope moves a process into a scope of its own in a slice, and waits
// until it is there.
func StartScope(ctx context.Context, conn *dbus.Conn, name, slice string, pid int) error {
	all := []property{set("Description", "carob pod"), set("Slice", slice), set("PIDs", []uint32{uint32(pid)})}
	if err := call(ctx, conn, "StartTransientUnit", name, "fail", all, []auxiliary{}); err != nil {
		return fmt.Errorf("cannot start %s: %w", name, err)
	}
	for end := time.Now().Add(scopeWait); ; time.Sleep(scopeGlance) {
		path, err := cgroup.PathOf(strconv.Itoa(pid))
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, "/"+name) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("cannot start %s: process %d is still in %s", name, pid, path)
		}
	}
}

// properties translates limits for systemd.
func properties(r *rspec.LinuxResources) ([]property, error) {
	var all []property
	number := func(name string, n *int64) {
		switch {
		case n == nil:
		case *n < 0:
			all = append(all, set(name, ^uint64(0))) // infinity
		default:
			all = append(all, set(name, uint64(*n)))
		}
	}
	if m := r.Memory; m != nil {
		number("MemoryMax", m.Limit)
		number("MemoryLow", m.Reservation)
		number("MemorySwapMax", swapOnly(m))
	}
	if r.Pids != nil {
		number("TasksMax", r.Pids.Limit)
	}
	cpu, err := cpuProperties(r.CPU)
	if err != nil {
		return nil, err
	}
	return append(append(all, cpu...), ioProperties(r.BlockIO)...), nil
}

func cpuProperties(c *rspec.LinuxCPU) ([]property, error) {
	if c == nil {
		return nil, nil
	}
	var all []property
	if c.Shares != nil {
		all = append(all, set("CPUWeight", weightOfShares(*c.Shares)))
	}
	if c.Quota != nil && *c.Quota > 0 {
		// systemd counts whole percents, 10 ms in a second: rather more than less.
		const percent = 10000
		perSecond := uint64(*c.Quota) * 1000000 / period(c)
		all = append(all, set("CPUQuotaPeriodUSec", period(c)), set("CPUQuotaPerSecUSec", (perSecond+percent-1)/percent*percent))
	}
	for _, s := range []struct{ name, list string }{{"AllowedCPUs", c.Cpus}, {"AllowedMemoryNodes", c.Mems}} {
		if s.list == "" {
			continue
		}
		mask, err := bitmask(s.list)
		if err != nil {
			return nil, err
		}
		all = append(all, set(s.name, mask))
	}
	return all, nil
}

// bitmask turns "0-2,5" into bits, the lowest first.
func bitmask(list string) ([]byte, error) {
	var mask []byte
	for word := range strings.SplitSeq(list, ",") {
		first, last, many := strings.Cut(strings.TrimSpace(word), "-")
		if !many {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 12)
		to, err2 := strconv.ParseUint(last, 10, 12)
		if err = errors.Join(err, err2); err != nil || from > to {
			return nil, fmt.Errorf("cannot understand the list %q", list)
		}
		for n := from; n <= to; n++ {
			for uint64(len(mask)) <= n/8 {
				mask = append(mask, 0)
			}
			mask[n/8] |= 1 << (n % 8)
		}
	}
	return mask, nil
}

// deviceValue is a device, by the name it always has, and a number for it.
type deviceValue struct {
	Path  string
	Value uint64
}

func blockPath(major, minor int64) string { return fmt.Sprintf("/dev/block/%d:%d", major, minor) }

func ioProperties(b *rspec.LinuxBlockIO) []property {
	if b == nil {
		return nil
	}
	var all []property
	if b.Weight != nil {
		all = append(all, set("IOWeight", weightOfBlkio(*b.Weight)))
	}
	var weights []deviceValue
	for _, d := range b.WeightDevice {
		if d.Weight != nil {
			weights = append(weights, deviceValue{blockPath(d.Major, d.Minor), weightOfBlkio(*d.Weight)})
		}
	}
	if len(weights) > 0 {
		all = append(all, set("IODeviceWeight", weights))
	}
	for _, list := range []struct {
		name    string
		devices []rspec.LinuxThrottleDevice
	}{
		{"IOReadBandwidthMax", b.ThrottleReadBpsDevice}, {"IOWriteBandwidthMax", b.ThrottleWriteBpsDevice},
		{"IOReadIOPSMax", b.ThrottleReadIOPSDevice}, {"IOWriteIOPSMax", b.ThrottleWriteIOPSDevice},
	} {
		var values []deviceValue
		for _, d := range list.devices {
			values = append(values, deviceValue{blockPath(d.Major, d.Minor), d.Rate})
		}
		if len(values) > 0 {
			all = append(all, set(list.name, values))
		}
	}
	return all
}
