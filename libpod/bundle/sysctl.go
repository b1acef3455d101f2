package bundle

import (
	"fmt"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-tools/generate"
)

// pingRange is the sysctl that lets a group of users send echo requests
// without a privilege. See icmp(7), ping_group_range.
const pingRange = "net.ipv4.ping_group_range"

// addSysctls sets what belongs to a namespace of this very container; the
// rest of the kernel's settings are the host's.
func (g *generator) addSysctls() error {
	for key, value := range g.Spec.Resources.Sysctl {
		if err := g.checkSysctl(key, value); err != nil {
			return err
		}
		g.oci.AddLinuxSysctl(key, value)
	}
	_, asked := g.Spec.Resources.Sysctl[pingRange]
	if net := g.net(); !asked && !net.isHost && !joined(net.mode) && !g.foreignNet() && mapped(g.gids(), 0) {
		g.oci.AddLinuxSysctl(pingRange, "0 0")
	}
	return nil
}

// Sysctls are the kernel parameters that a container wants set in namespaces
// of its own, for those that no runtime makes: an infra container's.
func Sysctls(in Input) (map[string]string, error) {
	tool := generate.NewFromSpec(&rspec.Spec{Linux: &rspec.Linux{}})
	g := &generator{Input: in, oci: &tool}
	err := g.addSysctls()
	return tool.Config.Linux.Sysctl, err
}

// joined tells that the mode names a namespace somebody else set up.
func joined(mode string) bool {
	word, _, _ := strings.Cut(mode, ":")
	return word == "container" || word == "ns" || word == "pod"
}

func (g *generator) checkSysctl(key, value string) error {
	var s sharing
	var name string
	switch {
	case strings.HasPrefix(key, "net."):
		s, name = g.net(), "Network"
	case isIPCSysctl(key):
		s, name = g.ipc(), "IPC"
	default:
		return errSysctl(key)
	}
	if s.isHost {
		return fmt.Errorf("sysctl %s=%s can't be set since %s Namespace set to host", key, value, name)
	}
	return nil
}

func isIPCSysctl(key string) bool {
	return strings.HasPrefix(key, "fs.mqueue.") || slices.Contains([]string{
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
	}, key)
}

func errSysctl(key string) error {
	return hinted("only net.*, fs.mqueue.* and the kernel's shared memory, semaphore and message limits belong to a container",
		"sysctl '%s' is not allowed", key)
}
