package libpod

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/sys"
)

const (
	netPortStart = "net.ipv4.ip_unprivileged_port_start"
	netPingRange = "net.ipv4.ping_group_range"
)

// setNetSysctls sets the kernel parameters of a network namespace of our
// making for a container with a user namespace of its own. The namespace is
// ours and not that one's: the runtime may set nothing there, and root inside
// may bind no port that is kept for root, unless none is.
func (l *launcher) setNetSysctls(cfg *rspec.Spec) error {
	m := l.c.Isolation.Mapping
	if l.net.ns == nil || m == nil {
		return nil
	}
	values := map[string]string{}
	if caps := cfg.Process.Capabilities; caps != nil && slices.Contains(caps.Bounding, "CAP_NET_BIND_SERVICE") {
		values[netPortStart] = "0"
	}
	if slices.ContainsFunc(m.GIDs, func(of spec.IDMap) bool { return of.Container == 0 }) { // root's group is somebody
		values[netPingRange] = "0 0"
	}
	for key, value := range cfg.Linux.Sysctl {
		if strings.HasPrefix(key, "net.") {
			values[key] = value
			delete(cfg.Linux.Sysctl, key)
		}
	}
	if err := pingOutside(values, m); err != nil {
		return err
	}
	return sys.OnThread(func() error {
		if err := unix.Setns(int(l.net.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter its network namespace: %w", err)
		}
		return writeSysctls(values)
	})
}

// writeSysctls writes kernel parameters of the namespaces that the thread is in.
func writeSysctls(values map[string]string) error {
	for key, value := range values {
		path := filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/"))
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("cannot set sysctl %s=%s: %w", key, value, err)
		}
	}
	return nil
}

// pingOutside puts the groups that may ping as carob's user namespace has
// them: whose groups are meant depends on who writes.
func pingOutside(values map[string]string, m *spec.IDMapping) error {
	value, ok := values[netPingRange]
	words := strings.Fields(value)
	if !ok || m == nil || len(words) != 2 {
		return nil // the kernel says what is wrong with it
	}
	first, err := strconv.Atoi(words[0])
	last, err2 := strconv.Atoi(words[1])
	if err != nil || err2 != nil || first > last { // the latter is how to say nobody
		return nil
	}
	for _, of := range m.GIDs {
		if first >= int(of.Container) && last < int(of.Container)+int(of.Size) {
			values[netPingRange] = fmt.Sprintf("%d %d", toOutside(m.GIDs, first), toOutside(m.GIDs, last))
			return nil
		}
	}
	return fmt.Errorf("cannot set sysctl %s=%s: in the container's user namespace these groups are not one range", netPingRange, value)
}
