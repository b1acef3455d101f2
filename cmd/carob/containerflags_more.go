package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod/spec"
)

// addResourceFlags are the limits that update can change as well.
func addResourceFlags(f *pflag.FlagSet, r *spec.Resources) {
	f.StringVarP(&r.Memory, "memory", "m", "", "memory limit, NUMBER[b|k|m|g]")
	f.StringVar(&r.MemoryReservation, "memory-reservation", "", "memory to keep to when it is scarce, NUMBER[b|k|m|g]")
	f.StringVar(&r.MemorySwap, "memory-swap", "", "limit of memory and swap together; -1: no limit")
	f.Var(maybe(&r.MemorySwappiness, "number", parseInt64), "memory-swappiness", "0 to 100 (cgroup v1)")
	f.Float64Var(&r.CPUs, "cpus", 0, "number of CPUs the container may use")
	f.Uint64VarP(&r.CPUShares, "cpu-shares", "c", 0, "weight of the container's CPU time (default 1024)")
	f.Uint64Var(&r.CPUPeriod, "cpu-period", 0, "CPU period in microseconds")
	f.Int64Var(&r.CPUQuota, "cpu-quota", 0, "CPU time per period in microseconds")
	f.Uint64Var(&r.CPURTPeriod, "cpu-rt-period", 0, "real-time period in microseconds (cgroup v1)")
	f.Int64Var(&r.CPURTRuntime, "cpu-rt-runtime", 0, "real-time CPU time per period in microseconds (cgroup v1)")
	f.StringVar(&r.CPUSetCPUs, "cpuset-cpus", "", "CPUs to run on, as in 0-3,5")
	f.StringVar(&r.CPUSetMems, "cpuset-mems", "", "memory nodes to use, as in 0-1")
	f.Var(maybe(&r.PidsLimit, "number", parseInt64), "pids-limit", "number of processes; -1: no limit")
	f.Var(one(&r.BlkioWeight, "weight", parseWeight), "blkio-weight", "weight of disk accesses, 10 to 1000")
	f.StringSliceVar(&r.BlkioWeightDevice, "blkio-weight-device", nil, "weight for one device: DEVICE:WEIGHT")
	f.StringSliceVar(&r.DeviceReadBPS, "device-read-bps", nil, "bytes per second to read: DEVICE:RATE")
	f.StringSliceVar(&r.DeviceWriteBPS, "device-write-bps", nil, "bytes per second to write: DEVICE:RATE")
	f.StringSliceVar(&r.DeviceReadIOPS, "device-read-iops", nil, "reads per second: DEVICE:RATE")
	f.StringSliceVar(&r.DeviceWriteIOPS, "device-write-iops", nil, "writes per second: DEVICE:RATE")
}

// addCgroupFlags are the other limits, which stay as they were at the start.
func addCgroupFlags(f *pflag.FlagSet, r *spec.Resources) {
	f.StringArrayVar(&r.DeviceCgroupRule, "device-cgroup-rule", nil, "rule for devices: 'TYPE MAJOR:MINOR MODE'")
	f.Var(pairs(&r.CgroupConf, true), "cgroup-conf", "file of the cgroup v2 and its content, KEY=VALUE")
	f.StringVar(&r.CgroupParent, "cgroup-parent", "", "cgroup to live under")
	f.StringVar(&r.Cgroups, "cgroups", "", "make cgroups: enabled (default), disabled, no-conmon or split")
	f.Var(maybe(&r.OOMScoreAdj, "number", parseInt), "oom-score-adj", "-1000 to 1000: how likely to be killed when memory runs out")
	f.BoolVar(&r.OOMKillDisable, "oom-kill-disable", false, "do not kill when the memory limit is hit (cgroup v1)")
	f.StringSliceVar(&r.Ulimits, "ulimit", nil, "limit NAME=SOFT[:HARD], or host")
	f.Var(pairs(&r.Sysctl, true), "sysctl", "kernel parameter of the container's namespaces, NAME=VALUE")
	f.StringVar(&r.RdtClass, "rdt-class", "", "class of service of the resource control file system")
}

func addNetworkFlags(f *pflag.FlagSet, o *containerOptions) {
	n := &o.c.Network
	addSharedNetworkFlags(f, o)
	f.BoolVarP(&n.PublishAll, "publish-all", "P", false, "publish all exposed ports to ports that are free")
	f.Var(commaEach(&n.Expose, "port", parseExpose), "expose", "expose a port or a range: PORT[-PORT][/PROTOCOL]")
}

// addSharedNetworkFlags are those that a pod has, too.
func addSharedNetworkFlags(f *pflag.FlagSet, o *containerOptions) {
	n := &o.c.Network
	f.StringArrayVar(&o.networks, "network", nil, "network: none, host, private, pasta[:OPTIONS], slirp4netns[:OPTIONS], container:NAME, ns:PATH")
	f.VarP(commaEach(&n.Ports, "port", spec.ParsePublish), "publish", "p", "publish a port or a range: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]")
	f.StringSliceVar(&n.AddHosts, "add-host", nil, "line for /etc/hosts: NAME[;NAME...]:IP, where IP may be host-gateway")
	f.StringSliceVar(&n.DNS, "dns", nil, "DNS server; none: leave the image's /etc/resolv.conf alone")
	f.StringSliceVar(&n.DNSSearch, "dns-search", nil, "DNS search domain")
	f.StringSliceVar(&n.DNSOptions, "dns-option", nil, "DNS option")
	f.StringVar(&o.networkOptions.IP, "ip", "", "IPv4 address in a named network")
	f.StringVar(&o.networkOptions.IP6, "ip6", "", "IPv6 address in a named network")
	f.StringVar(&o.networkOptions.MAC, "mac-address", "", "hardware address in a named network")
	f.StringSliceVar(&o.networkOptions.Aliases, "network-alias", nil, "further name in named networks")
}

