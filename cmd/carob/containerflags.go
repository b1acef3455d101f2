package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod/spec"
)

// containerOptions are the flags that describe a container, of create, run
// and whatever else makes one. Most of them write straight into the spec; the
// rest is what only counts once all flags are known (see containerspec.go).
type containerOptions struct {
	c     spec.Container
	flags *pflag.FlagSet

	env, envFiles      []string
	envHost, httpProxy bool
	labels, labelFiles []string
	rootfs             bool
	preserveFD         []uint
	networks           []string
	networkOptions     spec.NetworkAttach // --ip and its like, for the only network
	health             healthFlags

	pull      pullFlags
	replace   bool
	attach    []string
	podIDFile string
}

// pullFlags choose the image; they are not kept with the container.
type pullFlags struct {
	policy                      string
	platform, os, arch, variant string
	quiet                       bool
	authFile, certDir, creds    string
	sigPolicy                   string
	tlsVerify                   *bool
	decrypt                     []string
	retry                       *uint
	retryDelay                  string
}

// addContainerFlags adds all of podman-run(1)'s flags that describe the
// container; those about running it in the foreground are run's own.
func addContainerFlags(f *pflag.FlagSet, o *containerOptions) {
	o.flags = f
	f.SetNormalizeFunc(otherNames)
	addIdentityFlags(f, o)
	addProcessFlags(f, o)
	addEnvFlags(f, o)
	addStopFlags(f, o)
	addMountFlags(f, o)
	addIsolationFlags(f, &o.c.Isolation)
	addSecurityFlags(f, o)
	addResourceFlags(f, &o.c.Resources)
	addCgroupFlags(f, &o.c.Resources)
	addNetworkFlags(f, o)
	addLogFlags(f, &o.c.Log)
	o.health.add(f)
	addPullFlags(f, &o.pull)
	addLaterFlags(f)
	// -h is the host name here, so help goes without its letter.
	f.Bool("help", false, "show this help")
}

// otherNames are docker's and podman's older names of flags.
func otherNames(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "net":
		name = "network"
	case "dns-opt":
		name = "dns-option"
	case "healthcheck-command":
		name = "health-cmd"
	default:
		if rest, ok := strings.CutPrefix(name, "healthcheck-"); ok {
			name = "health-" + rest
		}
	}
	return pflag.NormalizedName(name)
}

func addIdentityFlags(f *pflag.FlagSet, o *containerOptions) {
	c := &o.c
	f.StringVar(&c.Name, "name", "", "name of the container")
	f.BoolVar(&o.replace, "replace", false, "remove a container of the same name first")
	f.BoolVar(&c.Remove, "rm", false, "remove the container when it has ended")
	f.StringVar(&c.CIDFile, "cidfile", "", "file to write the container's ID to")
	f.StringVar(&c.PIDFile, "pidfile", "", "file to write the process ID to")
	f.StringVar(&c.MonitorPIDFile, "conmon-pidfile", "", "file to write the process ID of the container's monitor to")
	f.StringSliceVar(&c.Requires, "requires", nil, "containers to start before this one")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "label, KEY[=VALUE]")
	f.StringSliceVar(&o.labelFiles, "label-file", nil, "file with labels, one per line")
	f.Var(pairs(&c.Annotations, true), "annotation", "annotation, KEY=VALUE")
	f.Var(one(&c.Restart, "policy", spec.ParseRestart), "restart", "what to do when the container ends: no, always, unless-stopped or on-failure[:TIMES]")
	f.StringSliceVarP(&o.attach, "attach", "a", nil, "attach to stdin, stdout or stderr only")
	f.BoolVar(&o.rootfs, "rootfs", false, "the first argument is a directory, DIR[:O], and not an image")
	f.StringVar(&c.Pod, "pod", "", "pod to run in, or new:NAME for one that is made with the container")
	f.StringVar(&o.podIDFile, "pod-id-file", "", "file to read the pod's ID from")
	f.Var(one(&c.InitType, "kind", parseInitType), "init-ctr", "run to its end before the other containers of the pod: always, at every start of the pod, or once")
	f.BoolP("disable-content-trust", "", false, "accepted for docker's sake: there is no content trust to disable")
}

