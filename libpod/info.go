package libpod

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/selinux"
	"github.com/carob-containers/carob/pkg/userns"
)

// Info describes the host and what carob keeps there, with podman's keys.
type Info struct {
	Host       HostInfo       `json:"host"`
	Store      StoreInfo      `json:"store"`
	Registries map[string]any `json:"registries"`
	Plugins    PluginInfo     `json:"plugins"`
	Version    any            `json:"version"` // filled in by the program
}

// HostInfo is the machine.
type HostInfo struct {
	Arch              string           `json:"arch"`
	BuildahVersion    string           `json:"buildahVersion"`
	CgroupManager     string           `json:"cgroupManager"`
	CgroupsVersion    string           `json:"cgroupVersion"`
	CgroupControllers []string         `json:"cgroupControllers"`
	Conmon            ProgramInfo      `json:"conmon"`
	CPUs              int              `json:"cpus"`
	CPUUtilization    CPUInfo          `json:"cpuUtilization"`
	Distribution      DistributionInfo `json:"distribution"`
	EventLogger       string           `json:"eventLogger"`
	Hostname          string           `json:"hostname"`
	IDMappings        IDMappingInfo    `json:"idMappings"`
	Kernel            string           `json:"kernel"`
	LogDriver         string           `json:"logDriver"`
	MemFree           int64            `json:"memFree"` // bytes
	MemTotal          int64            `json:"memTotal"`
	NetworkBackend    string           `json:"networkBackend"`
	OCIRuntime        RuntimeInfo      `json:"ociRuntime"`
	OS                string           `json:"os"`
	RemoteSocket      SocketInfo       `json:"remoteSocket"`
	RuntimeInfo       map[string]any   `json:"runtimeInfo,omitempty"` // of podman's, which leaves it empty
	ServiceIsRemote   bool             `json:"serviceIsRemote"`
	Security          SecurityInfo     `json:"security"`
	Pasta             HelperInfo       `json:"pasta"`
	Slirp4NetNS       HelperInfo       `json:"slirp4netns"`
	SwapFree          int64            `json:"swapFree"`
	SwapTotal         int64            `json:"swapTotal"`
	Uptime            string           `json:"uptime"`
	Linkmode          string           `json:"linkmode"`
}

// ProgramInfo is the monitor, under the name podman's has.
type ProgramInfo struct {
	Package string `json:"package"`
	Path    string `json:"path"`
	Version string `json:"version"`
}

// RuntimeInfo is the OCI runtime.
type RuntimeInfo struct {
	Name    string `json:"name"`
	Package string `json:"package"`
	Path    string `json:"path"`
	Version string `json:"version"`
}

// HelperInfo is a program that makes networks; empty when not installed.
type HelperInfo struct {
	Executable string `json:"executable"`
	Package    string `json:"package"`
	Version    string `json:"version"`
}

// CPUInfo is what the processors did since the machine was started.
type CPUInfo struct {
	UserPercent   float64 `json:"userPercent"`
	SystemPercent float64 `json:"systemPercent"`
	IdlePercent   float64 `json:"idlePercent"`
}

// DistributionInfo is os-release(5).
type DistributionInfo struct {
	Distribution string `json:"distribution"`
	Variant      string `json:"variant,omitempty"`
	Version      string `json:"version"`
	Codename     string `json:"codename,omitempty"`
}

// IDMappingInfo are the ids containers have.
type IDMappingInfo struct {
	GIDMap []IDMapInfo `json:"gidmap"`
	UIDMap []IDMapInfo `json:"uidmap"`
}

// IDMapInfo is a line of a mapping.
type IDMapInfo struct {
	ContainerID uint32 `json:"container_id"`
	HostID      uint32 `json:"host_id"`
	Size        uint32 `json:"size"`
}

// SocketInfo is where an API would be.
type SocketInfo struct {
	Path   string `json:"path,omitempty"`
	Exists bool   `json:"exists,omitempty"`
}

// SecurityInfo is what protects the host from containers.
type SecurityInfo struct {
	AppArmorEnabled     bool   `json:"apparmorEnabled"`
	DefaultCapabilities string `json:"capabilities"`
	Rootless            bool   `json:"rootless"`
	SECCOMPEnabled      bool   `json:"seccompEnabled"`
	SECCOMPProfilePath  string `json:"seccompProfilePath"` // "": carob's own
	SELinuxEnabled      bool   `json:"selinuxEnabled"`
}

