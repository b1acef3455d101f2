package libpod

import "time"

// Inspected is all that is known of a container, with the JSON keys of
// podman's "container inspect".
type Inspected struct {
	ID              string    `json:"Id"`
	Created         time.Time `json:"Created"`
	Path            string
	Args            []string
	State           InspectedState
	Image           string // ID
	ImageDigest     string
	ImageName       string
	Rootfs          string
	Pod             string
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	StaticDir       string
	OCIConfigPath   string `json:",omitempty"`
	OCIRuntime      string
	ConmonPidFile   string
	PidFile         string
	Name            string
	RestartCount    uint
	Driver          string
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	EffectiveCaps   []string
	BoundingCaps    []string
	ExecIDs         []string
	GraphDriver     InspectedDriver
	SizeRw          *int64 `json:",omitempty"` // bytes, with sizes asked for
	SizeRootFs      int64  `json:",omitempty"`
	Mounts          []InspectedMount
	Dependencies    []string
	NetworkSettings InspectedNetwork
	Namespace       string
	IsInfra         bool
	IsService       bool

	KubeExitCodePropagation string

	Config     InspectedConfig
	HostConfig InspectedHostConfig
}

// InspectedState is what the container is now.
type InspectedState struct {
	OciVersion     string
	Status         string
	Running        bool
	Paused         bool
	Restarting     bool
	OOMKilled      bool
	Dead           bool
	Pid            int
	ConmonPid      int `json:",omitempty"`
	ExitCode       int
	Error          string
	StartedAt      time.Time
	FinishedAt     time.Time
	Health         InspectedHealth
	CgroupPath     string `json:",omitempty"`
	CheckpointedAt time.Time
	RestoredAt     time.Time
	StoppedByUser  bool `json:",omitempty"`

	// Carob makes no checkpoints: these are for templates written for podman.
	Checkpointed   bool   `json:",omitempty"`
	Restored       bool   `json:",omitempty"`
	CheckpointPath string `json:",omitempty"`
	CheckpointLog  string `json:",omitempty"`
	RestoreLog     string `json:",omitempty"`
}

// InspectedHealth is the verdict of the health checks so far.
type InspectedHealth struct {
	Status        string
	FailingStreak int
	Log           []InspectedHealthLog
}

// InspectedHealthLog is one answer of the health check.
type InspectedHealthLog struct {
	Start, End time.Time
	ExitCode   int // -1: it took too long
	Output     string
}

// Healthcheck is the older name that templates may use.
func (s InspectedState) Healthcheck() InspectedHealth { return s.Health }

// InspectedDriver is where the root file system's layers are.
type InspectedDriver struct {
	Name string
	Data map[string]string
}

// InspectedMount is a volume or a bind.
type InspectedMount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string
	Mode        string
	Options     []string
	RW          bool
	Propagation string
}

// InspectedPort is one host port.
type InspectedPort struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

// InspectedNetwork is the network as docker describes it. The addresses of
// networks without a bridge are the host's own and stay empty.
type InspectedNetwork struct {
	EndpointID             string
	Gateway                string
	IPAddress              string
	IPPrefixLen            int
	IPv6Gateway            string
	GlobalIPv6Address      string
	GlobalIPv6PrefixLen    int
	MacAddress             string
	Bridge                 string
	SandboxID              string
	HairpinMode            bool
	LinkLocalIPv6Address   string
	LinkLocalIPv6PrefixLen int
	Ports                  map[string][]InspectedPort
	SandboxKey             string

	// Networks with names come later: there is nothing in these, for
	// templates written for podman.
	Networks               map[string]struct{} `json:",omitempty"`
	SecondaryIPAddresses   []struct{}          `json:",omitempty"`
	SecondaryIPv6Addresses []struct{}          `json:",omitempty"`
	AdditionalMacAddresses []string            `json:"AdditionalMACAddresses,omitempty"`
}

// InspectedConfig is what does not depend on the host.
type InspectedConfig struct {
	Hostname                   string
	DomainName                 string `json:"Domainname"`
	User                       string
	AttachStdin                bool
	AttachStdout               bool
	AttachStderr               bool
	Tty                        bool
	OpenStdin                  bool
	StdinOnce                  bool
	Env                        []string
	Cmd                        []string
	Image                      string
	Volumes                    map[string]struct{}
	WorkingDir                 string
	Entrypoint                 string
	OnBuild                    *string
	Labels                     map[string]string
	Annotations                map[string]string
	StopSignal                 int
	Healthcheck                *InspectedCheck `json:",omitempty"`
	HealthcheckOnFailureAction string
	HealthLogDestination       string            `json:",omitempty"`
	HealthMaxLogCount          *int              `json:"HealthcheckMaxLogCount,omitempty"`
	HealthMaxLogSize           *int              `json:"HealthcheckMaxLogSize,omitempty"`
	StartupHealthCheck         *InspectedStartup `json:",omitempty"`
	CreateCommand              []string          `json:",omitempty"`
	Umask                      string            `json:",omitempty"`
	Secrets                    []InspectedSecret `json:",omitempty"`
	SystemdMode                bool              `json:",omitempty"`
	Timezone                   string            `json:",omitempty"`
	Timeout                    uint
	StopTimeout                uint
	Passwd                     bool
	SdNotifyMode               string `json:"sdNotifyMode"`

	// The socket is that of whoever starts the container, not a setting of
	// it; nor are there directories to chroot into. Both are for templates.
	SdNotifySocket string   `json:"sdNotifySocket,omitempty"`
	ChrootDirs     []string `json:",omitempty"`
}

