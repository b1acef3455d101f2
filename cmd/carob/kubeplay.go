package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/config"
)

type kubePlayOptions struct {
	kube.Options
	pull       pullFlags
	configMaps []string
	replace    bool
	down       bool
	force      bool
	start      bool
	wait       bool

	service     bool   // stay, as the main process of a service
	propagation string // what its exit code says of the containers'
}

// seccompRoot is where Kubernetes' node agent looks for profiles.
const seccompRoot = "/var/lib/kubelet/seccomp"

func newKubePlay(a *app) *cobra.Command {
	o := &kubePlayOptions{}
	cmd := &cobra.Command{
		Use:   "play [options] FILE|-|URL [FILE|URL...]",
		Short: "Make pods, volumes and secrets of Kubernetes YAML and start them",
		Long: `Make and start what Kubernetes YAML asks for: pods of Pod, Deployment, ReplicaSet, StatefulSet,
DaemonSet and Job, volumes of PersistentVolumeClaim, secrets of Secret. When anything fails, all
that this call has made is removed again. Fields and objects that are not supported are named in
warnings.`,
		Example: `carob kube play web.yaml
carob kube play --replace web.yaml --configmap settings.yaml
curl -s https://example.com/web.yaml | carob kube play -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runKubePlay(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	f.SetNormalizeFunc(otherNames)
	o.addFlags(f)
	o.addPullFlags(f)
	return cmd
}

func (o *kubePlayOptions) addFlags(f *pflag.FlagSet) {
	f.Var(pairs(&o.Annotations, false), "annotation", "annotation of pods and containers, KEY=VALUE")
	f.StringSliceVar(&o.configMaps, "configmap", nil, "file with ConfigMaps that the pods refer to")
	f.BoolVar(&o.down, "down", false, "remove the pods of the file (kube down)")
	f.BoolVar(&o.force, "force", false, "with --down or --wait: remove the volumes as well")
	f.StringVar(&o.Log.Driver, "log-driver", "", "where output is kept: k8s-file (default), json-file, journald, none")
	f.Var(&flagValue{kind: "option", set: func(s string) error {
		return commaWords(s, func(w string) error { return setLogOption(&o.Log, w) })
	}}, "log-opt", "max-size=SIZE, max-file=NUMBER, tag=TAG")
	f.StringArrayVar(&o.Network, "network", nil, "network of the pods: none, host, private, pasta[:OPTIONS], slirp4netns[:OPTIONS], container:ID, ns:PATH")
	f.BoolVar(&o.NoHosts, "no-hosts", false, "leave the images' /etc/hosts alone")
	f.BoolVar(&o.NoHostname, "no-hostname", false, "leave the images' /etc/hostname alone")
	f.BoolVar(&o.NoPodPrefix, "no-pod-prefix", false, "name containers as in the file, without the pod's name in front")
	f.Var(commaEach(&o.Ports, "port", spec.ParsePublish), "publish", "publish a port: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]")
	f.BoolVar(&o.PublishAll, "publish-all", false, "publish every containerPort at the same port of the host")
	f.BoolVar(&o.replace, "replace", false, "remove the pods of the same objects first")
	f.StringVar(&o.SeccompRoot, "seccomp-profile-root", seccompRoot, "directory of seccomp profiles")
	f.BoolVar(&o.start, "start", true, "start the pods")
	f.StringVar(&o.UserNS, "userns", os.Getenv("PODMAN_USERNS"), "user namespace of the pods: host, keep-id[:OPTIONS], auto[:OPTIONS], nomap, container:ID, ns:PATH")
	f.BoolVarP(&o.wait, "wait", "w", false, "wait until all containers have ended, or for SIGINT or SIGTERM, and remove everything then")
	later := "addresses can only be given in named networks, which come in a later version of carob"
	addRefused(f, "address of a pod", later, "ip")
	addRefused(f, "hardware address of a pod", later, "mac-address")
	addRefused(f, "build images", "building images comes in a later version of carob", "context-dir")
	f.Var(one(new(bool), "bool", noBuild), "build", "build images")
	f.Lookup("build").NoOptDefVal = "true"
	f.BoolVar(&o.service, "service-container", false, "stay, as the main process of a service of systemd")
	f.Var(one(&o.propagation, "string", checkPropagation), "service-exit-code-propagation", "none, any, all: with --service-container, fail when containers have (default none)")
	_ = f.MarkHidden("service-container")
	_ = f.MarkHidden("service-exit-code-propagation")
}

func noBuild(word string) (bool, error) {
	on, err := parseBool(word)
	if on {
		err = errors.New("building images comes in a later version of carob")
	}
	return false, err
}

func (o *kubePlayOptions) addPullFlags(f *pflag.FlagSet) {
	p := &o.pull
	f.StringVar(&p.authFile, "authfile", os.Getenv("REGISTRY_AUTH_FILE"), "file with the credentials for registries")
	f.StringVar(&p.certDir, "cert-dir", "", "directory with certificates for the registry")
	f.StringVar(&p.creds, "creds", "", "USER[:PASSWORD] for the registry")
	f.StringVar(&p.sigPolicy, "signature-policy", "", "signature policy file")
	_ = f.MarkHidden("signature-policy")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "say nothing while pulling")
	f.VarPF(maybe(&p.tlsVerify, "bool", parseBool), "tls-verify", "", "require HTTPS and check certificates (default true)").NoOptDefVal = "true"
}

func runKubePlay(ctx context.Context, a *app, o *kubePlayOptions, from []string) error {
	if err := o.check(); err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	yaml, err := a.readAllYAML(ctx, from)
	if err != nil {
		return err
	}
	if o.down {
		return a.kubeDown(ctx, rt, yaml, o.force)
	}
	plan, err := a.kubePlan(ctx, rt, o, yaml)
	if err != nil {
		return err
	}
	socket := ""
	if o.service {
		if socket, err = takeNotifySocket(); err != nil {
			return err
		}
	}
	played, err := rt.PlayKube(ctx, plan, libpod.PlayOptions{Pull: o.pull.options(), Replace: o.replace, Start: o.start, Warn: a.warn})
	if played != nil {
		a.printPlayed(played)
	}
	if err != nil {
		return err
	}
	if o.service {
		return serveKube(ctx, rt, played, socket, o.propagation)
	}
	if !o.wait {
		return nil
	}
	waitErr := waitForPods(ctx, rt, played)
	return errors.Join(waitErr, a.kubeDown(context.WithoutCancel(ctx), rt, yaml, o.force))
}

func (o *kubePlayOptions) check() error {
	switch {
	case o.force && !o.down && !o.wait:
		return errors.New("--force may be specified only with --down or --wait")
	case o.down && (o.replace || o.wait):
		return errors.New("--down cannot be set together with --replace or --wait")
	case o.service && (o.wait || o.down || !o.start):
		return errors.New("--service-container cannot be set together with --wait, --down or --start=false")
	case o.propagation != "" && !o.service:
		return errors.New("--service-exit-code-propagation needs --service-container")
	case o.wait && !o.start:
		return errors.New("--wait cannot be set together with --start=false")
	case o.Log.Driver == "passthrough":
		return errors.New("cannot use --log-driver passthrough: the containers of a pod cannot share one standard output")
	case o.Log.Path != "":
		return errors.New("cannot use --log-opt path: all containers would write to one file")
	}
	root, err := filepath.Abs(o.SeccompRoot)
	o.SeccompRoot = root
	return err
}

// kubePlan has the file translated.
func (a *app) kubePlan(ctx context.Context, rt *libpod.Runtime, o *kubePlayOptions, yaml []byte) (*kube.Plan, error) {
	conf, err := a.config()
	if err != nil {
		return nil, err
	}
	o.CreateCommand = withoutPasswords(withoutCreds(os.Args, o.pull.creds))
	if netns := conf.Containers.NetNS; netns != "" && len(o.Network) == 0 {
		o.Network = []string{netns}
	}
	src := &kube.Source{YAML: yaml, Options: o.Options, Host: kubeHost()}
	src.Host.PodIP = rt.PodIP(plannedNetwork(o.Network, conf))
	for _, file := range o.configMaps {
		body, err := a.readYAML(ctx, file)
		if err != nil {
			return nil, err
		}
		src.ConfigMaps = append(src.ConfigMaps, body)
	}
	if src.Secrets, err = rt.KubeSecrets(ctx); err != nil {
		return nil, err
	}
	reply, err := a.askKube(ctx, &kube.Request{Translate: src})
	if err != nil {
		return nil, err
	}
	return reply.Plan, configurePods(reply.Plan.Pods, conf)
}

// plannedNetwork is the network mode of pods that do not choose one.
func plannedNetwork(words []string, conf *config.Config) string {
	o := &containerOptions{}
	if len(words) > 0 {
		o.c.Network.Mode, _, _ = spec.ParseNetwork(words[0]) // an error comes with the plan
	}
	o.applyNetwork(&conf.Network, conf.Engine.NetworkCmdOptions.Values)
	return o.c.Network.Mode
}

// configurePods fills in from containers.conf what the file leaves open.
func configurePods(pods []kube.Pod, conf *config.Config) error {
	for i := range pods {
		infra := &containerOptions{c: pods[i].Infra}
		infra.applyShared(&conf.Containers)
		infra.applyNetwork(&conf.Network, conf.Engine.NetworkCmdOptions.Values)
		pods[i].Infra = infra.c
		for k := range pods[i].HostPaths { // a killed play is undone by a command elsewhere
			if err := makeAbsolute([]*string{&pods[i].HostPaths[k].Path}); err != nil {
				return err
			}
		}
		for k := range pods[i].Containers {
			c := &pods[i].Containers[k]
			if err := configureMember(&c.Spec, conf); err != nil {
				return fmt.Errorf("cannot use %s: %w", c.Path, err)
			}
		}
	}
	return nil
}

// configureMember does so for a container. Which pod it will be in is not
// known yet, only that it will be in one.
func configureMember(c *spec.Container, conf *config.Config) error {
	defaults := *conf // the file's securityContext has said these, true or false
	defaults.Containers.Privileged, defaults.Containers.ReadOnly = nil, nil
	o := &containerOptions{c: *c}
	o.c.Pod = "played"
	if err := o.applyConfig(&defaults); err != nil {
		return err
	}
	o.c.Pod = c.Pod
	if unit := os.Getenv(systemdUnitLabel); unit != "" {
		o.c.Labels = wordMap(o.c.Labels, []string{systemdUnitLabel + "=" + unit})
	}
	if o.envHost {
		o.c.Process.EnvDefaults = wordMap(o.c.Process.EnvDefaults, os.Environ())
	}
	o.c.Process.HTTPProxy = c.Process.HTTPProxy || o.httpProxy
	if err := o.setPaths(nil); err != nil {
		return err
	}
	*c = o.c
	return c.Validate()
}

// printPlayed says what was made, in podman's form.
func (a *app) printPlayed(p *libpod.Played) {
	if len(p.Volumes) > 0 {
		a.listed("Volumes:", p.Volumes)
	}
	if len(p.Secrets) > 0 {
		a.listed("Secrets:", p.Secrets)
	}
	for _, pod := range p.Pods {
		a.listed("Pod:", []string{pod.ID})
		for _, list := range []struct {
			one, many  string
			containers []*libpod.Container
		}{{"Init Container:", "Init Containers:", pod.Init}, {"Container:", "Containers:", pod.Containers}} {
			var ids []string
			for _, c := range list.containers {
				ids = append(ids, c.ID)
			}
			switch len(ids) {
			case 0:
			case 1:
				a.listed(list.one, ids)
			default:
				a.listed(list.many, ids)
			}
		}
		fmt.Fprintln(a.out)
	}
}

// waitForPods waits until no container runs any more. A signal is a wish to
// take everything down, and no error.
func waitForPods(ctx context.Context, rt *libpod.Runtime, played *libpod.Played) error {
	for _, pod := range played.Pods {
		for _, c := range pod.Containers {
			err := waitForMember(ctx, rt, pod.Pod, c)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// waitForMember waits for a container's end. One that waits for its turn in a
// Job that has failed will not have it.
func waitForMember(ctx context.Context, rt *libpod.Runtime, pod *libpod.Pod, c *libpod.Container) error {
	for {
		short, cancel := ctx, func() {}
		if pod.Kube.Job != nil {
			short, cancel = context.WithTimeout(ctx, time.Second)
		}
		_, err := c.Wait(short, []string{libpod.StateExited}, 200*time.Millisecond)
		over := short.Err()
		cancel()
		if over == nil || ctx.Err() != nil {
			return err
		}
		job, err := rt.Job(ctx, pod.Kube)
		if err != nil {
			return err
		}
		if job.Failed && slices.ContainsFunc(job.Waiting, func(p *libpod.Pod) bool { return p.ID == pod.ID }) {
			return nil
		}
	}
}