// StoreInfo is containers/storage and what is in it.
type StoreInfo struct {
	ConfigFile         string            `json:"configFile"`
	ContainerStore     ContainerCount    `json:"containerStore"`
	GraphDriverName    string            `json:"graphDriverName"`
	GraphOptions       map[string]any    `json:"graphOptions"`
	GraphRoot          string            `json:"graphRoot"`
	GraphRootAllocated uint64            `json:"graphRootAllocated"` // bytes
	GraphRootUsed      uint64            `json:"graphRootUsed"`
	GraphStatus        map[string]string `json:"graphStatus"`
	ImageCopyTmpDir    string            `json:"imageCopyTmpDir"`
	ImageStore         ImageCount        `json:"imageStore"`
	RunRoot            string            `json:"runRoot"`
	VolumePath         string            `json:"volumePath"`
}

// ContainerCount counts containers by state.
type ContainerCount struct {
	Number  int `json:"number"`
	Paused  int `json:"paused"`
	Running int `json:"running"`
	Stopped int `json:"stopped"`
}

// ImageCount counts images.
type ImageCount struct {
	Number int `json:"number"`
}

// PluginInfo is what can be chosen by name.
type PluginInfo struct {
	Volume        []string `json:"volume"`
	Network       []string `json:"network"`
	Log           []string `json:"log"`
	Authorization []string `json:"authorization"`
}

// Info gathers it. Programs that are not installed are left empty: telling
// what is missing is what info is for.
func (rt *Runtime) Info(ctx context.Context) (*Info, error) {
	info := &Info{Registries: map[string]any{}, Plugins: PluginInfo{
		Volume: []string{"local"}, Network: []string{netNone, netHost, netPasta, netSlirp},
		Log: []string{"k8s-file", "json-file", "journald", "none", "passthrough"},
	}}
	if err := rt.hostInfo(ctx, &info.Host); err != nil {
		return nil, err
	}
	search, err := image.SearchRegistries()
	if err != nil {
		return nil, err
	}
	if len(search) > 0 {
		info.Registries["search"] = search
	}
	return info, rt.storeInfo(ctx, &info.Store)
}

func (rt *Runtime) hostInfo(ctx context.Context, h *HostInfo) error {
	h.Arch, h.OS, h.CPUs = runtime.GOARCH, runtime.GOOS, runtime.NumCPU()
	h.EventLogger, h.LogDriver, h.NetworkBackend, h.Linkmode = rt.eventLogger(), "k8s-file", netPasta, "dynamic"
	h.Conmon = ProgramInfo{Package: "carob", Path: rt.opts.Monitor, Version: "carob-monitor"}
	h.CgroupControllers = []string{}
	if r, err := rt.OCI(); err == nil {
		h.OCIRuntime = RuntimeInfo{Name: r.Name, Path: r.Path, Version: programVersion(ctx, r.Path)}
		h.CgroupManager, h.CgroupsVersion = r.Cgroups.Manager, "v"+strconv.Itoa(r.Cgroups.Version)
		h.CgroupControllers = append(h.CgroupControllers, r.Cgroups.Controllers...)
	}
	for name, dst := range map[string]*HelperInfo{"pasta": &h.Pasta, "slirp4netns": &h.Slirp4NetNS} {
		if path, err := exec.LookPath(name); err == nil {
			*dst = HelperInfo{Executable: path, Version: programVersion(ctx, path)}
		}
	}
	h.Security = rt.securityInfo()
	h.Distribution = distribution()
	h.CPUUtilization = cpuInfo()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	h.Kernel, h.Hostname = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Nodename[:])
	h.memory()
	uids, gids, err := userns.Mapping()
	h.IDMappings = IDMappingInfo{UIDMap: idMapInfo(uids), GIDMap: idMapInfo(gids)}
	return err
}

// programVersion is what a program prints for --version.
func programVersion(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, path, "--version").Output()
	return strings.TrimSpace(string(out))
}

func idMapInfo(maps []userns.IDMap) []IDMapInfo {
	out := []IDMapInfo{}
	for _, m := range maps {
		out = append(out, IDMapInfo{m.Container, m.Host, m.Size})
	}
	return out
}

