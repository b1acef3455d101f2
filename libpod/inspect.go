package libpod

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/cgroup"
)

// inspector gathers what inspect tells of one container.
type inspector struct {
	c     *Container
	st    *State
	image *v1.ImageConfig // nil: with --rootfs, or the image is gone
	oci   *rspec.Spec     // of the last start, or what a start would give; may be empty
	out   *Inspected
}

// Inspect tells all about a container. What cannot be found out, because the
// image or the OCI runtime is gone, stays empty.
func (c *Container) Inspect(ctx context.Context, sizes bool) (*Inspected, error) {
	st, err := c.State()
	if err != nil {
		return nil, err
	}
	ports, err := c.PublishedPorts(ctx)
	if err != nil {
		return nil, err
	}
	i := &inspector{c: c, st: st, out: &Inspected{}}
	if img, err := c.image(); err == nil && img != nil {
		i.image = &img.config.Config.ImageConfig
		i.out.ImageDigest = img.Digest.String()
	}
	if i.oci, err = i.bundle(); err != nil {
		return nil, err
	}
	i.general()
	i.files()
	if err := i.state(); err != nil {
		return nil, err
	}
	i.layers()
	i.mounts()
	i.network(ports)
	i.config()
	i.hostConfig()
	if sizes {
		s, err := c.Sizes()
		if err != nil {
			return nil, err
		}
		i.out.SizeRw, i.out.SizeRootFs = &s.RW, s.RootFS
	}
	return i.out, nil
}

