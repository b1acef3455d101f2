package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

type podCreateOptions struct {
	pod spec.Pod
	// infra holds the flags that are a container's, too: network, user
	// namespace, labels.
	infra       containerOptions
	withInfra   bool
	share       string
	shareParent bool
	replace     bool
}

func newPodCreate(a *app) *cobra.Command {
	o := &podCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create [options] [NAME]",
		Short: "Make a pod",
		Example: `carob pod create --name web -p 8080:80
carob run -d --pod web nginx`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runPodCreate(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	o.infra.flags = f
	f.SetNormalizeFunc(otherNames)
	o.addFlags(f)
	addSharedNetworkFlags(f, &o.infra)
	return cmd
}

// addFlags are those of pod create alone.
func (o *podCreateOptions) addFlags(f *pflag.FlagSet) {
	p, infra := &o.pod, &o.infra.c
	o.addCloneFlags(f)
	f.BoolVar(&o.withInfra, "infra", true, "make an infra container, which holds what the pod's containers share")
	f.StringVar(&o.share, "share", "ipc,net,uts", "namespaces to share: of cgroup, ipc, net, pid, uts; none; with + in front, beside the default ones")
	f.BoolVar(&o.shareParent, "share-parent", true, "put the containers into the pod's control group")
	f.StringVar(&p.ExitPolicy, "exit-policy", "", "what becomes of the pod when its last container has ended: continue (default) or stop")
	f.Var(one(&p.Restart, "policy", spec.ParseRestart), "restart", "restart policy of containers that have none of their own")
	f.StringVar(&p.IDFile, "pod-id-file", "", "file to write the pod's ID to")
	f.BoolVar(&o.replace, "replace", false, "remove a pod of the same name first")
	f.BoolVar(&infra.Mounts.NoHosts, "no-hosts", false, "leave the images' /etc/hosts alone")
}

// addCloneFlags are those of pod clone, too.
func (o *podCreateOptions) addCloneFlags(f *pflag.FlagSet) {
	p, infra := &o.pod, &o.infra.c
	f.StringVarP(&p.Name, "name", "n", "", "name of the pod")
	f.StringVar(&infra.Name, "infra-name", "", "name of the infra container")
	f.StringVar(&infra.MonitorPIDFile, "infra-conmon-pidfile", "", "file to write the process ID of the infra container to")
	f.Bool("help", false, "show this help") // -h is the host name, as with run
	f.StringVarP(&p.Hostname, "hostname", "h", "", "host name of the pod (default: its name)")
	f.StringArrayVarP(&o.infra.labels, "label", "l", nil, "label, KEY[=VALUE]")
	f.StringSliceVar(&o.infra.labelFiles, "label-file", nil, "file with labels, one per line")
	f.VarP(each(&p.Volumes, "volume", spec.ParseVolume), "volume", "v", "mount [[SOURCE:]DESTINATION[:OPTIONS]] in all containers")
	f.StringArrayVar(&p.VolumesFrom, "volumes-from", nil, "mount what another container has mounted in all containers: CONTAINER[:OPTIONS]")
	f.Var(commaEach(&p.Devices, "device", parseDevice), "device", "device of the host for all containers: HOST[:CONTAINER][:PERMISSIONS]")
	f.Var(&flagValue{kind: "option", set: func(w string) error { return setSecurityOption(&p.Security, w) }}, "security-opt",
		"security option of all containers, see carob-run(1)")
	f.StringVar(&infra.Mounts.ShmSize, "shm-size", "", "size of /dev/shm, NUMBER[b|k|m|g] (default 64m)")
	f.StringVar(&infra.Isolation.PID, "pid", "", "PID namespace, when it is shared: private, host, ns:PATH")
	f.StringVar(&infra.Isolation.UTS, "uts", "", "UTS namespace, when it is shared: private, host")
	f.Var(pairs(&infra.Resources.Sysctl, true), "sysctl", "kernel parameter of the pod's namespaces, NAME=VALUE")
	f.StringVar(&p.Resources.CgroupParent, "cgroup-parent", "", "cgroup to make the pod's under")
	addUserNamespaceFlags(f, &infra.Isolation)
	addResourceFlags(f, &p.Resources)
	addRefused(f, "command of the infra container", "the infra container of carob runs no command: it only holds namespaces", "infra-command")
	addRefused(f, "image of the infra container", "the infra container of carob needs no image", "infra-image")
}

func runPodCreate(ctx context.Context, a *app, o *podCreateOptions, args []string) error {
	caller, err := a.facts()
	if err != nil {
		return err
	}
	if err := o.complete(caller, args); err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	opts := libpod.PodOptions{Replace: o.replace}
	if o.withInfra {
		opts.Infra = &o.infra.c
	}
	pod, err := createPod(ctx, rt, &o.pod, opts)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, pod.ID)
	return err
}

// createPod writes the ID file as well.
func createPod(ctx context.Context, rt *libpod.Runtime, p *spec.Pod, opts libpod.PodOptions) (*libpod.Pod, error) {
	pod, err := rt.CreatePod(ctx, p, opts)
	if err != nil || p.IDFile == "" {
		return pod, err
	}
	if err := writePodID(p.IDFile, pod.ID, opts.Replace); err != nil {
		return nil, errors.Join(err, pod.Remove(ctx, libpod.RemoveOptions{Force: true}))
	}
	return pod, nil
}