func (rt *Runtime) securityInfo() SecurityInfo {
	s := SecurityInfo{Rootless: rootless()}
	s.AppArmorEnabled = appArmorEnabled() && !s.Rootless
	s.SELinuxEnabled = selinux.Enabled()
	_, err := os.Stat("/proc/sys/kernel/seccomp/actions_avail")
	s.SECCOMPEnabled = err == nil
	s.DefaultCapabilities = strings.Join(fullNames(bundle.DefaultCapabilities()), ",")
	return s
}

// distribution reads os-release(5).
func distribution() DistributionInfo {
	body, err := os.ReadFile("/etc/os-release")
	if err != nil {
		body, _ = os.ReadFile("/usr/lib/os-release")
	}
	values := map[string]string{}
	for line := range strings.SplitSeq(string(body), "\n") {
		key, value, _ := strings.Cut(line, "=")
		values[key] = strings.Trim(value, `"'`)
	}
	return DistributionInfo{firstOf(values["ID"], "unknown"), values["VARIANT_ID"], firstOf(values["VERSION_ID"], "unknown"), values["VERSION_CODENAME"]}
}

// cpuInfo reads the first line of /proc/stat.
func cpuInfo() CPUInfo {
	body, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(body), "\n")
	f := strings.Fields(line)
	var n [5]float64
	total := 0.0
	for i := 1; i < len(f) && i < 9; i++ {
		v, _ := strconv.ParseFloat(f[i], 64)
		total += v
		if i < len(n) {
			n[i] = v
		}
	}
	if total == 0 {
		return CPUInfo{}
	}
	percent := func(v float64) float64 { return float64(int(v/total*10000+0.5)) / 100 }
	return CPUInfo{UserPercent: percent(n[1] + n[2]), SystemPercent: percent(n[3]), IdlePercent: percent(n[4])}
}

func (h *HostInfo) memory() {
	body, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.SplitSeq(string(body), "\n") {
		key, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "MemTotal":
			h.MemTotal = kib << 10
		case "MemFree":
			h.MemFree = kib << 10
		case "SwapTotal":
			h.SwapTotal = kib << 10
		case "SwapFree":
			h.SwapFree = kib << 10
		}
	}
	up, _ := os.ReadFile("/proc/uptime")
	word, _, _ := strings.Cut(string(up), " ")
	seconds, _ := strconv.ParseFloat(word, 64)
	d := time.Duration(seconds) * time.Second
	h.Uptime = fmt.Sprintf("%dh %dm %.2fs", int(d.Hours()), int(d.Minutes())%60, float64(int(d.Seconds())%60))
	if d > time.Hour {
		h.Uptime += fmt.Sprintf(" (Approximately %.2f days)", d.Hours()/24)
	}
}

func (rt *Runtime) storeInfo(ctx context.Context, s *StoreInfo) error {
	images, err := rt.Images()
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	p := images.Paths()
	*s = StoreInfo{ConfigFile: config, GraphDriverName: p.Driver, GraphOptions: map[string]any{}, GraphRoot: p.GraphRoot, RunRoot: p.RunRoot,
		GraphStatus: map[string]string{}, ImageCopyTmpDir: firstOf(os.Getenv("TMPDIR"), "/var/tmp"), VolumePath: rt.dirs.Volumes()}
	for _, o := range images.Storage().GraphOptions() {
		key, value, _ := strings.Cut(o, "=")
		s.GraphOptions[key] = value
	}
	status, err := images.Storage().Status()
	if err != nil {
		return err
	}
	for _, pair := range status {
		s.GraphStatus[pair[0]] = pair[1]
	}
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Clean(p.GraphRoot), &st); err == nil {
		s.GraphRootAllocated = st.Blocks * uint64(st.Bsize)
		s.GraphRootUsed = (st.Blocks - st.Bfree) * uint64(st.Bsize)
	}
	list, err := images.Images()
	if err != nil {
		return err
	}
	s.ImageStore.Number = len(list)
	return rt.countContainers(ctx, &s.ContainerStore)
}

func (rt *Runtime) countContainers(ctx context.Context, n *ContainerCount) error {
	all, err := rt.Containers(ctx)
	if err != nil {
		return err
	}
	n.Number = len(all)
	for _, c := range all {
		st, err := c.State()
		switch {
		case err != nil:
			n.Number-- // removed meanwhile
		case st.Status == StatePaused:
			n.Paused++
		case st.Running():
			n.Running++
		default:
			n.Stopped++
		}
	}
	return nil
}

// CapabilityNames are those that can be added and dropped, without CAP_.
func CapabilityNames() []string { return bundle.AllCapabilities() }