// bundle is the last start's config.json. Before the first start it is made
// as a start would, as far as that goes without mounting anything.
func (i *inspector) bundle() (*rspec.Spec, error) {
	cfg := &rspec.Spec{}
	body, err := os.ReadFile(filepath.Join(i.c.Dir(), store.BundleFile))
	if errors.Is(err, os.ErrNotExist) || err == nil && json.Unmarshal(body, cfg) != nil { // a power cut has taken its bytes
		cfg, err = i.planned(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration of container %s: %w", i.c.Name, err)
	}
	if cfg.Process == nil {
		cfg.Process = &rspec.Process{}
	}
	if i.c.Process.CommandTemplate {
		cfg.Process.Args, _ = bundle.Args(i.c.Container, i.image) // without the secrets
	}
	if cfg.Process.Capabilities == nil {
		cfg.Process.Capabilities = &rspec.LinuxCapabilities{}
	}
	return cfg, nil
}

func (i *inspector) planned() *rspec.Spec {
	args, _ := bundle.Args(i.c.Container, i.image)
	least := &rspec.Spec{Process: &rspec.Process{Args: args}}
	r, err := i.c.rt.OCI()
	if err != nil {
		return least
	}
	host, err := i.c.rt.hostFacts(r, i.c.Container)
	if err != nil {
		return least
	}
	in := bundle.Input{Spec: i.c.Container, Image: i.image, Rootfs: "/", Host: host, Hostname: i.hostname(), Namespaces: i.borrowed()}
	cfg, err := bundle.Generate(in)
	if err != nil {
		return least
	}
	return cfg
}

// borrowed names something for each namespace that is somebody else's, a pod's
// for instance, and is looked up at the start.
func (i *inspector) borrowed() (ns bundle.Namespaces) {
	iso := &i.c.Isolation
	for _, one := range []struct {
		mode string
		path *string
	}{{iso.PID, &ns.PID}, {iso.IPC, &ns.IPC}, {iso.UTS, &ns.UTS}, {iso.Cgroup, &ns.Cgroup}, {iso.User, &ns.User}, {i.c.Network.Mode, &ns.Net}} {
		if whose, _, _ := strings.Cut(one.mode, ":"); whose == "container" || whose == "ns" || whose == "pod" {
			*one.path = "/proc/PID/ns"
		}
	}
	return ns
}

func (i *inspector) hostname() string {
	if i.c.Isolation.UTS == "host" {
		name, _ := os.Hostname()
		return name
	}
	return firstOf(i.c.Isolation.Hostname, i.c.ID[:12])
}

func (i *inspector) general() {
	c, o := i.c, i.out
	o.ID, o.Created, o.Name, o.Pod, o.IsInfra = c.ID, c.Created.UTC(), c.Name, c.Pod, c.Infra
	o.Image, o.ImageName = c.ImageID, c.ImageName
	if c.Rootfs != nil {
		o.Rootfs = c.Rootfs.Path
	}
	o.Args = []string{}
	if args := i.oci.Process.Args; len(args) > 0 {
		o.Path, o.Args = args[0], append(o.Args, args[1:]...)
	}
	o.RestartCount, o.Driver = i.st.Restarts, c.rt.paths.Driver
	o.AppArmorProfile = i.oci.Process.ApparmorProfile
	if l := c.Security.SELinux; l != nil {
		o.ProcessLabel, o.MountLabel = l.Process, l.Mount
	}
	caps := i.oci.Process.Capabilities
	o.EffectiveCaps, o.BoundingCaps = caps.Effective, caps.Bounding
	o.ExecIDs, o.Dependencies = []string{}, append([]string{}, c.Requires...)
	for _, mode := range []string{c.Isolation.PID, c.Isolation.IPC, c.Isolation.UTS, c.Isolation.Cgroup, c.Isolation.User, c.Network.Mode} {
		if id, ok := otherContainer(mode); ok {
			o.Dependencies = append(o.Dependencies, id)
		}
	}
	o.KubeExitCodePropagation = "invalid"
}

// files are told of when they are there.
func (i *inspector) files() {
	c, o := i.c, i.out
	there := func(path string) string {
		if _, err := os.Stat(path); err != nil {
			return ""
		}
		return path
	}
	etc := filepath.Join(c.Dir(), store.FilesDir)
	o.ResolvConfPath, o.HostnamePath = there(filepath.Join(etc, "resolv.conf")), there(filepath.Join(etc, "hostname"))
	o.HostsPath, o.StaticDir = there(filepath.Join(etc, "hosts")), c.Dir()
	o.OCIConfigPath = there(filepath.Join(c.Dir(), store.BundleFile))
	o.OCIRuntime = firstOf(c.rt.opts.OCIRuntime, "crun")
	if r, err := c.rt.OCI(); err == nil {
		o.OCIRuntime = r.Name
	}
	o.ConmonPidFile, o.PidFile = c.MonitorPIDFile, c.PIDFile
}

func (i *inspector) state() error {
	st := i.st
	s := &i.out.State
	s.OciVersion, s.Status = i.oci.Version, st.Status
	s.Running, s.Paused = st.Running(), st.Status == StatePaused
	s.Restarting, s.OOMKilled, s.Error = st.Status == StateRestarting, st.OOMKilled, st.Error
	s.StartedAt, s.FinishedAt = st.StartedAt().UTC(), st.FinishedAt().UTC()
	s.StoppedByUser = st.StoppedByUser
	report, err := i.c.HealthReport(st)
	if err != nil {
		return err
	}
	s.Health = inspectedHealth(st.Health, report)
	if st.Status == StateExited || st.Status == StateRestarting {
		s.ExitCode = st.ExitCode
	}
	if !st.Live() {
		return nil
	}
	s.Pid, s.ConmonPid = st.PID, st.MonitorPID
	if path, err := cgroup.PathOf(fmt.Sprint(st.PID)); err == nil && st.PID > 0 {
		s.CgroupPath = path
	}
	return nil
}

// layers tells where containers/storage keeps the root file system.
func (i *inspector) layers() {
	i.out.GraphDriver = InspectedDriver{Name: i.c.rt.paths.Driver, Data: map[string]string{}}
	if i.c.Rootfs != nil {
		return
	}
	images, err := i.c.rt.Images()
	if err != nil {
		return
	}
	layer, err := images.Container(i.c.ID)
	if err != nil {
		return
	}
	driver, err := images.Storage().GraphDriver()
	if err != nil {
		return
	}
	if data, err := driver.Metadata(layer.LayerID); err == nil && data != nil {
		i.out.GraphDriver.Data = data
	}
}

// mounts lists volumes and binds; what is made for every container, and
// tmpfs, is elsewhere.
func (i *inspector) mounts() {
	i.out.Mounts = []InspectedMount{}
	for _, m := range i.c.Mounts.List {
		if out := i.c.rt.inspectMount(m, i.mountOptions(m)); out != nil {
			i.out.Mounts = append(i.out.Mounts, *out)
		}
	}
}

// inspectMount describes a volume, a bind or an image; nil for other mounts.
func (rt *Runtime) inspectMount(m spec.Mount, options []string) *InspectedMount {
	if m.Type == spec.MountImage {
		return &InspectedMount{Type: m.Type, Source: m.Source, Destination: m.Destination, RW: m.ReadWrite}
	}
	if m.Type != spec.MountVolume && m.Type != spec.MountBind {
		return nil
	}
	out := &InspectedMount{Type: m.Type, Source: m.Source, Destination: m.Destination, RW: true, Mode: m.Relabel, Propagation: "rprivate", Options: []string{}}
	if m.Type == spec.MountVolume {
		out.Name, out.Source, out.Driver = m.Source, rt.VolumeData(m.Source), "local"
	} else {
		out.Source = filepath.Join(m.Source, m.SubPath)
	}
	for _, option := range options {
		switch option {
		case "ro":
			out.RW = false
		case "rw":
		case "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable":
			out.Propagation = option
		default:
			out.Options = append(out.Options, option)
		}
	}
	return out
}

// mountOptions are those of the last start, else those asked for.
func (i *inspector) mountOptions(m spec.Mount) []string {
	for _, have := range i.oci.Mounts {
		if have.Destination == m.Destination {
			return have.Options
		}
	}
	return m.Options
}

func (i *inspector) network(ports []spec.Port) {
	n := &i.out.NetworkSettings
	n.Ports = inspectedPorts(ports)
	for _, word := range i.exposed() {
		p, err := parseExposed(word)
		if err != nil || published(ports, p) {
			continue
		}
		for k := range p.Range {
			n.Ports[fmt.Sprintf("%d/%s", p.Container+k, p.Protocol)] = nil
		}
	}
	if i.st.Running() && i.out.HostConfig.NetworkMode != netHost {
		n.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", i.st.PID)
	}
}

func (i *inspector) exposed() []string {
	words := append([]string{}, i.c.Network.Expose...)
	if i.image != nil {
		for word := range i.image.ExposedPorts {
			words = append(words, word)
		}
	}
	return words
}

func inspectedPorts(ports []spec.Port) map[string][]InspectedPort {
	out := map[string][]InspectedPort{}
	for _, p := range ports {
		for k := range max(p.Range, 1) {
			key := fmt.Sprintf("%d/%s", p.Container+k, p.Protocol)
			out[key] = append(out[key], InspectedPort{p.HostIP, fmt.Sprint(p.HostPort + k)})
		}
	}
	return out
}

// withoutSecrets hides the values of variables that are secrets or made of
// them, in podman's way.
func withoutSecrets(env []string, p *spec.Process) []string {
	env = slices.Clone(env)
	for i, word := range env {
		name, _, _ := strings.Cut(word, "=")
		_, template := p.EnvTemplates[name]
		secret := slices.ContainsFunc(p.Secrets, func(s spec.Secret) bool {
			return s.Type == "env" && firstOf(s.Target, s.Source) == name
		})
		if template || secret {
			env[i] = name + "=*******"
		}
	}
	return env
}

func (i *inspector) config() {
	c, o := i.c, &i.out.Config
	p := &c.Process
	o.Hostname, o.User = i.hostname(), p.User
	o.Tty, o.OpenStdin = p.Terminal, p.Stdin
	o.Env, o.Cmd, o.Image, o.WorkingDir = withoutSecrets(i.oci.Process.Env, p), p.Command, c.ImageName, i.oci.Process.Cwd
	if i.image != nil {
		o.User, o.Entrypoint = firstOf(p.User, i.image.User), strings.Join(i.image.Entrypoint, " ")
		if p.Command == nil && p.Entrypoint == nil {
			o.Cmd = i.image.Cmd
		}
	}
	if p.Entrypoint != nil {
		o.Entrypoint = strings.Join(*p.Entrypoint, " ")
	}
	o.Labels, o.Annotations = c.Labels, maps.Clone(i.oci.Annotations)
	delete(o.Annotations, "run.oci.seccomp_bpf_data") // between carob and crun: pages of base64
	o.StopSignal = int(c.stopSignal(c.base))
	o.HealthcheckOnFailureAction = "none"
	if h := c.health(); h != nil {
		o.Healthcheck = inspectedCheck(h)
		o.HealthcheckOnFailureAction = firstOf(h.OnFailure, "none")
		m := c.monitorHealth(c.base)
		o.HealthLogDestination = firstOf(h.LogDestination, healthLogLocal)
		o.HealthMaxLogCount, o.HealthMaxLogSize = &m.LogCount, &m.LogSize
		if c.Startup != nil {
			s := *c.Startup
			completeHealth(&s)
			o.StartupHealthCheck = &InspectedStartup{*inspectedCheck(&s), s.Successes}
		}
	} else if c.Health != nil {
		o.Healthcheck = &InspectedCheck{Test: c.Health.Test}
	}
	o.CreateCommand, o.Umask = c.CreateCommand, umaskWord(p.Umask)
	for _, s := range p.Secrets {
		o.Secrets = append(o.Secrets, i.secret(s))
	}
	o.Timeout, o.StopTimeout, o.Passwd = p.Timeout, c.stopTimeout(), !p.NoPasswd
	o.SdNotifyMode = firstOf(p.SdNotify, "container")
	o.SystemdMode, o.Timezone = bundle.Systemd(c.Container, i.image), p.Timezone
}

func inspectedCheck(h *spec.Health) *InspectedCheck {
	return &InspectedCheck{
		Test: h.Test, Interval: max(h.Interval, 0), Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries,
	}
}

// inspectedHealth is the record's verdict with the report's details, if there
// are any.
func inspectedHealth(status string, r *monitor.HealthReport) InspectedHealth {
	h := InspectedHealth{Status: status}
	if r == nil {
		return h
	}
	h.FailingStreak, h.Log = r.FailingStreak, []InspectedHealthLog{}
	for _, e := range r.Log {
		h.Log = append(h.Log, InspectedHealthLog{e.Start, e.End, e.ExitCode, e.Output})
	}
	return h
}

// umaskWord writes a umask with all of its digits.
func umaskWord(asked string) string {
	n, _ := spec.ParseUmask(asked) // was checked at creation
	return fmt.Sprintf("%04o", n)
}

// secret is as it was asked for; one that was removed since has a name only.
func (i *inspector) secret(s spec.Secret) InspectedSecret {
	out := InspectedSecret{Name: s.Source, ID: s.Source, UID: s.UID, GID: s.GID, Mode: cmp.Or(s.Mode, 0o444)}
	if stored, err := i.c.rt.db.Secret(context.Background(), s.Source); err == nil {
		out.Name, out.ID = stored.Name, stored.ID
	}
	return out
}
