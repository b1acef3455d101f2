// Package spec holds the structs that say what a user asked for, and their
// validation. Every front end (command line, Kubernetes YAML, Quadlet, ...)
// only builds these structs; they are stored as asked, and nothing that the
// host or the kernel decides is written into them.
package spec

import (
	"slices"
	"time"
)

// Container is one container as asked for. The zero value of every field
// means "not asked": the image or the default decides.
type Container struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// CreateCommand is the argv that made it, for inspect and generate.
	CreateCommand []string `json:"create_command,omitempty"`

	// Image is the reference as typed, ImageID and ImageName what it
	// resolved to. All three are empty when Rootfs is set.
	Image     string  `json:"image,omitempty"`
	ImageID   string  `json:"image_id,omitempty"`
	ImageName string  `json:"image_name,omitempty"`
	Rootfs    *Rootfs `json:"rootfs,omitempty"`

	Pod         string            `json:"pod,omitempty"`       // pod ID
	Infra       bool              `json:"infra,omitempty"`     // it is its pod's infra container
	InitType    string            `json:"init_type,omitempty"` // init containers of a pod: always or once
	Requires    []string          `json:"requires,omitempty"`  // container IDs that must run first
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Remove      bool              `json:"remove,omitempty"` // --rm
	CIDFile     string            `json:"cid_file,omitempty"`
	PIDFile     string            `json:"pid_file,omitempty"`
	// MonitorPIDFile (--conmon-pidfile) gets the monitor's process id.
	MonitorPIDFile string `json:"monitor_pid_file,omitempty"`

	Process   Process   `json:"process"`
	Mounts    Mounts    `json:"mounts"`
	Isolation Isolation `json:"isolation"`
	Security  Security  `json:"security"`
	Resources Resources `json:"resources"`
	Network   Network   `json:"network"`
	Log       Log       `json:"log"`
	Restart   Restart   `json:"restart"`
	Health    *Health   `json:"health,omitempty"`
	Startup   *Health   `json:"startup_health,omitempty"`
	Probes    *Probes   `json:"probes,omitempty"`
	Hooks     *Hooks    `json:"hooks,omitempty"`
}

// Rootfs is a directory that serves as root file system instead of an image.
type Rootfs struct {
	Path    string `json:"path"`
	Overlay bool   `json:"overlay,omitempty"` // :O, changes are kept apart
}

// Process says what runs inside and how it is stopped.
type Process struct {
	// Command are the words after the image. nil: the image's CMD.
	Command []string `json:"command,omitempty"`
	// Entrypoint nil: the image's; pointing to an empty list: none.
	Entrypoint *[]string `json:"entrypoint,omitempty"`
	WorkDir    string    `json:"workdir,omitempty"`
	// User is name, uid, name:group, uid:gid ... resolved in the image.
	User   string            `json:"user,omitempty"`
	Groups []string          `json:"groups,omitempty"` // --group-add; "keep-groups" stands alone
	Env    map[string]string `json:"env,omitempty"`
	// EnvTemplates are variables whose values name secret ones as $(NAME), see
	// Expand; they are put in at each start. With CommandTemplate the words of
	// Entrypoint and Command do so, too.
	EnvTemplates    map[string]string `json:"env_templates,omitempty"`
	CommandTemplate bool              `json:"command_template,omitempty"`
	// EnvDefaults (containers.conf's env) give way to the image's variables.
	EnvDefaults map[string]string `json:"env_defaults,omitempty"`
	// EnvMerge are NAME=VALUE words whose $NAME and ${NAME} stand for the
	// image's variables; Env overrides them.
	EnvMerge    []string `json:"env_merge,omitempty"`
	UnsetEnv    []string `json:"unset_env,omitempty"`
	UnsetEnvAll bool     `json:"unset_env_all,omitempty"`
	HTTPProxy   bool     `json:"http_proxy,omitempty"` // pass the host's proxy variables
	Terminal    bool     `json:"terminal,omitempty"`
	Stdin       bool     `json:"stdin,omitempty"`
	Umask       string   `json:"umask,omitempty"` // octal, "" means 0022
	Timezone    string   `json:"timezone,omitempty"`
	Init        bool     `json:"init,omitempty"`
	InitPath    string   `json:"init_path,omitempty"`
	// Systemd is "true", "false" or "always"; "" means "true": on when the
	// command is an init.
	Systemd string `json:"systemd,omitempty"`
	// PasswdEntry and GroupEntry are templates for the lines added to
	// /etc/passwd and /etc/group; NoPasswd (--passwd=false) adds neither.
	PasswdEntry string `json:"passwd_entry,omitempty"`
	GroupEntry  string `json:"group_entry,omitempty"`
	NoPasswd    bool   `json:"no_passwd,omitempty"`
	// HostUsers are users of the host, names or uids, added to /etc/passwd.
	HostUsers []string `json:"host_users,omitempty"`
	// Personality is "LINUX" or "LINUX32".
	Personality string   `json:"personality,omitempty"`
	StopSignal  string   `json:"stop_signal,omitempty"`  // name or number; "" the image's, then SIGTERM
	StopTimeout *uint    `json:"stop_timeout,omitempty"` // seconds; nil: 10
	Timeout     uint     `json:"timeout,omitempty"`      // seconds a run may last; 0: for ever
	SdNotify    string   `json:"sdnotify,omitempty"`     // container, conmon, healthy, ignore; "" container
	PreserveFDs uint     `json:"preserve_fds,omitempty"` // fds 3..3+n-1 of the caller go inside
	Secrets     []Secret `json:"secrets,omitempty"`
}