func addProcessFlags(f *pflag.FlagSet, o *containerOptions) {
	p := &o.c.Process
	f.Var(maybe(&p.Entrypoint, "command", func(s string) ([]string, error) { return spec.ParseWords(s), nil }),
		"entrypoint", "command in place of the image's ENTRYPOINT: a word or a JSON array")
	f.StringVarP(&p.WorkDir, "workdir", "w", "", "working directory inside the container")
	f.StringVarP(&p.User, "user", "u", "", "user to run as: NAME|UID[:GROUP|GID]")
	f.StringSliceVar(&p.Groups, "group-add", nil, "additional group, or keep-groups for those of the caller")
	f.BoolVarP(&p.Terminal, "tty", "t", false, "give the container a terminal")
	f.BoolVarP(&p.Stdin, "interactive", "i", false, "keep standard input open")
	f.StringVar(&p.Umask, "umask", "", "umask inside the container, octal (default 0022)")
	f.StringVar(&p.Timezone, "tz", "", "time zone, as in Europe/Vienna, or local")
	f.BoolVar(&p.Init, "init", false, "run an init program that forwards signals and reaps processes")
	f.StringVar(&p.InitPath, "init-path", "", "path of that init program on the host")
	f.StringVar(&p.Systemd, "systemd", "", "prepare for systemd: true (the default: when the command is systemd or init), false or always")
	addNot(f, &p.NoPasswd, "passwd", "add entries to /etc/passwd and /etc/group")
	f.StringVar(&p.PasswdEntry, "passwd-entry", "", "line to add to /etc/passwd, with $USERNAME, $UID, $GID, $NAME, $HOME")
	f.StringVar(&p.GroupEntry, "group-entry", "", "line to add to /etc/group, with $GROUPNAME, $GID, $USERLIST")
	f.StringSliceVar(&p.HostUsers, "hostuser", nil, "user of the host to add to /etc/passwd")
	f.StringVar(&p.Personality, "personality", "", "execution domain: LINUX or LINUX32")
	f.UintVar(&p.PreserveFDs, "preserve-fds", 0, "number of file descriptors, from 3 on, to hand inside")
	addPreserveFD(f, &o.preserveFD)
	f.Var(each(&p.Secrets, "secret", spec.ParseSecret), "secret", "secret: NAME[,type=mount|env][,target=T][,uid=N][,gid=N][,mode=N]")
}

func addPreserveFD(f *pflag.FlagSet, list *[]uint) {
	f.Var(commaEach(list, "fds", func(s string) ([]uint, error) { n, err := parseUint(s); return []uint{n}, err }),
		"preserve-fd", "file descriptors to hand inside")
}

func addEnvFlags(f *pflag.FlagSet, o *containerOptions) {
	p := &o.c.Process
	f.StringArrayVarP(&o.env, "env", "e", nil, "environment variable: NAME=VALUE, NAME or NAME* from the caller's")
	f.StringSliceVar(&o.envFiles, "env-file", nil, "file with environment variables, one per line")
	f.BoolVar(&o.envHost, "env-host", false, "hand on all environment variables of the caller")
	f.StringArrayVar(&p.EnvMerge, "env-merge", nil, "variable made from the image's: NAME=${NAME}more")
	f.StringArrayVar(&p.UnsetEnv, "unsetenv", nil, "variable of the image to leave out")
	f.BoolVar(&p.UnsetEnvAll, "unsetenv-all", false, "leave out all variables of the image and the defaults")
	f.BoolVar(&o.httpProxy, "http-proxy", true, "hand on the caller's proxy variables")
}

func addStopFlags(f *pflag.FlagSet, o *containerOptions) {
	p := &o.c.Process
	f.StringVar(&p.StopSignal, "stop-signal", "", "signal that stops the container (default SIGTERM or the image's)")
	f.Var(maybe(&p.StopTimeout, "seconds", parseSeconds), "stop-timeout", "seconds between that signal and SIGKILL (default 10)")
	f.UintVar(&p.Timeout, "timeout", 0, "seconds after which the container is killed; 0: never")
	f.StringVar(&p.SdNotify, "sdnotify", "", "who tells systemd that the service is ready: container (default), conmon, healthy or ignore")
}