// writePodID leaves the file of another pod alone, unless that was to be
// replaced.
func writePodID(path, id string, replace bool) error {
	write := makeFile
	if replace {
		write = func(path, body string) error { return os.WriteFile(path, []byte(body), 0o644) }
	}
	err := write(path, id)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot write the pod ID file: %s exists: another pod may be using it", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write the pod ID file: %w", err)
	}
	return nil
}

// complete turns flags and argument into the pod and its infra container.
func (o *podCreateOptions) complete(caller *callerFacts, args []string) error {
	if err := o.setShare(); err != nil {
		return err
	}
	o.pod.NoShareParent = !o.shareParent
	if o.pod.ExitPolicy == "" {
		o.pod.ExitPolicy = caller.conf.Engine.PodExitPolicy
	}
	if o.withInfra && slices.Contains(o.pod.Share, "net") {
		o.infra.applyShared(&caller.conf.Containers)
	}
	return o.completeAs(caller, args)
}

// completeAs is complete where it is known what is shared.
func (o *podCreateOptions) completeAs(caller *callerFacts, args []string) error {
	p, infra := &o.pod, &o.infra
	p.CreateCommand = caller.argv
	if len(args) > 0 {
		if p.Name != "" && p.Name != args[0] {
			return fmt.Errorf("cannot set pod name '%s' and positional argument '%s' at the same time", p.Name, args[0])
		}
		p.Name = args[0]
	}
	for _, step := range []func(*callerFacts) error{infra.setLabels, infra.setNetworks, infra.setUserNamespace} {
		if err := step(caller); err != nil {
			return err
		}
	}
	p.Labels = infra.c.Labels
	if n := infra.c.Network.Networks; len(n) > 0 {
		return fmt.Errorf("cannot use network %q: named and bridge networks come in a later version of carob", n[0].Name)
	}
	if err := makeAbsolute(append(mountPaths(p.Volumes), &p.IDFile, &infra.c.MonitorPIDFile)); err != nil {
		return err
	}
	if err := checkSources(p.Volumes, nil); err != nil {
		return err
	}
	return o.check()
}

// setShare reads --share.
func (o *podCreateOptions) setShare() error {
	word := o.share
	switch {
	case !o.withInfra:
		if o.infra.flags.Changed("share") && word != "" && word != "none" {
			return errors.New("cannot set share(s) without an infra container")
		}
		return nil
	case word == "none" || word == "":
		// An infra container that shares nothing is made only for those who
		// ask for it.
		o.withInfra = o.infra.flags.Changed("infra")
		return nil
	}
	rest, more := strings.CutPrefix(word, "+")
	if more {
		o.pod.Share = defaultShare()
	}
	for _, ns := range strings.Split(rest, ",") {
		if ns = strings.TrimSpace(ns); !slices.Contains(o.pod.Share, ns) {
			o.pod.Share = append(o.pod.Share, ns)
		}
	}
	return nil
}

// check refuses what belongs to an infra container where there is none, or to
// namespaces that are not shared.
func (o *podCreateOptions) check() error {
	shares := func(ns string) bool { return o.withInfra && slices.Contains(o.pod.Share, ns) }
	for _, f := range []struct {
		flag, namespace string
	}{
		{"publish", "net"}, {"network", "net"}, {"add-host", "net"}, {"dns", "net"}, {"dns-option", "net"}, {"dns-search", "net"}, {"no-hosts", "net"},
		{"pid", "pid"}, {"uts", "uts"}, {"hostname", "uts"}, {"shm-size", "ipc"},
	} {
		if o.infra.flags.Changed(f.flag) && !shares(f.namespace) {
			return fmt.Errorf("cannot use --%s: the pod does not share its %s namespace", f.flag, f.namespace)
		}
	}
	for key := range o.infra.c.Resources.Sysctl {
		namespace := "ipc"
		if strings.HasPrefix(key, "net.") {
			namespace = "net"
		}
		if !shares(namespace) {
			return fmt.Errorf("cannot use --sysctl %s: the pod does not share its %s namespace", key, namespace)
		}
	}
	switch mode := o.infra.c.Network.Mode; mode {
	case "none", "host":
		if len(o.infra.c.Network.Ports) > 0 {
			return fmt.Errorf("cannot use --publish: with --network %s there is nothing to publish from", mode)
		}
	}
	for _, flag := range []string{"infra-name", "infra-conmon-pidfile", "userns", "uidmap", "gidmap", "subuidname", "subgidname"} {
		if o.infra.flags.Changed(flag) && !o.withInfra {
			return fmt.Errorf("cannot use --%s: the pod has no infra container", flag)
		}
	}
	if o.replace && o.pod.Name == "" {
		return errors.New("cannot replace pod without --name being set")
	}
	if len(o.infra.c.Network.AddHosts) > 0 && o.infra.c.Mounts.NoHosts {
		return errors.New("--no-hosts and --add-host cannot be set together")
	}
	return nil
}
