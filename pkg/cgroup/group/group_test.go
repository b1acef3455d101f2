package group

import (
	"fmt"
	"slices"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
)

func ptr[T any](v T) *T { return &v }

func limits() *rspec.LinuxResources {
	disk := rspec.LinuxThrottleDevice{Rate: 1000}
	disk.Major, disk.Minor = 8, 16
	return &rspec.LinuxResources{
		Memory: &rspec.LinuxMemory{Limit: ptr(int64(100 << 20)), Swap: ptr(int64(150 << 20)), Reservation: ptr(int64(10 << 20))},
		CPU:    &rspec.LinuxCPU{Shares: ptr(uint64(1024)), Quota: ptr(int64(33333)), Period: ptr(uint64(100000)), Cpus: "0-2,9"},
		Pids:   &rspec.LinuxPids{Limit: ptr(int64(-1))},
		BlockIO: &rspec.LinuxBlockIO{
			Weight: ptr(uint16(1000)), ThrottleReadBpsDevice: []rspec.LinuxThrottleDevice{disk}, ThrottleWriteIOPSDevice: []rspec.LinuxThrottleDevice{disk},
		},
	}
}

func TestSettings(t *testing.T) {
	var got []string
	for _, s := range settings(limits()) {
		got = append(got, s.controller+" "+s.file+"="+s.value)
	}
	want := []string{
		"memory memory.max=104857600", "memory memory.low=10485760", "memory memory.swap.max=52428800",
		"cpu cpu.weight=39", "cpu cpu.max=33333 100000", "cpuset cpuset.cpus=0-2,9", "pids pids.max=max",
		"io io.weight=10000", "io io.max=8:16 rbps=1000", "io io.max=8:16 wiops=1000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	if rest := settings(&rspec.LinuxResources{}); len(rest) != 0 {
		t.Errorf("no limits became %v", rest)
	}
}

func TestProperties(t *testing.T) {
	list, err := properties(limits())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range list {
		got[p.Name] = fmt.Sprint(p.Value.Value())
	}
	for name, want := range map[string]string{
		"MemoryMax": "104857600", "MemoryLow": "10485760", "MemorySwapMax": "52428800", "TasksMax": "18446744073709551615",
		"CPUWeight": "39", "CPUQuotaPeriodUSec": "100000", "CPUQuotaPerSecUSec": "340000", "AllowedCPUs": "[7 2]", "IOWeight": "10000",
		"IOReadBandwidthMax": "[{/dev/block/8:16 1000}]", "IOWriteIOPSMax": "[{/dev/block/8:16 1000}]",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("unexpected: %v", got)
	}
}

func TestUnlimitedSwap(t *testing.T) {
	r := &rspec.LinuxResources{Memory: &rspec.LinuxMemory{Limit: ptr(int64(5)), Swap: ptr(int64(-1))}}
	if s := settings(r); len(s) != 2 || s[1].value != "max" {
		t.Errorf("got %v", s)
	}
}

func TestBadCPUList(t *testing.T) {
	for _, list := range []string{"x", "3-1", "1-", "99999"} {
		if _, err := bitmask(list); err == nil {
			t.Errorf("%q is taken", list)
		}
	}
}

func TestAncestors(t *testing.T) {
	if got := slices.Collect(ancestors("/a/b")); !slices.Equal(got, []string{"/", "/a", "/a/b"}) {
		t.Errorf("got %q", got)
	}
	if got := slices.Collect(ancestors("/")); !slices.Equal(got, []string{"/"}) {
		t.Errorf("got %q", got)
	}
}