// Secret is one --secret.
type Secret struct {
	Source string `json:"source"` // name of the secret
	Type   string `json:"type"`   // "mount" or "env"
	Target string `json:"target,omitempty"`
	// Key chooses one value of a Secret that Kubernetes YAML has made.
	Key  string `json:"key,omitempty"`
	UID  uint32 `json:"uid,omitempty"`
	GID  uint32 `json:"gid,omitempty"`
	Mode uint32 `json:"mode,omitempty"` // 0: 0444
}

// Mounts is the file system view beyond the root file system.
type Mounts struct {
	ReadOnly bool `json:"read_only,omitempty"`
	// NoReadOnlyTmpfs is --read-only-tmpfs=false.
	NoReadOnlyTmpfs bool     `json:"no_read_only_tmpfs,omitempty"`
	List            []Mount  `json:"list,omitempty"`
	VolumesFrom     []string `json:"volumes_from,omitempty"` // CONTAINER[:OPTIONS]
	ShmSize         string   `json:"shm_size,omitempty"`     // bytes or with a unit; "" 64m
	// ImageVolume is what becomes of VOLUME lines: anonymous (default), tmpfs, ignore.
	ImageVolume string `json:"image_volume,omitempty"`
	NoHosts     bool   `json:"no_hosts,omitempty"`
	// HostsFile is what /etc/hosts begins with: "" the host's, "none",
	// "image" or a path.
	HostsFile  string   `json:"hosts_file,omitempty"`
	NoHostname bool     `json:"no_hostname,omitempty"`
	Devices    []string `json:"devices,omitempty"` // HOST[:CONTAINER[:PERMS]]
	ChrootDirs []string `json:"chroot_dirs,omitempty"`
}

// Mount kinds.
const (
	MountBind   = "bind"
	MountVolume = "volume"
	MountTmpfs  = "tmpfs"
	MountImage  = "image"
	MountDevpts = "devpts"
	MountGlob   = "glob"
)

// Mount is one -v, --mount or --tmpfs.
type Mount struct {
	Type        string   `json:"type"`
	Source      string   `json:"source,omitempty"` // path, volume name ("" anonymous), image, glob
	Destination string   `json:"destination"`
	Options     []string `json:"options,omitempty"` // mount(8) options: ro, nosuid, rbind, rslave, size=...
	Relabel     string   `json:"relabel,omitempty"` // "z" shared, "Z" private
	Chown       bool     `json:"chown,omitempty"`   // U
	Overlay     bool     `json:"overlay,omitempty"` // O
	UpperDir    string   `json:"upper_dir,omitempty"`
	WorkDir     string   `json:"work_dir,omitempty"`
	NoCopy      bool     `json:"no_copy,omitempty"`
	IDMap       *string  `json:"idmap,omitempty"` // pointing to "" means the container's mapping
	SubPath     string   `json:"sub_path,omitempty"`
	MakeSubPath bool     `json:"make_sub_path,omitempty"` // a directory, unless it is there
	ReadWrite   bool     `json:"read_write,omitempty"`    // image mounts: rw
	NoTmpCopyUp bool     `json:"no_tmpcopyup,omitempty"`  // tmpfs
	Anonymous   bool     `json:"anonymous,omitempty"`     // volume made for this container, goes with it
	FromImage   bool     `json:"from_image,omitempty"`    // came from the image's VOLUME
}

// Isolation says which namespaces are the container's own. Modes as typed: "", "private", "host", "container:ID", "ns:PATH",
// "none", "pod"; Isolation.User also takes "keep-id[:opts]", "auto[:opts]", "nomap".
type Isolation struct {
	PID      string     `json:"pid,omitempty"`
	IPC      string     `json:"ipc,omitempty"`
	UTS      string     `json:"uts,omitempty"`
	Cgroup   string     `json:"cgroup,omitempty"`
	User     string     `json:"user,omitempty"`
	UIDMap   []string   `json:"uid_map,omitempty"` // --uidmap words as typed
	GIDMap   []string   `json:"gid_map,omitempty"`
	SubUID   string     `json:"sub_uid,omitempty"` // --subuidname
	SubGID   string     `json:"sub_gid,omitempty"`
	Hostname string     `json:"hostname,omitempty"`
	Mapping  *IDMapping `json:"mapping,omitempty"` // what User, UIDMap ... resolved to; nil: none of its own
}

