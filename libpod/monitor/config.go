// Package monitor is the supervisor of one container: the small program that
// forks the OCI runtime, keeps the container's output, writes down how it
// ended and obeys its restart policy. docs/PROTOCOL.md draws its life.
//
// Everything here is linked into carob-monitor, whose memory every running
// container pays for: no SQLite, no containers/storage, no network stack.
package monitor

// File descriptors the monitor is started with, beside 0, 1 and 2 (which are
// /dev/null, or the container's own streams with log driver passthrough).
const (
	LauncherFD = 3 // SOCK_SEQPACKET, the first client; the launcher holds the other end
	RecordFD   = 4 // the record file, locked (F_OFD_SETLK) before the monitor was forked
)

// Names inside a container's directory (persistent) ...
const (
	ConfigFile = "monitor.json" // Config, written by whoever starts the container
	RecordFile = "record"       // Record, written by the monitor only
	RuntimeLog = "runtime.log"  // what the OCI runtime complained about, JSON lines
	HealthFile = "health.json"  // HealthReport, written by the monitor only
)

// ... and inside its runtime directory (gone after a reboot).
const (
	SocketFile = "sock" // SOCK_SEQPACKET listener, mode 0600
	PastaPID   = "pasta.pid"
)

// Config is all the monitor knows, read once from ConfigFile (and again on
// MsgReload).
type Config struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Bundle string `json:"bundle"`  // directory of config.json, also the container's directory
	RunDir string `json:"run_dir"` // the container's runtime directory

	// Runtime is the OCI runtime's argv up to the subcommand, for example
	// [/usr/bin/crun --root DIR].
	Runtime []string `json:"runtime"`
	// CreateFlags are for the runtime's create and run, such as --no-pivot.
	CreateFlags []string `json:"create_flags,omitempty"`
	// RuntimeState is the runtime's own directory of this container. Set where
	// removing it is all that the runtime's delete would do beside killing;
	// "" has the runtime do it.
	RuntimeState string `json:"runtime_state,omitempty"`
	// Cgroup: the runtime makes a control group for the container.
	Cgroup bool `json:"cgroup,omitempty"`
	// CgroupPath is that group's path from the root of the hierarchies, where the
	// runtime makes it by itself; "" where systemd does.
	CgroupPath string `json:"cgroup_path,omitempty"`
	// RuntimeEnv is added to the monitor's environment for the runtime
	// (LISTEN_FDS ...).
	RuntimeEnv  []string `json:"runtime_env,omitempty"`
	PreserveFDs int      `json:"preserve_fds,omitempty"` // fds from 5 on that go inside

	// Start: run at once. Otherwise only create, and start on MsgStart.
	Start    bool `json:"start"`
	Terminal bool `json:"terminal,omitempty"`
	Stdin    bool `json:"stdin,omitempty"` // keep a stdin open; otherwise /dev/null
	// Rows and Cols are the first size of the terminal; 0: leave it.
	Rows uint16 `json:"rows,omitempty"`
	Cols uint16 `json:"cols,omitempty"`

	// PipeLabel is the SELinux label of the pipes that lead into and out of the
	// container, so that its processes may use them; "" for none.
	PipeLabel string `json:"pipe_label,omitempty"`

	LogDriver  string `json:"log_driver"` // k8s-file, json-file, journald, none, passthrough
	LogPath    string `json:"log_path,omitempty"`
	LogMaxSize int64  `json:"log_max_size,omitempty"` // bytes, 0: no limit
	LogMaxFile int    `json:"log_max_file,omitempty"` // rotated files kept beside the current one, at least 1
	LogTag     string `json:"log_tag,omitempty"`

	RestartPolicy string `json:"restart_policy,omitempty"` // no, on-failure, always, unless-stopped
	RestartMax    uint   `json:"restart_max,omitempty"`

	StopSignal  int    `json:"stop_signal"`
	StopTimeout uint   `json:"stop_timeout"`      // seconds between StopSignal and SIGKILL
	Timeout     uint   `json:"timeout,omitempty"` // seconds until the container is killed, 0: never
	PIDFile     string `json:"pid_file,omitempty"`

	// Health says what is asked of the running container; PostStart and PreStop
	// are done once, after its start and before its stop signal.
	Health    Health  `json:"health,omitzero"`
	PostStart *Action `json:"post_start,omitempty"`
	PreStop   *Action `json:"pre_stop,omitempty"`

	// Notify says who speaks to systemd.
	Notify Notify `json:"notify,omitzero"`

	// Rootfs is where the launcher mounted the container's root file system
	// in the monitor's mount namespace; unmounted before MsgCleaned. "" for none.
	Rootfs string `json:"rootfs,omitempty"`

	// AwaitStart: a container that was created waits for a MsgStart from whomever.
	// Without it, and without Start, that comes from the launcher or not at all.
	AwaitStart bool `json:"await_start,omitempty"`

	// Remove: the container goes when it ends. A client that has sent
	// MsgClaimRemove does it; if none is left, the monitor runs Cleanup.
	Remove  bool     `json:"remove,omitempty"`
	Cleanup []string `json:"cleanup,omitempty"` // argv, run with RuntimeEnv added to the environment

	// AtEnd is an argv that is run, with RuntimeEnv added to the environment,
	// once the final end is over: the record is unlocked and, with Remove, the
	// container removed.
	AtEnd []string `json:"at_end,omitempty"`

	// Parts are what is mounted of directories that containers can change.
	Parts []Part `json:"parts,omitempty"`
	// Again is the argv that starts the container again, if its record says
	// StateRestarting still. It is run when the restart policy wants that of a
	// monitor which has adopted the container and was not given the mounted Rootfs.
	Again []string `json:"again,omitempty"`

	// Sleeper lets the monitor of a quiet container give up its memory.
	Sleeper *Sleeper `json:"sleeper,omitempty"`

	// Events is the events file, EventJournal in its place journald's socket;
	// EventBase the attributes every event of this container carries
	// (docs/STATE.md has the line's format).
	Events       string            `json:"events,omitempty"`
	EventJournal string            `json:"event_journal,omitempty"`
	EventBase    map[string]string `json:"event_base,omitempty"`
	// Pod is the ID of the container's pod, for its events.
	Pod   string `json:"pod,omitempty"`
	Image string `json:"image,omitempty"`
}
