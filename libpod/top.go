package libpod

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/pkg/procfs"
)

// Processes returns the processes of a running container.
func (c *Container) Processes() ([]*procfs.Process, error) {
	st, err := c.State()
	if err != nil {
		return nil, err
	}
	if !st.Running() {
		return nil, fmt.Errorf("cannot list the processes of container %s: top can only be used on running containers", c.Name)
	}
	all, err := procfs.All()
	if err != nil {
		return nil, err
	}
	if sameNamespace(procNamespace(st.PID, "pid"), "/proc/self/ns/pid") {
		return procfs.Below(all, st.PID), nil // --pid=host
	}
	want, err := os.Readlink(procNamespace(st.PID, "pid"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the processes of container %s: %w", c.Name, err)
	}
	var own []*procfs.Process
	for _, p := range all {
		if ns, err := os.Readlink(procNamespace(p.PID, "pid")); err == nil && ns == want {
			own = append(own, p)
		}
	}
	return own, nil
}

func procNamespace(pid int, kind string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), "ns", kind)
}

// PS runs the container's own ps with args and returns what it prints.
func (c *Container) PS(ctx context.Context, args []string) ([]byte, error) {
	if err := c.refuseInfra("run ps in"); err != nil {
		return nil, err
	}
	st, err := c.State()
	if err != nil {
		return nil, err
	}
	if !st.Running() {
		return nil, fmt.Errorf("cannot list the processes of container %s: top can only be used on running containers", c.Name)
	}
	r, err := c.rt.OCI()
	if err != nil {
		return nil, err
	}
	argv := append(r.Argv(c.cgroupManager(r)), "exec", c.ID, "ps")
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], args...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, WithHint(fmt.Errorf("cannot run ps in container %s: %s", c.Name, firstOf(strings.TrimSpace(complaint.String()), err.Error())),
			"descriptors such as pid, user, args need no ps in the container")
	}
	return out, nil
}
