package bundle

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/hostdev"
)

func TestGolden(t *testing.T) {
	for name, in := range goldenCases() {
		t.Run(name, func(t *testing.T) {
			config := generateOK(t, in)
			config.Linux.Seccomp = nil // has a golden of its own, and the filter tests that compute it
			delete(config.Annotations, filterAnnotation)
			golden(t, name, config)
		})
	}
}

func TestGoldenSeccomp(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the golden file is for amd64")
	}
	config := generateOK(t, sample())
	config.Process, config.Mounts, config.Annotations, config.Root = nil, nil, nil, nil
	config.Linux.Namespaces, config.Linux.MaskedPaths, config.Linux.ReadonlyPaths, config.Linux.Sysctl = nil, nil, nil, nil
	golden(t, "seccomp", config)
}

// goldenCases are whole containers; single rules have tests of their own.
func goldenCases() map[string]Input {
	return map[string]Input{
		"default":      sample(),
		"hybrid":       with(func(in *Input) { in.Host.CgroupVersion = 1 }),
		"root_limits":  rootWithLimits(),
		"user_limits":  userWithLimits(),
		"userns":       ownUserNS(),
		"host_all":     with(hostNamespaces),
		"mounts":       with(manyMounts),
		"systemd_init": with(systemdInit),
		"process":      with(processOptions),
		"privileged":   with(privileged),
		"selinux":      with(nestedLabels),
	}
}

func nestedLabels(in *Input) {
	in.Host.SELinux = true
	in.Spec.Security.Label = []string{"nested", "type:container_engine_t"}
	in.Spec.Security.SELinux = &spec.SELinuxLabels{
		Process: "system_u:system_r:container_engine_t:s0:c12,c345", Mount: "system_u:object_r:container_file_t:s0:c12,c345",
	}
}

func rootWithLimits() Input {
	return with(func(in *Input) {
		in.Host = Host{CgroupMode: CgroupFS, CgroupVersion: 2, Controllers: []string{"cpu", "cpuset", "memory", "pids", "io"}, Runtime: "runc"}
		in.Spec.Resources = spec.Resources{
			Memory: "512m", MemoryReservation: "256m", CPUs: 1.5, CPUShares: 512, CPUSetCPUs: "0-1", CPUSetMems: "0",
			BlkioWeight: 300, BlkioWeightDevice: []string{"/dev/sda:200"}, DeviceReadBPS: []string{"/dev/sda:1mb"},
			DeviceWriteBPS: []string{"/dev/sda:2mb"}, DeviceReadIOPS: []string{"/dev/sda:1000"}, DeviceWriteIOPS: []string{"/dev/sda:2000"},
			DeviceCgroupRule: []string{"c 1:* rwm"}, CgroupConf: map[string]string{"memory.high": "1073741824"},
			OOMScoreAdj: ptr(-500), RdtClass: "gold",
		}
		in.BlockDevices = map[string]hostdev.DeviceNumber{"/dev/sda": {Major: 8, Minor: 0}}
		in.Devices = []hostdev.Device{{Source: "/dev/fuse", Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Mode: 0o666, Perms: "rwm"}}
	})
}

func userWithLimits() Input {
	return with(func(in *Input) {
		in.Host.CgroupMode, in.Host.Controllers = CgroupBySystem, []string{"cpu", "memory", "pids"}
		in.Spec.Resources = spec.Resources{Memory: "64m", MemorySwap: "-1", CPUPeriod: 50000, CPUQuota: 25000, PidsLimit: ptr(int64(100))}
	})
}

func ownUserNS() Input {
	return with(func(in *Input) {
		keep := []spec.IDMap{{Container: 0, Host: 1, Size: 1000}, {Container: 1000, Host: 0, Size: 1}, {Container: 1001, Host: 1001, Size: 64536}}
		in.Spec.Isolation = spec.Isolation{User: "keep-id", Mapping: &spec.IDMapping{UIDs: keep, GIDs: keep}}
		in.Spec.Process.User = "1000:1000"
		in.User = User{UID: 1000, GID: 1000, Name: "ann", Home: "/home/ann"}
		in.Namespaces.Net = "" // made by the runtime, inside the new user namespace
		in.Files.Passwd, in.Files.Group = "/run/c/passwd", "/run/c/group"
	})
}

func hostNamespaces(in *Input) {
	in.Spec.Isolation = spec.Isolation{PID: "host", IPC: "host", UTS: "host", Cgroup: "host"}
	in.Spec.Network.Mode = "host"
	in.Namespaces.Net = ""
	in.Host.Mqueue = true
}

