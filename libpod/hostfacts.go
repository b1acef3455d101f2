package libpod

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/oci"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/cgroup"
	"github.com/carob-containers/carob/pkg/hostdev"
	"github.com/carob-containers/carob/pkg/selinux"
	"github.com/carob-containers/carob/pkg/userns"
)

// hostFacts tells the bundle what this machine is.
func (rt *Runtime) hostFacts(r *oci.Runtime, c *spec.Container) (bundle.Host, error) {
	h := bundle.Host{
		Rootless: rootless(), Runtime: r.Name, CgroupVersion: r.Cgroups.Version, CgroupReason: r.Cgroups.Reason,
		Controllers: r.Cgroups.Controllers, OwnCgroup: r.Cgroups.Own, CgroupParent: r.Cgroups.Own,
		SELinux: selinux.Enabled(), Env: os.Environ(), Rlimits: rlimits(), OOMScoreAdj: oomScore(), InitPath: rt.initProgram(c),
	}
	switch {
	case c.Resources.Cgroups == "disabled":
		h.CgroupMode, h.CgroupReason = bundle.CgroupNone, "--cgroups=disabled was asked for"
	case r.Cgroups.Manager == cgroup.None:
		h.CgroupMode = bundle.CgroupNone
	case r.Cgroups.Manager == cgroup.Systemd:
		h.CgroupMode, h.CgroupParent = bundle.CgroupBySystem, ""
	default:
		h.CgroupMode = bundle.CgroupFS
	}
	if h.Rootless {
		uids, gids, err := userns.Mapping()
		if err != nil {
			return h, err
		}
		h.UIDs, h.GIDs = specMaps(uids), specMaps(gids)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, err
	}
	h.Capabilities = capBnd(string(status))
	if strings.HasSuffix(c.Isolation.IPC, "host") {
		h.Mqueue = isMqueue("/dev/mqueue")
	}
	if profile := c.Security.AppArmor; profile != "" {
		h.AppArmor, h.AppArmorMissing = appArmorEnabled(), appArmorMissing(profile)
	}
	if c.Security.Privileged {
		if h.Devices, err = hostdev.All(); err != nil {
			return h, err
		}
	}
	return h, nil
}

func specMaps(maps []userns.IDMap) []spec.IDMap {
	out := make([]spec.IDMap, 0, len(maps))
	for _, m := range maps {
		out = append(out, spec.IDMap{Container: m.Container, Host: m.Host, Size: m.Size})
	}
	return out
}

// rlimits are carob's own, which an unprivileged user cannot raise.
func rlimits() map[string]bundle.Rlimit {
	names := map[string]int{
		"core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE,
		"locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE,
		"nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS,
		"rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING,
		"stack": unix.RLIMIT_STACK, "as": unix.RLIMIT_AS,
	}
	out := make(map[string]bundle.Rlimit, len(names))
	for name, n := range names {
		var l unix.Rlimit
		if unix.Prlimit(0, n, nil, &l) == nil { // prlimit: Go's Getrlimit hides the soft nofile it raised
			out[name] = bundle.Rlimit{Soft: l.Cur, Hard: l.Max}
		}
	}
	return out
}

func oomScore() int {
	b, _ := os.ReadFile("/proc/self/oom_score_adj")
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// capBnd is the bounding set of a /proc/PID/status.
func capBnd(status string) uint64 {
	_, rest, _ := strings.Cut(status, "CapBnd:\t")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return n
}

// appArmorEnabled tells whether the kernel has AppArmor switched on.
func appArmorEnabled() bool {
	b, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && len(b) > 0 && b[0] == 'Y'
}

// appArmorMissing tells whether the profile is known not to be loaded; only
// root may read the list.
func appArmorMissing(profile string) bool {
	b, err := os.ReadFile("/sys/kernel/security/apparmor/profiles")
	return err == nil && !strings.HasPrefix(string(b), profile+" (") && !strings.Contains(string(b), "\n"+profile+" (")
}

func isMqueue(path string) bool {
	const mqueueMagic = 0x19800202
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == mqueueMagic
}

// initProgram finds what --init runs as process 1.
func (rt *Runtime) initProgram(c *spec.Container) string {
	if !c.Process.Init {
		return ""
	}
	if c.Process.InitPath != "" {
		return c.Process.InitPath
	}
	for _, dir := range rt.opts.HelperDirs {
		if p := filepath.Join(dir, "catatonit"); isProgram(p) {
			return p
		}
	}
	for _, p := range []string{"/usr/libexec/podman/catatonit", "/usr/libexec/catatonit/catatonit", "/usr/bin/catatonit"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	p, _ := exec.LookPath("catatonit")
	return p
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
