package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/config"
)

// callerFacts are what the caller's side adds to the flags.
type callerFacts struct {
	environ []string // NAME=VALUE
	argv    []string // the command line, kept for inspect
	conf    *config.Config
}

// facts reads them. argv includes the program's name.
func (a *app) facts() (*callerFacts, error) {
	conf, err := a.config()
	if err != nil {
		return nil, err
	}
	return &callerFacts{environ: os.Environ(), argv: os.Args, conf: conf}, nil
}

func (f *callerFacts) getenv(name string) string {
	for _, v := range f.environ {
		if have, value, _ := strings.Cut(v, "="); have == name {
			return value
		}
	}
	return ""
}

// spec is what the flags and arguments ask for, completed from containers.conf
// and validated. It may be called once.
func (o *containerOptions) spec(args []string, caller *callerFacts) (*spec.Container, error) {
	c := &o.c
	c.CreateCommand = withoutCreds(caller.argv, o.pull.creds)
	if err := o.setImage(args); err != nil {
		return nil, err
	}
	if err := o.applyConfig(caller.conf); err != nil {
		return nil, err
	}
	for _, step := range []func(*callerFacts) error{
		o.setPod, o.setEnv, o.setLabels, o.setNetworks, o.setHealth, o.setUserNamespace, o.setPaths, o.setDescriptors, o.check,
	} {
		if err := step(caller); err != nil {
			return nil, err
		}
	}
	return c, c.Validate()
}

// setImage takes the image, or the root file system, and the command off args.
func (o *containerOptions) setImage(args []string) error {
	first := args[0]
	if len(args) > 1 {
		o.c.Process.Command = args[1:]
	}
	if !o.rootfs {
		o.c.Image = first
		return nil
	}
	dir, option, hasOption := strings.Cut(first, ":")
	switch {
	case !hasOption:
	case option == "O":
	default:
		return fmt.Errorf("cannot use --rootfs %s: the only option is O", first)
	}
	o.c.Rootfs = &spec.Rootfs{Path: dir, Overlay: hasOption}
	return nil
}

func (o *containerOptions) setEnv(caller *callerFacts) error {
	env := map[string]string{}
	if o.envHost {
		for _, v := range caller.environ {
			if name, value, _ := strings.Cut(v, "="); name != "" {
				env[name] = value
			}
		}
	}
	if err := addEnv(env, o.envFiles, o.env, caller.environ); err != nil {
		return err
	}
	for _, word := range o.c.Process.EnvMerge {
		if name, _, ok := strings.Cut(word, "="); !ok || name == "" {
			return fmt.Errorf("invalid --env-merge %q: NAME=VALUE is wanted", word)
		}
	}
	if len(env) > 0 {
		o.c.Process.Env = env
	}
	o.c.Process.HTTPProxy = o.httpProxy
	return nil
}

// addEnv adds --env-file's and then --env's variables.
func addEnv(env map[string]string, files, words, environ []string) error {
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err == nil {
			err = spec.AddEnvFile(env, body, environ)
		}
		if err != nil {
			return fmt.Errorf("parsing env file %q: %w", file, err)
		}
	}
	for _, word := range words {
		if err := spec.AddEnv(env, word, environ); err != nil {
			return err
		}
	}
	return nil
}

// systemdUnitLabel ties a container to the unit that made it.
const systemdUnitLabel = "PODMAN_SYSTEMD_UNIT"

func (o *containerOptions) setLabels(caller *callerFacts) error {
	labels := map[string]string{}
	if unit := caller.getenv(systemdUnitLabel); unit != "" {
		labels[systemdUnitLabel] = unit
	}
	for _, file := range o.labelFiles {
		body, err := os.ReadFile(file)
		if err == nil {
			err = spec.AddLabelFile(labels, body)
		}
		if err != nil {
			return fmt.Errorf("unable to process labels of %s: %w", file, err)
		}
	}
	for _, word := range o.labels {
		if err := spec.AddLabel(labels, word); err != nil {
			return fmt.Errorf("unable to process labels: %w", err)
		}
	}
	if len(labels) > 0 {
		o.c.Labels = labels
	}
	return nil
}

func (o *containerOptions) setNetworks(caller *callerFacts) error {
	n := &o.c.Network
	for i, word := range o.networks {
		mode, attach, err := spec.ParseNetwork(word)
		if err != nil {
			return err
		}
		if i > 0 && (mode != "bridge" || n.Mode != "bridge") {
			return fmt.Errorf("cannot use --network %s beside %s: only named networks can be combined", word, o.networks[0])
		}
		n.Mode = mode
		if attach != nil {
			n.Networks = append(n.Networks, *attach)
		}
	}
	o.applyNetwork(&caller.conf.Network, caller.conf.Engine.NetworkCmdOptions.Values)
	return o.setNetworkOptions()
}

// setNetworkOptions hands --ip and its like to the one network they are for.
func (o *containerOptions) setNetworkOptions() error {
	n, extra := &o.c.Network, &o.networkOptions
	single := extra.IP + extra.IP6 + extra.MAC
	switch {
	case single == "" && len(extra.Aliases) == 0:
		return nil
	case len(n.Networks) == 0:
		return errors.New("--ip, --ip6, --mac-address and --network-alias need a named network")
	case len(n.Networks) > 1 && single != "":
		return errors.New("--ip, --ip6 and --mac-address are for one network; with several, write --network NAME:ip=ADDRESS")
	}
	for i := range n.Networks {
		n.Networks[i].Aliases = append(n.Networks[i].Aliases, extra.Aliases...)
	}
	if single != "" {
		n.Networks[0].IP, n.Networks[0].IP6, n.Networks[0].MAC = extra.IP, extra.IP6, extra.MAC
	}
	return nil
}

