package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod/kube"
)

type kubeGenerateOptions struct {
	kube.Generate
	file string
}

func newKubeGenerate(a *app) *cobra.Command {
	o := &kubeGenerateOptions{}
	cmd := &cobra.Command{
		Use:   "generate [options] CONTAINER|POD|VOLUME [...]",
		Short: "Write Kubernetes YAML of containers, pods and volumes",
		Long: `Write Kubernetes YAML of containers, pods and volumes. Containers that are in no pod come into
one. What Kubernetes has no words for is named in warnings.`,
		Example: `carob kube generate web > web.yaml
carob kube generate --service --filename web.yaml web data`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runKubeGenerate(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completePods,
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "filename", "f", "", "file to write to, which must not exist")
	f.BoolVar(&o.PodmanOnly, "podman-only", false, "write the annotations that only podman and carob understand as well")
	f.Int32VarP(&o.Replicas, "replicas", "r", 1, "number of pods of a deployment")
	f.BoolVarP(&o.Service, "service", "s", false, "write a Service for the ports as well")
	f.StringVarP(&o.Kind, "type", "t", "pod", "pod, deployment, daemonset or job")
	return cmd
}

func runKubeGenerate(ctx context.Context, a *app, o *kubeGenerateOptions, names []string) error {
	if o.Replicas < 1 {
		return fmt.Errorf("invalid --replicas %d: at least 1 is wanted", o.Replicas)
	}
	o.Kind, o.Version = strings.ToLower(o.Kind), version
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if err := rt.DescribeForKube(ctx, names, &o.Generate); err != nil {
		return err
	}
	reply, err := a.askKube(ctx, &kube.Request{Generate: &o.Generate})
	if err != nil {
		return err
	}
	if o.file == "" {
		_, err := a.out.Write(reply.YAML)
		return err
	}
	f, err := os.OpenFile(o.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666&^a.umask)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot write to %q: the file exists", o.file)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(reply.YAML)
	return errors.Join(err, f.Close())
}
