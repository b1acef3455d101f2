package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Validate refuses what no host could give.
func (p *Pod) Validate() error {
	if p.Name != "" && !ValidName(p.Name) {
		return fmt.Errorf("invalid --name %q: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*", p.Name)
	}
	switch p.ExitPolicy {
	case "", ExitPolicyContinue, ExitPolicyStop:
	default:
		return fmt.Errorf("invalid pod exit policy: %q (continue or stop is wanted)", p.ExitPolicy)
	}
	for _, ns := range p.Share {
		if !slices.Contains([]string{"cgroup", "ipc", "net", "pid", "uts"}, ns) {
			return fmt.Errorf("invalid kernel namespace to share: %s. Options are: cgroup, ipc, net, pid, uts or none", ns)
		}
	}
	limited := &Container{Resources: p.Resources, Isolation: Isolation{Hostname: p.Hostname}}
	for _, check := range []func() error{limited.validateIsolation, limited.validateMemory, limited.validateCPU, limited.validateLimits, limited.validateCgroup} {
		if err := check(); err != nil {
			return err
		}
	}
	if p.NoShareParent && p.Limited() {
		return errors.New("cannot limit the pod: with --share-parent=false its containers do not live in its control group")
	}
	return nil
}

// Limited tells whether the pod's control group is to limit anything.
func (p *Pod) Limited() bool {
	r := p.Resources
	r.CgroupParent = ""
	body, err := json.Marshal(r)
	return err != nil || string(body) != "{}"
}