func (o *containerOptions) setHealth(*callerFacts) (err error) {
	o.c.Health, o.c.Startup, err = o.health.asked(o.flags)
	if err == nil && o.c.Startup != nil && len(o.c.Startup.Test) == 0 {
		err = errors.New("a startup health check needs its command: --health-startup-cmd")
	}
	return err
}

func (o *containerOptions) anyFlag(names ...string) bool {
	return slices.ContainsFunc(names, o.flags.Changed)
}

// setUserNamespace takes podman's variable where no flag says anything.
func (o *containerOptions) setUserNamespace(caller *callerFacts) error {
	if mode := caller.getenv("PODMAN_USERNS"); mode != "" && !o.anyFlag("userns", "uidmap", "gidmap", "subuidname", "subgidname", "pod") {
		o.c.Isolation.User = mode
	}
	return nil
}

// setPaths makes the caller's paths hold from any directory.
func (o *containerOptions) setPaths(*callerFacts) error {
	c := &o.c
	paths := append(mountPaths(c.Mounts.List), &c.CIDFile, &c.PIDFile, &c.MonitorPIDFile, &c.Log.Path, &c.Process.InitPath)
	if c.Security.Seccomp != "unconfined" {
		paths = append(paths, &c.Security.Seccomp)
	}
	if c.Rootfs != nil {
		paths = append(paths, &c.Rootfs.Path)
	}
	if f := c.Mounts.HostsFile; f != "none" && f != "image" {
		paths = append(paths, &c.Mounts.HostsFile)
	}
	return makeAbsolute(paths)
}

// mountPaths are the caller's paths in mounts.
func mountPaths(mounts []spec.Mount) []*string {
	var paths []*string
	for i := range mounts {
		m := &mounts[i]
		if m.Type == spec.MountBind || m.Type == spec.MountGlob {
			paths = append(paths, &m.Source)
		}
		paths = append(paths, &m.UpperDir, &m.WorkDir)
	}
	return paths
}

func makeAbsolute(paths []*string) error {
	for _, p := range paths {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("cannot tell what %s stands for: %w", *p, err)
		}
		*p = abs
	}
	return nil
}

func (o *containerOptions) setDescriptors(*callerFacts) (err error) {
	o.c.Process.PreserveFDs, err = preservedCount(o.c.Process.PreserveFDs, o.preserveFD)
	return err
}

// preservedCount is the number of descriptors from 3 on that --preserve-fds or
// --preserve-fd asks for: inside, they keep their numbers, and there can be no
// gap before them.
func preservedCount(count uint, listed []uint) (uint, error) {
	if len(listed) == 0 {
		return count, nil
	}
	if count > 0 {
		return 0, errors.New("cannot specify both --preserve-fd and --preserve-fds")
	}
	for i, fd := range slices.Compact(slices.Sorted(slices.Values(listed))) {
		if fd != uint(i)+firstGiven {
			return 0, fmt.Errorf("cannot hand descriptor %d inside without all from %d on", fd, firstGiven)
		}
		count++
	}
	return count, nil
}

// check refuses what contradicts itself or is wrong on this host, before
// anything is pulled or made.
func (o *containerOptions) check(*callerFacts) error {
	if o.c.InitType != "" && o.c.Remove {
		return errors.New("--init-ctr and --rm cannot be set together: --init-ctr=once removes the container")
	}
	if o.replace && o.c.Name == "" {
		return errors.New("cannot replace container without --name being set")
	}
	if err := o.checkPlatform(); err != nil {
		return err
	}
	for _, stream := range o.attach {
		switch strings.ToLower(stream) {
		case "stdin", "stdout", "stderr":
		default:
			return fmt.Errorf("invalid stream %q for --attach - must be one of stdin, stdout, or stderr", stream)
		}
	}
	if o.replace && o.c.Name == "" {
		return errors.New("cannot replace container without --name being set")
	}
	if err := checkTimezone(o.c.Process.Timezone); err != nil {
		return err
	}
	return checkSources(o.c.Mounts.List, o.c.Mounts.Devices)
}

func (o *containerOptions) checkPlatform() error {
	if o.pull.platform != "" && o.anyFlag("arch", "os", "variant") {
		return errors.New("--platform option can not be specified with --arch, --os or --variant")
	}
	if strings.Count(o.pull.platform, "/") > 2 {
		return fmt.Errorf("invalid --platform %q: OS/ARCH[/VARIANT] is wanted", o.pull.platform)
	}
	return nil
}

// checkSources looks whether what is to be mounted exists.
func checkSources(mounts []spec.Mount, devices []string) error {
	for _, m := range mounts {
		if m.Type != spec.MountBind {
			continue
		}
		if _, err := os.Stat(m.Source); err != nil {
			return fmt.Errorf("cannot mount %s at %s: %w", m.Source, m.Destination, errors.Unwrap(err))
		}
	}
	for _, d := range devices {
		host, _, _ := strings.Cut(d, ":")
		if _, err := os.Stat(host); err != nil {
			return fmt.Errorf("cannot use device %s: %w", host, errors.Unwrap(err))
		}
	}
	return nil
}

func checkTimezone(tz string) error {
	if tz == "" || tz == "local" {
		return nil
	}
	if !filepath.IsLocal(tz) {
		return fmt.Errorf("invalid --tz %q: a name below /usr/share/zoneinfo is wanted", tz)
	}
	if _, err := os.Stat(filepath.Join("/usr/share/zoneinfo", tz)); err != nil {
		return fmt.Errorf("invalid --tz %q: %w", tz, err)
	}
	return nil
}
