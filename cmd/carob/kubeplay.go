package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
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
}

// seccompRoot is where Kubernetes' node agent looks for profiles.
const seccompRoot = "/var/lib/kubelet/seccomp"

func newKubePlay(a *app) *cobra.Command {
	o := &kubePlayOptions{}
	cmd := &cobra.Command{
		Use:   "play [options] FILE|-|URL",
		Short: "Make pods, volumes and secrets of Kubernetes YAML and start them",
		Long: `Make and start what Kubernetes YAML asks for: pods of Pod, Deployment, ReplicaSet, StatefulSet,
DaemonSet and Job, volumes of PersistentVolumeClaim, secrets of Secret. When anything fails, all
that this call has made is removed again. Fields and objects that are not supported are named in
warnings.`,
		Example: `carob kube play web.yaml
carob kube play --replace web.yaml --configmap settings.yaml
curl -s https://example.com/web.yaml | carob kube play -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runKubePlay(cmd.Context(), a, o, args[0]) },
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
	f.Var(one(new(bool), "bool", noServiceContainer), "service-container", "a container that stands for all pods")
	f.Lookup("service-container").NoOptDefVal = "true"
	_ = f.MarkHidden("service-container")
}

func noBuild(word string) (bool, error) {
	on, err := parseBool(word)
	if on {
		err = errors.New("building images comes in a later version of carob")
	}
	return false, err
}

func noServiceContainer(word string) (bool, error) {
	on, err := parseBool(word)
	if on {
		err = errors.New("it comes with the systemd units, in a later version of carob; --wait keeps carob in the foreground")
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

func runKubePlay(ctx context.Context, a *app, o *kubePlayOptions, from string) error {
	if err := o.check(); err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	yaml, err := a.readYAML(ctx, from)
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
	played, err := rt.PlayKube(ctx, plan, libpod.PlayOptions{Pull: o.pull.options(), Replace: o.replace, Start: o.start, Warn: a.warn})
	if err != nil {
		return err
	}
	a.printPlayed(played)
	if !o.wait {
		return nil
	}
	waitErr := waitForPods(ctx, played)
	return errors.Join(waitErr, a.kubeDown(context.WithoutCancel(ctx), rt, yaml, o.force))
}

func (o *kubePlayOptions) check() error {
	switch {
	case o.force && !o.down && !o.wait:
		return errors.New("--force may be specified only with --down or --wait")
	case o.down && (o.replace || o.wait):
		return errors.New("--down cannot be set together with --replace or --wait")
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
	o.CreateCommand = os.Args
	src := &kube.Source{YAML: yaml, Options: o.Options, Host: kubeHost()}
	for _, file := range o.configMaps {
		body, err := a.readYAML(ctx, file)
		if err != nil {
			return nil, err
		}
		src.ConfigMaps = append(src.ConfigMaps, body)
	}
	var err error
	if src.Secrets, err = rt.KubeSecrets(ctx); err != nil {
		return nil, err
	}
	reply, err := a.askKube(ctx, &kube.Request{Translate: src})
	if err != nil {
		return nil, err
	}
	return reply.Plan, nil
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
func waitForPods(ctx context.Context, played *libpod.Played) error {
	for _, pod := range played.Pods {
		for _, c := range pod.Containers {
			if _, err := c.Wait(ctx, []string{libpod.StateExited}, time.Second); err != nil && ctx.Err() == nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
		}
	}
	return nil
}