func manyMounts(in *Input) {
	in.Mounts = []spec.Mount{
		{Type: spec.MountVolume, Source: "/vols/data", Destination: "/data/deep", Anonymous: true, FromImage: true},
		{Type: spec.MountBind, Source: "/src", Destination: "/data", Options: []string{"ro", "rslave"}},
		{Type: spec.MountTmpfs, Destination: "/cache", Options: []string{"size=1.5m", "mode=1777"}, NoTmpCopyUp: true},
		{Type: spec.MountImage, Source: "/img", Destination: "/image"},
		{Type: spec.MountBind, Source: "/low", Destination: "/over", Overlay: true, UpperDir: "/up", WorkDir: "/wk"},
		{Type: spec.MountDevpts, Destination: "/pts", Options: []string{"uid=5"}},
		{Type: spec.MountBind, Source: "/my/hosts", Destination: "/etc/hosts"},
	}
	in.Devices = []hostdev.Device{
		{Source: "/dev/fuse", Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Perms: "rwm"},
		{Source: "/dev/zero", Path: "/dev/z", Type: "c", Major: 1, Minor: 5, Perms: "r"},
	}
	in.Spec.Mounts = spec.Mounts{ReadOnly: true, ShmSize: "10m", ChrootDirs: []string{"/jail"}}
	in.Files.Secrets, in.Files.Localtime = "/run/c/secrets", "/run/c/localtime"
}

func systemdInit(in *Input) {
	in.Spec.Process.Command, in.Image.Entrypoint = []string{"/sbin/init"}, nil
}

func processOptions(in *Input) {
	in.Spec.Remove = true
	in.Spec.Annotations = map[string]string{"my.key": "value"}
	in.Spec.Process = spec.Process{
		Command: []string{"sleep", "5"}, Entrypoint: &[]string{}, WorkDir: "/tmp/../var", User: "www", Groups: []string{"5"},
		Env: map[string]string{"B": "2", "A": "1", "LANG": "de"}, UnsetEnv: []string{"PATH"}, HTTPProxy: true, Terminal: true,
		Umask: "0077", Init: true, Personality: "linux32", StopSignal: "USR1",
	}
	in.User = User{UID: 33, GID: 33, Groups: []uint32{29, 5}, Name: "www", Home: "/var/www"}
	in.ExtraEnv = map[string]string{"TOKEN": "secret"}
	in.Host.Env = []string{"http_proxy=http://proxy:1", "HOME=/home/me"}
	in.Host.InitPath = "/usr/bin/catatonit"
	in.Spec.Security = spec.Security{CapAdd: []string{"net_raw"}, CapDrop: []string{"CAP_CHOWN"}, NoNewPrivileges: true,
		Mask: []string{"/proc/meminfo"}, Unmask: []string{"/proc/s*"}, ProcOpts: "hidepid=2"}
	in.Spec.Resources = spec.Resources{Ulimits: []string{"nofile=10:20000", "core=0"}, Sysctl: map[string]string{"net.core.somaxconn": "7"}, OOMScoreAdj: ptr(100)}
}

func privileged(in *Input) {
	in.Spec.Security.Privileged = true
	in.Host.Devices = []hostdev.Device{{Source: "/dev/kvm", Path: "/dev/kvm", Perms: "rwm"}, {Source: "/dev/null", Path: "/dev/null", Perms: "rwm"}}
}

func ptr[T any](v T) *T { return &v }

// TestDeterministic: equal input, equal output, whatever order maps have.
func TestDeterministic(t *testing.T) {
	var first string
	for range 20 {
		in := with(processOptions)
		body, err := json.Marshal(generateOK(t, in))
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(body)
		}
		if string(body) != first {
			t.Fatal("two runs differ")
		}
	}
}

// TestPure: Generate changes nothing of its input.
func TestPure(t *testing.T) {
	for name, in := range goldenCases() {
		before, _ := json.Marshal(in)
		generateOK(t, in)
		if after, _ := json.Marshal(in); string(after) != string(before) {
			t.Errorf("%s: the input was changed\n%s\n%s", name, before, after)
		}
	}
}

func TestVersionIsOld(t *testing.T) {
	if v := generateOK(t, sample()).Version; !strings.HasPrefix(v, "1.0.") {
		t.Errorf("ociVersion is %s, which crun 1.8.1 refuses", v)
	}
}
