package spec

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Validate refuses what no host could honour: values out of range and flags
// that contradict each other. It changes nothing. The first mistake found is
// the error; its words name the flag.
func (c *Container) Validate() error {
	if c.Name != "" && !ValidName(c.Name) {
		return fmt.Errorf("invalid --name %q: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*", c.Name)
	}
	if c.Image != "" && c.Rootfs != nil {
		return fmt.Errorf("an image and --rootfs cannot be set together")
	}
	for _, step := range []func() error{
		c.validateProcess, c.validateStop, c.validateMounts, c.validateFiles, c.validateNamespaces, c.validateIsolation,
		c.validateSecurity, c.validateMemory, c.validateCPU, c.validateLimits, c.validateCgroup,
		c.validateNetwork, c.validateLog, c.validateRestart, c.validateHealth,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// oneOf checks a word against those a flag knows; "" is always the default.
func oneOf(flag, value string, known ...string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("invalid %s %q: must be one of %s", flag, value, strings.Join(known, ", "))
}

func together(one, other string) error {
	return fmt.Errorf("%s and %s cannot be set together", one, other)
}

func (c *Container) validateProcess() error {
	p := &c.Process
	for name := range p.Env {
		if name == "" || strings.Contains(name, "=") {
			return fmt.Errorf("invalid --env: %q cannot be the name of a variable", name)
		}
	}
	if p.WorkDir != "" && !path.IsAbs(p.WorkDir) {
		return fmt.Errorf("invalid --workdir %q: must be an absolute path", p.WorkDir)
	}
	if len(p.Groups) > 1 && slices.Contains(p.Groups, "keep-groups") {
		return fmt.Errorf("the '--group-add keep-groups' option is not allowed with any other --group-add options")
	}
	if strings.Contains(p.PasswdEntry+p.GroupEntry, "\n") {
		return fmt.Errorf("invalid --passwd-entry or --group-entry: must be one line")
	}
	if p.NoPasswd && p.PasswdEntry+p.GroupEntry != "" {
		return together("--passwd=false", "--passwd-entry or --group-entry")
	}
	if _, err := ParseUmask(p.Umask); err != nil {
		return fmt.Errorf("invalid --umask: %w", err)
	}
	if err := oneOf("--personality", strings.ToUpper(p.Personality), "LINUX", "LINUX32"); err != nil {
		return err
	}
	return c.validateInit()
}

func (c *Container) validateInit() error {
	p := &c.Process
	if err := oneOf("--systemd", p.Systemd, "true", "false", "always"); err != nil {
		return err
	}
	switch {
	case !p.Init && p.InitPath == "":
	case p.Systemd == "always":
		return fmt.Errorf("cannot use --init with --systemd=always: both want to be the first process")
	case c.Isolation.PID != "" && c.Isolation.PID != "private":
		return fmt.Errorf("cannot add init binary as PID 1 (--init with --pid %s): the PID namespace isn't private", c.Isolation.PID)
	}
	return nil
}

func (c *Container) validateStop() error {
	p := &c.Process
	if p.StopSignal != "" {
		if _, err := ParseSignal(p.StopSignal); err != nil {
			return fmt.Errorf("invalid --stop-signal: %w", err)
		}
	}
	for _, s := range p.Secrets {
		if err := oneOf("type in --secret", s.Type, "mount", "env"); err != nil {
			return err
		}
		if s.Mode > 0o7777 {
			return fmt.Errorf("invalid mode of --secret %s: %o is more than 7777", s.Source, s.Mode)
		}
	}
	return oneOf("--sdnotify", p.SdNotify, "container", "conmon", "healthy", "ignore")
}

func (c *Container) validateRestart() error {
	r := &c.Restart
	if err := oneOf("--restart", r.Policy, RestartNo, RestartOnFailure, RestartAlways, RestartUnlessStopped); err != nil {
		return err
	}
	if c.Remove && r.Policy != "" && r.Policy != RestartNo {
		return fmt.Errorf("the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\"")
	}
	return nil
}

func (c *Container) validateLog() error {
	l := &c.Log
	if err := oneOf("--log-driver", l.Driver, "k8s-file", "json-file", "journald", "none", "passthrough"); err != nil {
		return err
	}
	if l.Driver == "passthrough" && c.Process.Terminal {
		return together("--log-driver passthrough", "--tty")
	}
	if l.MaxSize < 0 || l.MaxFile < 0 {
		return fmt.Errorf("invalid --log-opt: max-size and max-file cannot be negative")
	}
	if l.Path != "" && l.Driver != "" && l.Driver != "k8s-file" && l.Driver != "json-file" {
		return fmt.Errorf("invalid --log-opt path: --log-driver %s writes no file", l.Driver)
	}
	return nil
}

func (c *Container) validateHealth() error {
	for _, check := range []struct {
		flag string
		h    *Health
	}{{"--health", c.Health}, {"--health-startup", c.Startup}} {
		h := check.h
		if h == nil {
			continue
		}
		if h.Retries < 0 || h.Successes < 0 {
			return fmt.Errorf("invalid %s-...: numbers cannot be negative", check.flag)
		}
		if h.Timeout < 0 || h.StartPeriod < 0 || h.Interval < HealthNever {
			return fmt.Errorf("invalid %s-...: times cannot be negative", check.flag)
		}
		if d := h.LogDestination; d != "" && d != "local" && d != "events_logger" && !path.IsAbs(d) {
			return fmt.Errorf("invalid --health-log-destination %q: must be local, events_logger or a directory", d)
		}
		if err := oneOf("--health-on-failure", h.OnFailure, "none", "kill", "restart", "stop"); err != nil {
			return err
		}
		if h.OnFailure == "restart" && c.Restart.Policy != "" && c.Restart.Policy != RestartNo {
			return together("--health-on-failure restart", "--restart "+c.Restart.Policy)
		}
	}
	return nil
}

func (c *Container) validateNetwork() error {
	n := &c.Network
	if c.Mounts.NoHosts && len(n.AddHosts) > 0 {
		return together("--no-hosts", "--add-host")
	}
	for _, word := range n.AddHosts {
		name, ip, _ := strings.Cut(word, ":")
		if _, err := netip.ParseAddr(strings.Trim(ip, "[]")); name == "" || err != nil && ip != "host-gateway" {
			return fmt.Errorf("invalid --add-host %q: NAME:IP is wanted, or NAME:host-gateway", word)
		}
	}
	if len(n.DNS) > 1 && slices.Contains(n.DNS, "none") {
		return fmt.Errorf("invalid --dns: \"none\" cannot be set together with a server")
	}
	for _, server := range n.DNS {
		if _, err := netip.ParseAddr(server); err != nil && server != "none" {
			return fmt.Errorf("invalid --dns: %s is not an IP address", server)
		}
	}
	word, _, _ := strings.Cut(n.Mode, ":")
	if word == "container" && len(n.DNS)+len(n.DNSSearch)+len(n.DNSOptions) > 0 {
		return fmt.Errorf("conflicting options: dns and the network mode %s", n.Mode)
	}
	if word == "container" && len(n.Ports) > 0 {
		return fmt.Errorf("conflicting options: --publish and the network mode %s: publish the ports of that container", n.Mode)
	}
	if len(n.Networks) > 0 && n.Mode != "" && n.Mode != "bridge" {
		return together("--network "+n.Mode, "a named network")
	}
	if err := checkPorts(n.Ports); err != nil {
		return err
	}
	for _, p := range n.Ports {
		if p.Container == 0 || int(p.Container)+int(max(p.Range, 1))-1 > 65535 || int(p.HostPort)+int(max(p.Range, 1))-1 > 65535 {
			return fmt.Errorf("invalid --publish: port %s is out of range", strconv.Itoa(int(p.Container)))
		}
	}
	return nil
}
