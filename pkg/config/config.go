// Package config reads containers.conf(5): the defaults an administrator or a
// user has set for containers and for the engine.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Config is what the files say. A nil pointer, an empty string and a List
// that is not Set mean that none of them said anything.
//
// Every field is a key that carob obeys. What else may stand in the files is
// kept in a note for the user (Notes), with the reason from unused.go.
type Config struct {
	Containers Containers `toml:"containers"`
	Engine     Engine     `toml:"engine"`
	Network    Network    `toml:"network"`
	Secrets    Secrets    `toml:"secrets"`

	notes []note
}

// Containers is the table of that name: defaults of create and run.
type Containers struct {
	Annotations              List   `toml:"annotations"`
	AppArmorProfile          string `toml:"apparmor_profile"`
	BaseHostsFile            string `toml:"base_hosts_file"`
	Cgroups                  string `toml:"cgroups"`
	CgroupNS                 string `toml:"cgroupns"`
	DefaultCapabilities      List   `toml:"default_capabilities"`
	DefaultSysctls           List   `toml:"default_sysctls"`
	DefaultUlimits           List   `toml:"default_ulimits"`
	Devices                  List   `toml:"devices"`
	DNSOptions               List   `toml:"dns_options"`
	DNSSearches              List   `toml:"dns_searches"`
	DNSServers               List   `toml:"dns_servers"`
	Env                      List   `toml:"env"`
	EnvHost                  *bool  `toml:"env_host"`
	HostContainersInternalIP string `toml:"host_containers_internal_ip"`
	HTTPProxy                *bool  `toml:"http_proxy"`
	Init                     *bool  `toml:"init"`
	InitPath                 string `toml:"init_path"`
	IPCNS                    string `toml:"ipcns"`
	Keyring                  *bool  `toml:"keyring"`
	Label                    *bool  `toml:"label"`
	LogDriver                string `toml:"log_driver"`
	LogPath                  string `toml:"log_path"`
	LogSizeMax               *int64 `toml:"log_size_max"` // bytes; negative: no limit
	LogTag                   string `toml:"log_tag"`
	Mounts                   List   `toml:"mounts"`
	NetNS                    string `toml:"netns"`
	NoHosts                  *bool  `toml:"no_hosts"`
	NoHostname               *bool  `toml:"no_hostname"`
	OOMScoreAdj              *int   `toml:"oom_score_adj"`
	PIDNS                    string `toml:"pidns"`
	PidsLimit                *int64 `toml:"pids_limit"` // 0 or less: no limit
	Privileged               *bool  `toml:"privileged"`
	ReadOnly                 *bool  `toml:"read_only"`
	SeccompProfile           string `toml:"seccomp_profile"`
	ShmSize                  string `toml:"shm_size"`
	TZ                       string `toml:"tz"`
	Umask                    string `toml:"umask"`
	UserNS                   string `toml:"userns"`
	UserNSSize               *int64 `toml:"userns_size"`
	UTSNS                    string `toml:"utsns"`
	Volumes                  List   `toml:"volumes"`
}

