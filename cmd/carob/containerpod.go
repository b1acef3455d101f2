package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

// newPodPrefix, before a name, asks for a pod to be made with the container.
const newPodPrefix = "new:"

func parseInitType(s string) (string, error) {
	switch s {
	case spec.InitAlways, spec.InitOnce:
		return s, nil
	}
	return "", fmt.Errorf("init-ctr value must be '%s' or '%s'", spec.InitAlways, spec.InitOnce)
}

// setPod reads --pod-id-file.
func (o *containerOptions) setPod(*callerFacts) error {
	if o.podIDFile == "" {
		return nil
	}
	if o.c.Pod != "" {
		return errors.New("cannot specify both --pod and --pod-id-file")
	}
	b, err := os.ReadFile(o.podIDFile)
	if err != nil {
		return fmt.Errorf("cannot read the pod ID file: %w", err)
	}
	o.c.Pod = strings.TrimSpace(string(b))
	return nil
}

// inPod makes the container, and before it the pod that --pod new:NAME asks
// for, which then has the container's network.
func (o *containerOptions) inPod(ctx context.Context, rt *libpod.Runtime, create func() (*libpod.Container, error)) (*libpod.Container, error) {
	name, isNew := strings.CutPrefix(o.c.Pod, newPodPrefix)
	if !isNew {
		return create()
	}
	if name == "" {
		return nil, errors.New("cannot create pod: --pod new: must be followed by a name")
	}
	infra := &spec.Container{}
	infra.Network, o.c.Network = o.c.Network, spec.Network{}
	infra.Isolation.Hostname, o.c.Isolation.Hostname = o.c.Isolation.Hostname, ""
	infra.Mounts.ShmSize, o.c.Mounts.ShmSize = o.c.Mounts.ShmSize, ""
	pod := &spec.Pod{Name: name, CreateCommand: o.c.CreateCommand, Share: defaultShare(), Hostname: infra.Isolation.Hostname}
	p, err := rt.CreatePod(ctx, pod, libpod.PodOptions{Infra: infra})
	if err != nil {
		return nil, err
	}
	o.c.Pod = p.ID
	ctr, err := create()
	if err != nil {
		return nil, errors.Join(err, p.Remove(context.WithoutCancel(ctx), libpod.RemoveOptions{Force: true}))
	}
	return ctr, nil
}

// defaultShare are the namespaces that pods share unless told otherwise,
// those of Kubernetes.
func defaultShare() []string { return []string{"ipc", "net", "uts"} }
