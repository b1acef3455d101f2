package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/config"
	"github.com/carob-containers/carob/pkg/netns"
	"github.com/carob-containers/carob/pkg/userns"
)

// config reads containers.conf on first use.
func (a *app) config() (*config.Config, error) {
	if a.conf != nil {
		return a.conf, nil
	}
	conf, err := config.Load(config.Where{Rootless: userns.Rootless(), Getenv: os.Getenv, Modules: a.global.modules})
	a.conf = conf
	return conf, err
}

// engineConfig is containers.conf with the engine's variables put into the
// environment, where helpers see them too; what the caller has set stays.
func (a *app) engineConfig() (*config.Config, error) {
	conf, err := a.config()
	if err != nil {
		return nil, err
	}
	return conf, conf.SetEnv()
}

// applyConfig fills in from containers.conf what no flag has said. A member of
// a pod takes what they share from the pod.
func (o *containerOptions) applyConfig(conf *config.Config) error {
	inPod := o.c.Pod != "" || o.podIDFile != ""
	if !inPod {
		o.applyNamespaces(&conf.Containers)
	}
	if !inPod || strings.HasPrefix(o.c.Pod, newPodPrefix) {
		o.applyShared(&conf.Containers)
	}
	o.applyHostFiles(&conf.Containers)
	o.applyWords(conf)
	o.applyLists(&conf.Containers)
	o.applySwitches(&conf.Containers)
	o.applyLimits(conf)
	return o.applyMounts(&conf.Containers)
}

// said tells whether a flag was given. What was read from a file has no flags:
// there it is said when it is set.
func (o *containerOptions) said(flag string, set bool) bool {
	if o.flags == nil {
		return set
	}
	return o.flags.Changed(flag)
}

// configWord is a setting of one word and the flag that wins over it.
type configWord struct {
	flag  string
	dst   *string
	value string
}

func (o *containerOptions) setWords(list []configWord) {
	for _, w := range list {
		if w.value != "" && !o.said(w.flag, *w.dst != "") {
			*w.dst = w.value
		}
	}
}

// applyNamespaces are the namespaces of a container that is in no pod.
func (o *containerOptions) applyNamespaces(d *config.Containers) {
	iso := &o.c.Isolation
	o.setWords([]configWord{
		{"cgroupns", &iso.Cgroup, d.CgroupNS}, {"ipc", &iso.IPC, d.IPCNS}, {"pid", &iso.PID, d.PIDNS}, {"uts", &iso.UTS, d.UTSNS},
	})
	if d.UserNS != "" && !o.anyFlag("userns", "uidmap", "gidmap", "subuidname", "subgidname") {
		iso.User = d.UserNS
	}
	if size := d.UserNSSize; size != nil && *size > 0 && iso.User == "auto" {
		iso.User = fmt.Sprintf("auto:size=%d", *size)
	}
}

// applyShared is what the infra container has for a whole pod.
func (o *containerOptions) applyShared(d *config.Containers) {
	c := &o.c
	o.setWords([]configWord{{"shm-size", &c.Mounts.ShmSize, d.ShmSize}})
	if c.Isolation.IPC == "host" && !o.said("shm-size", false) {
		c.Mounts.ShmSize = ""
	}
	if d.NetNS != "" && len(o.networks) == 0 {
		o.networks = []string{d.NetNS}
	}
	o.applyDNS(d)
	o.applyHostFiles(d)
}

// applyDNS sets what stands in the host's place. What a pod adds is added here
// then, as there is nothing else to add it to.
func (o *containerOptions) applyDNS(d *config.Containers) {
	n := &o.c.Network
	for _, list := range []struct {
		flag     string
		dst, add *[]string
		value    config.List
		join     func(list, more []string) []string
	}{
		{"dns", &n.DNS, &n.AddDNS, d.DNSServers, netns.AddWords},
		{"dns-search", &n.DNSSearch, &n.AddDNSSearch, d.DNSSearches, netns.AddWords},
		{"dns-option", &n.DNSOptions, &n.AddDNSOptions, d.DNSOptions, netns.AddOptions},
	} {
		if !o.said(list.flag, len(*list.dst) > 0) {
			*list.dst = append(*list.dst, list.value.Values...)
		}
		if len(*list.dst) > 0 && len(*list.add) > 0 {
			*list.dst, *list.add = list.join(*list.dst, *list.add), nil
		}
	}
}

// applyHostFiles is about /etc/hosts and /etc/hostname. Lines that were asked
// for want the file to be written.
func (o *containerOptions) applyHostFiles(d *config.Containers) {
	m, n := &o.c.Mounts, &o.c.Network
	o.setWords([]configWord{{"hosts-file", &m.HostsFile, d.BaseHostsFile}, {"", &n.HostInternalIP, d.HostContainersInternalIP}})
	o.setSwitches([]configSwitch{{"no-hostname", &m.NoHostname, d.NoHostname}})
	if len(n.AddHosts) == 0 && n.FullName == "" {
		o.setSwitches([]configSwitch{{"no-hosts", &m.NoHosts, d.NoHosts}})
	}
}

// applyWords are settings of one word.
func (o *containerOptions) applyWords(conf *config.Config) {
	c, d := &o.c, &conf.Containers
	o.setWords([]configWord{
		{"cgroups", &c.Resources.Cgroups, d.Cgroups},
		{"init-path", &c.Process.InitPath, d.InitPath},
		{"log-driver", &c.Log.Driver, d.LogDriver},
		{"log-opt", &c.Log.Tag, d.LogTag},
		{"tz", &c.Process.Timezone, d.TZ},
		{"umask", &c.Process.Umask, d.Umask},
		{"", &c.Log.Dir, d.LogPath},
		{"image-volume", &c.Mounts.ImageVolume, conf.Engine.ImageVolumeMode},
		{"pull", &o.pull.policy, conf.Engine.PullPolicy},
	})
	if c.Security.Seccomp == "" {
		c.Security.Seccomp = d.SeccompProfile
	}
	if c.Security.AppArmor == "" && d.AppArmorProfile == "unconfined" {
		c.Security.AppArmor = d.AppArmorProfile
	}
}