// IDMapping maps container ids to ids of the namespace carob runs in.
type IDMapping struct {
	UIDs []IDMap `json:"uids"`
	GIDs []IDMap `json:"gids"`
}

// IDMap is one line of a mapping.
type IDMap struct {
	Container uint32 `json:"container"`
	Host      uint32 `json:"host"`
	Size      uint32 `json:"size"`
}

// Security holds the knobs that widen or narrow what the process may do.
type Security struct {
	Privileged bool     `json:"privileged,omitempty"`
	CapAdd     []string `json:"cap_add,omitempty"`
	CapDrop    []string `json:"cap_drop,omitempty"`
	// DefaultCaps is containers.conf's default_capabilities; nil: carob's own.
	DefaultCaps     []string       `json:"default_caps,omitempty"`
	NoNewPrivileges bool           `json:"no_new_privileges,omitempty"`
	Seccomp         string         `json:"seccomp,omitempty"` // "" default, "unconfined" or a file
	SeccompPolicy   string         `json:"seccomp_policy,omitempty"`
	AppArmor        string         `json:"apparmor,omitempty"`
	Label           []string       `json:"label,omitempty"`   // SELinux: disable, type:..., level:...
	SELinux         *SELinuxLabels `json:"selinux,omitempty"` // what Label resolved to; nil: this host had none
	ProcOpts        string         `json:"proc_opts,omitempty"`
	Mask            []string       `json:"mask,omitempty"`
	Unmask          []string       `json:"unmask,omitempty"` // "ALL" or paths
}

// SELinuxLabels are labels of a container, see selinux(8).
type SELinuxLabels struct {
	Process string `json:"process,omitempty"` // "": that of whoever starts it
	Mount   string `json:"mount,omitempty"`   // of its files
}

// Resources are limits. Sizes are as typed, checked by Validate.
type Resources struct {
	Memory            string  `json:"memory,omitempty"`
	MemoryReservation string  `json:"memory_reservation,omitempty"`
	MemorySwap        string  `json:"memory_swap,omitempty"` // "-1": without limit
	MemorySwappiness  *int64  `json:"memory_swappiness,omitempty"`
	CPUs              float64 `json:"cpus,omitempty"`
	CPUShares         uint64  `json:"cpu_shares,omitempty"`
	CPUPeriod         uint64  `json:"cpu_period,omitempty"` // microseconds
	CPUQuota          int64   `json:"cpu_quota,omitempty"`  // microseconds
	CPURTPeriod       uint64  `json:"cpu_rt_period,omitempty"`
	CPURTRuntime      int64   `json:"cpu_rt_runtime,omitempty"`
	CPUSetCPUs        string  `json:"cpuset_cpus,omitempty"`
	CPUSetMems        string  `json:"cpuset_mems,omitempty"`
	PidsLimit         *int64  `json:"pids_limit,omitempty"`
	// PidsDefault (containers.conf's pids_limit) counts, where pids can be
	// limited at all, when PidsLimit is nil; nil: 2048.
	PidsDefault       *int64            `json:"pids_default,omitempty"`
	BlkioWeight       uint16            `json:"blkio_weight,omitempty"`
	BlkioWeightDevice []string          `json:"blkio_weight_device,omitempty"`
	DeviceReadBPS     []string          `json:"device_read_bps,omitempty"`
	DeviceWriteBPS    []string          `json:"device_write_bps,omitempty"`
	DeviceReadIOPS    []string          `json:"device_read_iops,omitempty"`
	DeviceWriteIOPS   []string          `json:"device_write_iops,omitempty"`
	DeviceCgroupRule  []string          `json:"device_cgroup_rule,omitempty"`
	CgroupConf        map[string]string `json:"cgroup_conf,omitempty"`
	CgroupParent      string            `json:"cgroup_parent,omitempty"`
	Cgroups           string            `json:"cgroups,omitempty"` // enabled, disabled, no-conmon, split
	OOMScoreAdj       *int              `json:"oom_score_adj,omitempty"`
	OOMKillDisable    bool              `json:"oom_kill_disable,omitempty"`
	Ulimits           []string          `json:"ulimits,omitempty"` // NAME=SOFT[:HARD] or "host"
	// DefaultUlimits are of containers.conf: lowered to what the account may have.
	DefaultUlimits []string          `json:"default_ulimits,omitempty"`
	Sysctl         map[string]string `json:"sysctl,omitempty"`
	RdtClass       string            `json:"rdt_class,omitempty"`
}

