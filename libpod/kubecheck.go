package libpod

import (
	"context"
	"fmt"
	"slices"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// checkNew refuses, before anything that is replaced ends, what making the new
// pods would refuse: it leaves the old ones as they are.
func (p *play) checkNew(ctx context.Context) error {
	if err := p.checkNames(ctx); err != nil {
		return err
	}
	for i := range p.plan.Pods {
		pod := &p.plan.Pods[i]
		if err := p.checkPod(ctx, pod); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) checkPod(ctx context.Context, pod *kube.Pod) error {
	for _, h := range pod.HostPaths {
		if _, err := checkHostPath(h); err != nil {
			return fmt.Errorf("cannot use %s: %w", h.Where, err)
		}
	}
	if err := p.rt.checkPodHost(&pod.Spec); err != nil {
		return err
	}
	for i := range pod.Containers {
		c := &pod.Containers[i]
		if err := checkNamed(&c.Spec); err != nil {
			return fmt.Errorf("cannot use %s: %w", c.Path, err)
		}
		if err := p.rt.checkHost(&c.Spec, &createPlan{}); err != nil {
			return fmt.Errorf("cannot use %s: %w", c.Path, err)
		}
		if err := p.checkSecrets(ctx, c.Spec.Process.Secrets); err != nil {
			return fmt.Errorf("cannot use %s: %w", c.Path, err)
		}
	}
	return nil
}

// checkNetworks refuses networks that are not to be had, by the name that the
// user has given.
func (p *play) checkNetworks() error {
	for i := range p.plan.Pods {
		n := &p.plan.Pods[i].Infra.Network
		if len(n.Networks) > 0 {
			return fmt.Errorf("cannot use network %q: named and bridge networks come in a later version of carob", n.Networks[0].Name)
		}
		if _, _, err := networkKind(n.Mode); err != nil {
			return err
		}
	}
	return nil
}

// checkSecrets looks for those that the file does not bring.
func (p *play) checkSecrets(ctx context.Context, list []spec.Secret) error {
	return p.rt.checkSecrets(ctx, slices.DeleteFunc(slices.Clone(list), func(s spec.Secret) bool {
		return slices.ContainsFunc(p.plan.Secrets, func(own kube.Secret) bool { return own.Name == s.Source })
	}))
}

// checkNames refuses names that somebody else has than what is replaced. Pods
// and containers share them. Another play may replace the same meanwhile: a
// container whose pod is gone when the pods are read is gone, too, and what has
// replaced a pod has the same owner.
func (p *play) checkNames(ctx context.Context) error {
	containers, err := p.rt.Containers(ctx)
	if err != nil {
		return err
	}
	pods, err := p.rt.Pods(ctx)
	if err != nil {
		return err
	}
	taken := map[string]string{} // name -> what has it
	stay := map[string]bool{"": true}
	for _, o := range pods {
		if stay[o.ID] = !madeBy(o, p.plan.Owners); stay[o.ID] {
			taken[o.Name] = "pod " + o.ID
		}
	}
	for _, c := range containers {
		if stay[c.Pod] {
			taken[c.Name] = "container " + c.ID
		}
	}
	for i := range p.plan.Pods {
		names := []string{p.plan.Pods[i].Spec.Name, p.plan.Pods[i].Infra.Name}
		for _, c := range p.plan.Pods[i].Containers {
			names = append(names, c.Spec.Name)
		}
		for _, name := range names {
			if who := taken[name]; name != "" && who != "" {
				return WithHint(fmt.Errorf("cannot play: the name %q is already in use by %s", name, who), "remove it, or rename one of them")
			}
		}
	}
	return nil
}