// Engine is the table of that name, as far as carob has a use for it.
type Engine struct {
	CgroupManager         string          `toml:"cgroup_manager"`
	ChownCopiedFiles      *bool           `toml:"chown_copied_files"`
	CompressionFormat     string          `toml:"compression_format"`
	CompressionLevel      *int            `toml:"compression_level"`
	DetachKeys            *string         `toml:"detach_keys"` // "" turns detaching off
	Env                   List            `toml:"env"`
	EventsLogger          string          `toml:"events_logger"`
	EventsLogfilePath     string          `toml:"events_logfile_path"`
	EventsLogfileMaxSize  string          `toml:"events_logfile_max_size"`
	HelperBinariesDir     List            `toml:"helper_binaries_dir"`
	HooksDir              List            `toml:"hooks_dir"`
	ImageCopyTmpDir       string          `toml:"image_copy_tmp_dir"`
	ImageDefaultFormat    string          `toml:"image_default_format"`
	PodExitPolicy         string          `toml:"pod_exit_policy"`
	ImageDefaultTransport string          `toml:"image_default_transport"`
	ImageParallelCopies   *uint           `toml:"image_parallel_copies"`
	ImageVolumeMode       string          `toml:"image_volume_mode"`
	MultiImageArchive     *bool           `toml:"multi_image_archive"`
	NetworkCmdPath        string          `toml:"network_cmd_path"` // slirp4netns
	NetworkCmdOptions     List            `toml:"network_cmd_options"`
	NoPivotRoot           *bool           `toml:"no_pivot_root"`
	PullPolicy            string          `toml:"pull_policy"`
	Retry                 *uint           `toml:"retry"`
	RetryDelay            string          `toml:"retry_delay"` // a duration
	Runtime               string          `toml:"runtime"`
	Runtimes              map[string]List `toml:"runtimes"`     // name: paths to try
	StopTimeout           *uint           `toml:"stop_timeout"` // seconds
	TmpDir                string          `toml:"tmp_dir"`
	VolumePath            string          `toml:"volume_path"`
}

// Network is the table of that name.
type Network struct {
	DefaultRootlessNetworkCmd string `toml:"default_rootless_network_cmd"` // pasta or slirp4netns
	PastaOptions              List   `toml:"pasta_options"`
}

// Secrets is the table of that name.
type Secrets struct {
	Driver string `toml:"driver"`
}

// List is an array of strings. A later file's replaces it, or, when it ends
// with {append=true}, is added to it; {append=false} turns that off again for
// the files that follow.
type List struct {
	Values []string
	Set    bool
	append bool
}

// UnmarshalTOML is called by package toml with the decoded value.
func (l *List) UnmarshalTOML(value any) error {
	items, ok := value.([]any)
	if !ok {
		return fmt.Errorf("an array of strings is wanted, not %T", value)
	}
	var words []string
	appending := l.append
	for _, item := range items {
		switch v := item.(type) {
		case string:
			words = append(words, v)
		case map[string]any:
			on, isBool := v["append"].(bool)
			if !isBool || len(v) != 1 {
				return fmt.Errorf("the only table an array may hold is {append=true}")
			}
			appending = on
		default:
			return fmt.Errorf("an array of strings is wanted, this one holds a %T", item)
		}
	}
	if appending {
		words = append(slices.Clone(l.Values), words...)
	}
	*l = List{Values: words, Set: true, append: appending}
	return nil
}

// Or is the list's values, or fallback where nothing set them.
func (l List) Or(fallback []string) []string {
	if l.Set {
		return l.Values
	}
	return fallback
}

// OCIRuntime is the OCI runtime to use when asked ("": nothing) was asked for:
// a name, or a path from the table of runtimes if one of those exists.
func (c *Config) OCIRuntime(asked string) string {
	if asked == "" {
		asked = c.Engine.Runtime
	}
	for _, path := range c.Engine.Runtimes[asked].Values {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return asked
}

// SetEnv puts the engine's variables into the environment, where helpers see
// them too; what the caller has set stays.
func (c *Config) SetEnv() error {
	for _, word := range c.Engine.Env.Values {
		name, value, ok := strings.Cut(word, "=")
		if _, have := os.LookupEnv(name); have || !ok || name == "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("cannot set %s of containers.conf: %w", name, err)
		}
	}
	return nil
}

// Where says whose files count.
type Where struct {
	Rootless bool
	Getenv   func(string) string // os.Getenv
	Root     string              // "" is /; a directory in tests
	Modules  []string            // files that come after all that are read anyway: --module
}