// Network is the network side.
type Network struct {
	// Mode is "", "none", "host", "private", "pasta[:opts]",
	// "slirp4netns[:opts]", "bridge", "container:ID", "ns:PATH" or "pod".
	Mode       string          `json:"mode,omitempty"`
	Networks   []NetworkAttach `json:"networks,omitempty"` // named networks, when Mode is "bridge"
	Ports      []Port          `json:"ports,omitempty"`
	PublishAll bool            `json:"publish_all,omitempty"`
	Expose     []string        `json:"expose,omitempty"`
	AddHosts   []string        `json:"add_hosts,omitempty"` // NAME:IP
	DNS        []string        `json:"dns,omitempty"`       // "none" stands alone: no resolv.conf
	DNSSearch  []string        `json:"dns_search,omitempty"`
	DNSOptions []string        `json:"dns_options,omitempty"`
	// AddDNS, AddDNSSearch and AddDNSOptions, of a pod of Kubernetes, come after
	// the host's. Where there are some above, those are among them.
	AddDNS        []string `json:"add_dns,omitempty"`
	AddDNSSearch  []string `json:"add_dns_search,omitempty"`
	AddDNSOptions []string `json:"add_dns_options,omitempty"`
	// FullName, of a pod of Kubernetes with a subdomain, is the first of the
	// names that /etc/hosts has for the pod's addresses.
	FullName string `json:"full_name,omitempty"`
	// HostInternalIP is what host.containers.internal stands for, "none" for
	// nothing; "": what the network says.
	HostInternalIP string `json:"host_internal_ip,omitempty"`
}

// AskedDNS is all that was asked for of servers, search domains and options,
// without what is the host's.
func (n *Network) AskedDNS() (servers, search, options []string) {
	return slices.Concat(n.DNS, n.AddDNS), slices.Concat(n.DNSSearch, n.AddDNSSearch), slices.Concat(n.DNSOptions, n.AddDNSOptions)
}

// NetworkAttach is one --network NAME:opts.
type NetworkAttach struct {
	Name      string            `json:"name"`
	Aliases   []string          `json:"aliases,omitempty"`
	IP        string            `json:"ip,omitempty"`
	IP6       string            `json:"ip6,omitempty"`
	MAC       string            `json:"mac,omitempty"`
	Interface string            `json:"interface,omitempty"`
	Options   map[string]string `json:"options,omitempty"`
}

// Port is one published range.
type Port struct {
	HostIP    string `json:"host_ip,omitempty"`
	HostPort  uint16 `json:"host_port"` // 0 until a free one was picked
	Container uint16 `json:"container_port"`
	Range     uint16 `json:"range"`    // number of ports, at least 1
	Protocol  string `json:"protocol"` // tcp, udp, sctp
}

// Log says where output goes.
type Log struct {
	Driver  string            `json:"driver,omitempty"` // k8s-file, json-file, journald, none, passthrough
	Path    string            `json:"path,omitempty"`
	Dir     string            `json:"dir,omitempty"`      // without Path: the log is ID.log in it
	MaxSize int64             `json:"max_size,omitempty"` // bytes; 0: no limit
	MaxFile int               `json:"max_file,omitempty"`
	Tag     string            `json:"tag,omitempty"`
	Options map[string]string `json:"options,omitempty"`
}

// Restart policies.
const (
	RestartNo            = "no"
	RestartOnFailure     = "on-failure"
	RestartAlways        = "always"
	RestartUnlessStopped = "unless-stopped"
)

// Restart is --restart.
type Restart struct {
	Policy string `json:"policy,omitempty"`
	Max    uint   `json:"max,omitempty"` // on-failure:N; 0: for ever
}

// Health is a health check; times as durations.
type Health struct {
	Test        []string      `json:"test"`               // NONE, CMD ..., CMD-SHELL ...
	Interval    time.Duration `json:"interval,omitempty"` // HealthNever: only when asked
	Timeout     time.Duration `json:"timeout,omitempty"`
	StartPeriod time.Duration `json:"start_period,omitempty"`
	Retries     int           `json:"retries,omitempty"`   // startup checks: 0 for ever
	Successes   int           `json:"successes,omitempty"` // startup checks
	OnFailure   string        `json:"on_failure,omitempty"`
	// LogDestination, MaxLogCount and MaxLogSize are --health-log-destination,
	// --health-max-log-count and --health-max-log-size.
	// The destination is "local" (""), "events_logger" or a directory.
	LogDestination string `json:"log_destination,omitempty"`
	MaxLogCount    *uint  `json:"max_log_count,omitempty"` // results kept; nil: 5, 0: all
	MaxLogSize     *uint  `json:"max_log_size,omitempty"`  // bytes of each; nil: 500, 0: 32 KiB
}