func addLogFlags(f *pflag.FlagSet, l *spec.Log) {
	f.StringVar(&l.Driver, "log-driver", "", "where output is kept: k8s-file (default), json-file, journald, none, passthrough")
	f.Var(&flagValue{kind: "option", set: func(s string) error {
		return commaWords(s, func(w string) error { return setLogOption(l, w) })
	}}, "log-opt", "path=FILE, max-size=SIZE, max-file=NUMBER, tag=TAG")
}

func addPullFlags(f *pflag.FlagSet, p *pullFlags) {
	f.Var(one(&p.policy, "policy", parsePullPolicy), "pull", "pull the image: missing (default), always, newer or never")
	f.StringVar(&p.platform, "platform", "", "image for OS/ARCH[/VARIANT]")
	f.StringVar(&p.os, "os", "", "image for this operating system")
	f.StringVar(&p.arch, "arch", "", "image for this architecture")
	f.StringVar(&p.variant, "variant", "", "image for this variant of the architecture")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "say nothing while pulling")
	f.StringVar(&p.authFile, "authfile", os.Getenv("REGISTRY_AUTH_FILE"), "file with the credentials for registries")
	f.StringVar(&p.certDir, "cert-dir", "", "directory with certificates for the registry")
	f.StringVar(&p.creds, "creds", "", "USER[:PASSWORD] for the registry")
	f.StringVar(&p.sigPolicy, "signature-policy", "", "signature policy file")
	f.VarPF(maybe(&p.tlsVerify, "bool", parseBool), "tls-verify", "", "require HTTPS and check certificates (default true)").NoOptDefVal = "true"
	f.StringSliceVar(&p.decrypt, "decryption-key", nil, "key for encrypted layers: FILE[:PASSPHRASE]")
	f.Var(maybe(&p.retry, "number", parseUint), "retry", "how often to try again when pulling fails (default 3)")
	f.StringVar(&p.retryDelay, "retry-delay", "", "time between two attempts")
}

// addLaterFlags are those whose time has not come: clear words are better
// than "unknown flag" for somebody who reads podman's manual.
func addLaterFlags(f *pflag.FlagSet) {
	addRefused(f, "GPUs to hand inside", "CDI devices are not supported; name the device files with --device", "gpus")
	addRefused(f, "size of systemd's tmpfs mounts", "it is not supported; mount what systemd needs with --tmpfs DIR:size=SIZE", "shm-size-systemd")
	addRefused(f, "docker's link-local addresses", "link-local addresses are not supported", "link-local-ip")
}

// setSecurityOption reads one --security-opt.
func setSecurityOption(s *spec.Security, word string) error {
	name, value, hasValue := strings.Cut(word, "=")
	if !hasValue { // docker's older way to write it
		name, value, hasValue = strings.Cut(word, ":")
	}
	if name == "no-new-privileges" {
		on, err := parseBool(value)
		s.NoNewPrivileges = on || !hasValue
		if hasValue {
			return err
		}
		return nil
	}
	if !hasValue || value == "" {
		return fmt.Errorf("invalid --security-opt %q: OPTION=VALUE is wanted", word)
	}
	switch name {
	case "seccomp":
		s.Seccomp = value
	case "apparmor":
		s.AppArmor = value
	case "label":
		s.Label = append(s.Label, value)
	case "mask":
		s.Mask = append(s.Mask, value)
	case "unmask":
		s.Unmask = append(s.Unmask, value)
	case "systempaths":
		if value != "unconfined" {
			return fmt.Errorf("invalid systempaths %q: only unconfined is known", value)
		}
		s.Unmask = append(s.Unmask, "ALL")
	case "proc-opts":
		s.ProcOpts = value
	default:
		return fmt.Errorf("invalid --security-opt %q", word)
	}
	return nil
}

// setLogOption reads one --log-opt.
func setLogOption(l *spec.Log, word string) error {
	name, value, ok := strings.Cut(word, "=")
	if !ok || value == "" {
		return fmt.Errorf("%q is not of the form NAME=VALUE", word)
	}
	var err error
	switch name {
	case "path":
		l.Path = value
	case "max-size":
		l.MaxSize, err = spec.ParseSize(value)
	case "max-file":
		l.MaxFile, err = parseInt(value)
	case "tag":
		l.Tag = value
	default:
		return fmt.Errorf("%q is not known: path, max-size, max-file or tag is wanted", name)
	}
	if err != nil {
		return err
	}
	if l.Options == nil {
		l.Options = map[string]string{}
	}
	l.Options[name] = value
	return nil
}

// parseDevice refuses the names of CDI devices, which look like nothing else.
func parseDevice(s string) ([]string, error) {
	host, _, _ := strings.Cut(s, ":")
	if !strings.HasPrefix(host, "/") {
		if strings.Contains(host, "=") {
			return nil, fmt.Errorf("cannot use %s: CDI devices are not supported; name the device files", s)
		}
		return nil, fmt.Errorf("cannot use %s: an absolute path is wanted", s)
	}
	return []string{s}, nil
}

// parseExpose checks and keeps the word: publishing may come later.
func parseExpose(s string) ([]string, error) {
	_, err := spec.ParseExpose(s)
	return []string{s}, err
}

func parsePullPolicy(s string) (string, error) {
	switch s {
	case "always", "missing", "newer", "never":
		return s, nil
	case "true": // podman's older booleans
		return "always", nil
	case "false":
		return "missing", nil
	}
	return "", fmt.Errorf("unsupported pull policy %q: it is none of always, missing, newer, never", s)
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "1", "t":
		return true, nil
	case "false", "0", "f":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}