// Load reads the files that exist: /usr/share/containers, /etc/containers and
// its containers.conf.d, and for a rootless user the same below
// $XDG_CONFIG_HOME (~/.config), each overriding those before. CONTAINERS_CONF
// names a file to be read in place of all these. Modules come after them, and
// the file that CONTAINERS_CONF_OVERRIDE names comes after all others.
func Load(w Where) (*Config, error) {
	c := new(Config)
	if only := w.Getenv("CONTAINERS_CONF"); only != "" {
		if err := c.read(only, true); err != nil {
			return nil, err
		}
	} else if err := c.readAll(w); err != nil {
		return nil, err
	}
	for _, name := range w.Modules {
		path, err := w.module(name)
		if err != nil {
			return nil, err
		}
		if err := c.read(path, true); err != nil {
			return nil, err
		}
	}
	if last := w.Getenv("CONTAINERS_CONF_OVERRIDE"); last != "" {
		if err := c.read(last, true); err != nil {
			return nil, err
		}
	}
	c.noteValues()
	return c, nil
}

// dirs are those of the configuration; a later one counts for more.
func (w Where) dirs() []string {
	dirs := []string{filepath.Join(w.Root, "/usr/share/containers"), filepath.Join(w.Root, "/etc/containers")}
	if home := w.userDir(); w.Rootless && home != "" {
		dirs = append(dirs, filepath.Join(home, "containers"))
	}
	return dirs
}

// module finds a module: an absolute path, or a name below
// containers.conf.modules beside the files that are read anyway.
func (w Where) module(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	dirs := w.dirs()
	slices.Reverse(dirs)
	for i, dir := range dirs {
		dirs[i] = filepath.Join(dir, "containers.conf.modules")
		path := filepath.Join(dirs[i], name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("cannot find the module %s of containers.conf in %s", name, strings.Join(dirs, ", "))
}

func (c *Config) readAll(w Where) error {
	for _, dir := range w.dirs() {
		path := filepath.Join(dir, "containers.conf")
		if err := c.read(path, false); err != nil {
			return err
		}
		if err := c.readDropIns(path + ".d"); err != nil {
			return err
		}
	}
	return nil
}

func (w Where) userDir() string {
	if dir := w.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir
	}
	if home := w.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".config")
	}
	return ""
}

func (c *Config) readDropIns(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !absent(err) {
		return fmt.Errorf("cannot read configuration: %w", err)
	}
	for _, e := range entries { // sorted by name
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".conf") {
			continue
		}
		if err := c.read(filepath.Join(dir, e.Name()), true); err != nil {
			return err
		}
	}
	return nil
}

// absent: a home directory of somebody else's, as under sudo, counts as one
// without configuration.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// read merges one file into c and notes the keys that nothing is done with.
func (c *Config) read(path string, must bool) error {
	body, err := os.ReadFile(path)
	if err != nil && !must && absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read configuration: %w", err)
	}
	known, err := toml.Decode(withoutComments(string(body)), c)
	if err != nil {
		return fileError(path, err)
	}
	c.noteUnused(path, &known)
	return nil
}

// withoutComments empties the lines that are comments. The files distributions
// ship are hardly anything else, and the parser takes its time over them.
func withoutComments(body string) string {
	if strings.Contains(body, `"""`) || strings.Contains(body, "'''") {
		return body // there it may be text
	}
	var out strings.Builder
	out.Grow(len(body))
	for line := range strings.Lines(body) {
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
			line = "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// fileError names the file, the line and what is wrong there.
func fileError(path string, err error) error {
	text := strings.TrimPrefix(err.Error(), "toml: ")
	var pe toml.ParseError
	if errors.As(err, &pe) {
		text = fmt.Sprintf("line %d: %s", pe.Position.Line, pe.Message)
		if pe.LastKey != "" {
			text = fmt.Sprintf("line %d: %s: %s", pe.Position.Line, pe.LastKey, pe.Message)
		}
	} else if line, rest, ok := strings.Cut(text, " (last key \""); ok { // a value of the wrong type
		key, what, _ := strings.Cut(rest, "\"): ")
		text = line + ": " + key + ": " + what
	}
	return fmt.Errorf("cannot read configuration %s, %s", path, text)
}