// applyLists are settings that hold several words. Those of the flags win
// where both speak of the same thing.
func (o *containerOptions) applyLists(d *config.Containers) {
	c := &o.c
	c.Process.EnvDefaults = wordMap(c.Process.EnvDefaults, d.Env.Values)
	c.Annotations = wordMap(c.Annotations, d.Annotations.Values)
	c.Mounts.Devices = append(slices.Clone(d.Devices.Values), c.Mounts.Devices...)
	if !slices.Contains(c.Resources.Ulimits, "host") {
		c.Resources.DefaultUlimits = missing(d.DefaultUlimits.Values, c.Resources.Ulimits)
	}
	c.Resources.Sysctl = wordMap(c.Resources.Sysctl, o.fittingSysctls(d.DefaultSysctls.Values))
	if caps := d.DefaultCapabilities; caps.Set {
		c.Security.DefaultCaps = append([]string{}, caps.Values...)
	}
}

// wordMap adds the NAME=VALUE words that m does not have yet.
func wordMap(m map[string]string, words []string) map[string]string {
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		if _, have := m[name]; have || name == "" {
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[name] = value
	}
	return m
}

// missing are those of words whose NAME= none of have begins with.
func missing(words, have []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		name, _, _ := strings.Cut(w, "=")
		return slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, name+"=") })
	})
}

// fittingSysctls leaves out defaults for namespaces the container does not
// get of its own; for a flag that is an error, for a default it is not.
func (o *containerOptions) fittingSysctls(words []string) []string {
	network := ""
	if len(o.networks) > 0 {
		network, _, _ = strings.Cut(o.networks[0], ":")
	}
	inPod := o.c.Pod != "" || o.podIDFile != ""
	foreignNet := inPod || slices.Contains([]string{"host", "container", "ns", "pod"}, network)
	ipc, _, _ := strings.Cut(o.c.Isolation.IPC, ":")
	foreignIPC := inPod || slices.Contains([]string{"host", "container", "ns", "pod"}, ipc)
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		// The default range of ping is carob's own default, set where the
		// group exists.
		if strings.ReplaceAll(w, " ", "") == "net.ipv4.ping_group_range=00" {
			return true
		}
		return foreignNet && strings.HasPrefix(w, "net.") ||
			foreignIPC && (strings.HasPrefix(w, "kernel.") || strings.HasPrefix(w, "fs.mqueue."))
	})
}

// configSwitch is a boolean and the flag that wins over it.
type configSwitch struct {
	flag  string
	dst   *bool
	value *bool
}

func (o *containerOptions) setSwitches(list []configSwitch) {
	for _, s := range list {
		if s.value != nil && !o.said(s.flag, *s.dst) {
			*s.dst = *s.value
		}
	}
}

// applySwitches are the booleans.
func (o *containerOptions) applySwitches(d *config.Containers) {
	c := &o.c
	o.setSwitches([]configSwitch{
		{"env-host", &o.envHost, d.EnvHost},
		{"http-proxy", &o.httpProxy, d.HTTPProxy},
		{"init", &c.Process.Init, d.Init},
		{"privileged", &c.Security.Privileged, d.Privileged},
		{"read-only", &c.Mounts.ReadOnly, d.ReadOnly},
	})
	if d.Label != nil && !*d.Label && len(c.Security.Label) == 0 {
		c.Security.Label = []string{"disable"}
	}
}

// applyLimits are the numbers.
func (o *containerOptions) applyLimits(conf *config.Config) {
	c, d := &o.c, &conf.Containers
	if c.Log.MaxSize == 0 && d.LogSizeMax != nil && *d.LogSizeMax > 0 {
		c.Log.MaxSize = *d.LogSizeMax
	}
	if c.Process.StopTimeout == nil {
		c.Process.StopTimeout = conf.Engine.StopTimeout
	}
	if c.Resources.OOMScoreAdj == nil {
		c.Resources.OOMScoreAdj = d.OOMScoreAdj
	}
	c.Resources.PidsDefault = d.PidsLimit
}

// applyNetwork takes the user's network of containers.conf, and its options
// where the flag has none.
func (o *containerOptions) applyNetwork(conf *config.Network, slirp []string) {
	mode := &o.c.Network.Mode
	if *mode == "" || *mode == "private" {
		*mode = cmp.Or(conf.DefaultRootlessNetworkCmd, *mode)
	}
	options := map[string][]string{"pasta": conf.PastaOptions.Values, "slirp4netns": slirp}[*mode]
	if len(options) > 0 {
		*mode += ":" + strings.Join(options, ",")
	}
}

// applyMounts adds the mounts of containers.conf, except where a flag mounts
// something else.
func (o *containerOptions) applyMounts(d *config.Containers) error {
	own := o.c.Mounts.List
	for _, list := range []struct {
		words []string
		parse func(string) (spec.Mount, error)
	}{{d.Volumes.Values, spec.ParseVolume}, {d.Mounts.Values, spec.ParseMount}} {
		for _, w := range list.words {
			m, err := list.parse(w)
			if err != nil {
				return fmt.Errorf("cannot use the mount %q of containers.conf: %w", w, err)
			}
			if !slices.ContainsFunc(own, func(have spec.Mount) bool { return have.Destination == m.Destination }) {
				o.c.Mounts.List = append(o.c.Mounts.List, m)
			}
		}
	}
	return nil
}
