// Package bundle turns what was asked for (spec.Container), an image's
// configuration and facts about the host into the configuration of an OCI
// runtime. It reads no file, asks no kernel and knows no global: the same
// Input gives the same config.json.
package bundle

import (
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/hostdev"
)

// Input is everything Generate needs. Whatever had to be looked up (users,
// mount sources, namespaces of others, devices) has been by the caller.
type Input struct {
	Spec *spec.Container // ID, Name, Created ... as stored
	// Image is the image's configuration, nil with --rootfs.
	Image *v1.ImageConfig
	// Rootfs is the mounted root file system, an absolute path.
	Rootfs string
	User   User
	// Rows and Cols are the terminal's first size, which the process sees from
	// its first instruction on; the monitor sets it later again. 0: not known.
	Rows, Cols uint16
	Hostname   string // resolved: never empty unless the UTS namespace is somebody else's

	// Mounts are Spec.Mounts.List and what came from --volumes-from, VOLUME
	// lines and secrets, resolved: the Source of a bind, volume or image is
	// an existing path of the host (a volume's directory, an image's mount
	// point), tmpfs and devpts need none, and a glob has become the binds of
	// its matches. Options stay as typed: Generate adds the defaults. With
	// Overlay set, and for images with ReadWrite, Source is the lower
	// directory and UpperDir and WorkDir exist. Where two have the same
	// Destination the later one wins (spec.MergeMounts orders them).
	Mounts []spec.Mount

	Files      Files
	Namespaces Namespaces
	// Devices are Spec.Mounts.Devices, resolved (hostdev.Resolve).
	Devices []hostdev.Device
	// BlockDevices are the numbers of the devices that
	// spec.Resources.BlockDevicePaths names (hostdev.Number).
	BlockDevices map[string]hostdev.DeviceNumber
	// ExtraEnv wins over every other variable: secrets of type "env", and
	// what one start adds (LISTEN_FDS, NOTIFY_SOCKET ...).
	ExtraEnv map[string]string
	// SeccompProfile is the content of the file Spec.Security.Seccomp
	// names; nil where that is "" or "unconfined".
	SeccompProfile []byte
	// CgroupParent is the slice (systemd) or the directory below the cgroup
	// root (cgroupfs) to live under; "" takes Spec.Resources.CgroupParent,
	// then Host.CgroupParent.
	CgroupParent string

	Host Host
}

// User is who the first process is, as found inside the root file system.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary: from /etc/group and --group-add
	Name     string   // "" when /etc/passwd does not know the uid
	Home     string   // "" counts as "/"
}

// NotifyDir is where a container finds the socket that stands for systemd's.
const NotifyDir = "/run/notify"

// Files are paths on the host of files made for this container, bound at
// their usual places. "" where none is wanted.
type Files struct {
	Hosts        string // /etc/hosts
	ResolvConf   string // /etc/resolv.conf
	Hostname     string // /etc/hostname
	Containerenv string // /run/.containerenv
	Passwd       string // /etc/passwd
	Group        string // /etc/group
	Localtime    string // /etc/localtime
	// Secrets is the directory bound at /run/secrets when a secret is mounted
	// below it; secrets elsewhere come as Input.Mounts.
	Secrets string
	// Notify is the directory of the socket that stands for systemd's.
	Notify string // NotifyDir
	// Shm is a mounted tmpfs shared with others, bound at /dev/shm. "" makes
	// one of the container's own (or binds the host's, with --ipc host).
	Shm string
}

// Namespaces are paths (/proc/PID/ns/..., or pinned files) of namespaces to
// join. "" means what the mode in the spec says: host, or one of its own.
// A mode that names somebody else's ("container:", "ns:", "pod") needs a path
// here, or Host set to true where that somebody has the host's.
type Namespaces struct {
	PID, IPC, UTS, Net, Cgroup, User string
	// PIDHost ... : the namespace joined turned out to be the host's.
	PIDHost, IPCHost, UTSHost, NetHost, CgroupHost bool
}

// Cgroup modes.
const (
	// CgroupNone: the runtime is told to leave cgroups alone. The bundle
	// names no cgroup and no limit; a limit asked for is an error.
	CgroupNone     = "none"
	CgroupFS       = "cgroupfs"
	CgroupBySystem = "systemd"
)

// Host is what Generate may know of the machine.
type Host struct {
	Rootless bool
	// UIDs and GIDs are the ids that exist in the user namespace carob runs
	// in: Container is the id inside it, Host the one outside (uid_map).
	// Empty: all of them (root).
	UIDs, GIDs []spec.IDMap

	CgroupMode    string   // CgroupNone, CgroupFS, CgroupBySystem
	CgroupReason  string   // why CgroupMode is CgroupNone, for error messages
	CgroupVersion int      // 1 (also hybrid) or 2
	Controllers   []string // that a container's cgroup will have: cpu, memory, pids, io ...
	CgroupParent  string   // default parent; "" user.slice, machine.slice or /carob
	OwnCgroup     string   // carob's own, for --cgroups=split

	Runtime string // base name: crun or runc
	// Rlimits are carob's own limits by name as in ulimit(3) options of
	// --ulimit (nofile, nproc, ...). A missing one is not clamped.
	Rlimits map[string]Rlimit
	// Env is carob's environment as NAME=VALUE, for proxy variables only.
	Env         []string
	OOMScoreAdj int // carob's own, which an unprivileged user cannot go below

	// Capabilities is the bounding set (CapBnd of /proc/self/status); 0: all
	// that this version knows.
	Capabilities uint64
	Mqueue       bool // /dev/mqueue is mounted on the host (for --ipc host)

	AppArmor        bool // the kernel has it; only root may apply profiles
	AppArmorMissing bool // the profile asked for is not loaded
	SELinux         bool // the kernel enforces or logs a policy

	Devices  []hostdev.Device // all of the host's, for --privileged as root (hostdev.All)
	InitPath string           // catatonit, for --init; "" when not installed
}

// Rlimit is a resource limit; math.MaxUint64 is "unlimited".
type Rlimit struct{ Soft, Hard uint64 }