// InspectedCheck is a health check; times in nanoseconds.
type InspectedCheck struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// InspectedStartup is a startup health check.
type InspectedStartup struct {
	InspectedCheck
	Successes int `json:",omitempty"`
}

// InspectedSecret is a secret the container sees.
type InspectedSecret struct {
	Name, ID       string
	UID, GID, Mode uint32
}

// InspectedHostConfig is what ties the container to its host.
type InspectedHostConfig struct {
	Binds                []string
	CgroupManager        string
	CgroupMode           string
	ContainerIDFile      string
	LogConfig            InspectedLog
	NetworkMode          string
	PortBindings         map[string][]InspectedPort
	RestartPolicy        InspectedRestart
	AutoRemove           bool
	VolumeDriver         string
	VolumesFrom          []string
	CapAdd               []string
	CapDrop              []string
	DNS                  []string `json:"Dns"`
	DNSOptions           []string `json:"DnsOptions"`
	DNSSearch            []string `json:"DnsSearch"`
	ExtraHosts           []string
	GroupAdd             []string
	IpcMode              string
	Cgroup               string
	Cgroups              string
	Links                []string
	OomScoreAdj          int
	PidMode              string
	Privileged           bool
	PublishAllPorts      bool
	ReadonlyRootfs       bool
	Init                 bool `json:",omitempty"`
	SecurityOpt          []string
	Tmpfs                map[string]string
	UTSMode              string
	UsernsMode           string
	IDMappings           *InspectedIDs `json:",omitempty"`
	ShmSize              int64
	Runtime              string
	ConsoleSize          [2]uint
	Isolation            string
	CPUShares            uint64 `json:"CpuShares"`
	Memory               int64
	NanoCpus             int64
	CgroupParent         string
	BlkioWeight          uint16
	BlkioWeightDevice    []InspectedRate
	BlkioDeviceReadBps   []InspectedRate
	BlkioDeviceWriteBps  []InspectedRate
	BlkioDeviceReadIOps  []InspectedRate
	BlkioDeviceWriteIOps []InspectedRate
	CPUPeriod            uint64 `json:"CpuPeriod"`
	CPUQuota             int64  `json:"CpuQuota"`
	CPURealtimePeriod    uint64 `json:"CpuRealtimePeriod"`
	CPURealtimeRuntime   int64  `json:"CpuRealtimeRuntime"`
	CpusetCpus           string
	CpusetMems           string
	Devices              []InspectedDevice
	DiskQuota            uint64
	KernelMemory         int64
	MemoryReservation    int64
	MemorySwap           int64
	MemorySwappiness     int64
	OomKillDisable       bool
	PidsLimit            int64
	Ulimits              []InspectedUlimit
	CPUCount             uint64 `json:"CpuCount"`
	CPUPercent           uint64 `json:"CpuPercent"`
	IOMaximumIOps        uint64
	IOMaximumBandwidth   uint64
	CgroupConf           map[string]string
}

// InspectedLog is where the output goes.
type InspectedLog struct {
	Type   string
	Config map[string]string
	Path   string
	Tag    string
	Size   string
}

// InspectedRestart is the restart policy.
type InspectedRestart struct {
	Name              string
	MaximumRetryCount uint
}

// InspectedIDs is the container's own id mapping, CONTAINER:HOST:SIZE.
type InspectedIDs struct {
	UIDMap []string `json:"UidMap"`
	GIDMap []string `json:"GidMap"`
}

// InspectedRate limits a block device: a weight, bytes or operations a second.
type InspectedRate struct {
	Path   string
	Rate   uint64 `json:",omitempty"`
	Weight uint16 `json:",omitempty"`
}

// InspectedDevice is a device of the host inside the container.
type InspectedDevice struct {
	PathOnHost        string
	PathInContainer   string
	CgroupPermissions string
}

// InspectedUlimit is a limit of setrlimit(2).
type InspectedUlimit struct {
	Name string
	Soft int64
	Hard int64
}