func addMountFlags(f *pflag.FlagSet, o *containerOptions) {
	m := &o.c.Mounts
	f.VarP(each(&m.List, "volume", spec.ParseVolume), "volume", "v", "mount [[SOURCE:]DESTINATION[:OPTIONS]], a directory or a named volume")
	f.Var(each(&m.List, "mount", spec.ParseMount), "mount", "mount type=bind|volume|tmpfs|image|devpts|glob,src=...,dst=...[,OPTIONS]")
	f.Var(each(&m.List, "tmpfs", spec.ParseTmpfs), "tmpfs", "mount a tmpfs: DESTINATION[:OPTIONS]")
	f.StringArrayVar(&m.VolumesFrom, "volumes-from", nil, "mount what another container has mounted: CONTAINER[:ro|rw][,z]")
	f.BoolVar(&m.ReadOnly, "read-only", false, "make the root file system read-only")
	addNot(f, &m.NoReadOnlyTmpfs, "read-only-tmpfs", "with --read-only, mount a tmpfs on /run, /tmp and /var/tmp")
	f.StringVar(&m.ShmSize, "shm-size", "", "size of /dev/shm, NUMBER[b|k|m|g] (default 64m)")
	f.StringVar(&m.ImageVolume, "image-volume", "", "what becomes of the image's volumes: anonymous (also bind), tmpfs or ignore")
	f.BoolVar(&m.NoHosts, "no-hosts", false, "leave the image's /etc/hosts alone")
	f.StringVar(&m.HostsFile, "hosts-file", "", "what /etc/hosts begins with: a path, image or none")
	f.BoolVar(&m.NoHostname, "no-hostname", false, "leave the image's /etc/hostname alone")
	f.Var(commaEach(&m.Devices, "device", parseDevice), "device", "device of the host: HOST[:CONTAINER][:PERMISSIONS]")
	f.StringSliceVar(&m.ChrootDirs, "chrootdirs", nil, "directories inside that get /etc/hosts and its like, too")
}

func addIsolationFlags(f *pflag.FlagSet, i *spec.Isolation) {
	f.StringVar(&i.PID, "pid", "", "PID namespace: private, host, container:NAME, ns:PATH")
	f.StringVar(&i.IPC, "ipc", "", "IPC namespace: private, shareable, host, none, container:NAME, ns:PATH")
	f.StringVar(&i.UTS, "uts", "", "UTS namespace: private, host, container:NAME, ns:PATH")
	f.StringVar(&i.Cgroup, "cgroupns", "", "cgroup namespace: private, host, container:NAME, ns:PATH")
	addUserNamespaceFlags(f, i)
	f.StringVarP(&i.Hostname, "hostname", "h", "", "host name inside the container")
}

// addUserNamespaceFlags are those that a pod has, too.
func addUserNamespaceFlags(f *pflag.FlagSet, i *spec.Isolation) {
	f.StringVar(&i.User, "userns", "", "user namespace: host, keep-id[:uid=N,gid=N], auto[:OPTIONS], nomap, container:NAME, ns:PATH")
	f.StringSliceVar(&i.UIDMap, "uidmap", nil, "mapping of user IDs: CONTAINER:HOST[:AMOUNT]")
	f.StringSliceVar(&i.GIDMap, "gidmap", nil, "mapping of group IDs: CONTAINER:HOST[:AMOUNT]")
	f.StringVar(&i.SubUID, "subuidname", "", "name in /etc/subuid whose range to map")
	f.StringVar(&i.SubGID, "subgidname", "", "name in /etc/subgid whose range to map")
}

func addSecurityFlags(f *pflag.FlagSet, o *containerOptions) {
	s := &o.c.Security
	f.BoolVar(&s.Privileged, "privileged", false, "give the container all the rights its user has")
	f.StringSliceVar(&s.CapAdd, "cap-add", nil, "capability to add, or ALL")
	f.StringSliceVar(&s.CapDrop, "cap-drop", nil, "capability to drop, or ALL")
	f.Var(&flagValue{kind: "option", set: func(w string) error { return setSecurityOption(s, w) }}, "security-opt",
		"no-new-privileges, seccomp=FILE|unconfined, apparmor=, label=, mask=, unmask=, proc-opts=")
	f.StringVar(&s.SeccompPolicy, "seccomp-policy", "", "where the seccomp profile comes from: default or image")
}
