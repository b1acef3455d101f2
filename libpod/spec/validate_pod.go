package spec

import (
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
	return nil
}
