package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/pkg/rootfs"
)

// Modes of --sdnotify, who speaks for a container on systemd's socket. See
// sd_notify(3).
const (
	notifyContainer = "container" // "" too: the container itself, through its monitor
	notifyMonitor   = "conmon"    // carob does, as soon as the process runs
	notifyHealthy   = "healthy"   // carob does, once the container is healthy: the monitor says so
	notifyIgnore    = "ignore"
)

// monitorEnv is the environment of the monitor and so of the OCI runtime:
// which would hand a NOTIFY_SOCKET inside for its first message only, and count
// LISTEN_FDS a second time (see StartOptions.Env).
func monitorEnv(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "NOTIFY_SOCKET" || strings.HasPrefix(name, "WATCHDOG_") || strings.HasPrefix(name, "LISTEN_")
	})
}

// monitorNotify says who speaks to systemd, should it listen. dependent: see
// StartOptions.
func (c *Container) monitorNotify(dependent bool) monitor.Notify {
	n := monitor.Notify{
		Socket:  os.Getenv("NOTIFY_SOCKET"),
		Inside:  c.Process.SdNotify == "" && !dependent || c.Process.SdNotify == notifyContainer,
		Healthy: c.Process.SdNotify == notifyHealthy,
	}
	if n.Socket == "" || !n.Inside && !n.Healthy {
		return monitor.Notify{}
	}
	return n
}

// letNotify gives the container a socket to speak to systemd through, and
// the time it has between two signs of life.
func (l *launcher) letNotify(context.Context) error {
	if !l.c.monitorNotify(l.opts.Dependent).Inside {
		return nil
	}
	dir := filepath.Join(l.c.RunDir(), monitor.NotifyDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Whatever the umask: any user of the container may enter.
	if err := errors.Join(os.Chmod(dir, 0o755), l.giveToRoot(dir), l.label(dir)); err != nil {
		return err
	}
	if l.in.ExtraEnv == nil {
		l.in.ExtraEnv = map[string]string{}
	}
	l.in.Files.Notify = dir
	l.in.ExtraEnv["NOTIFY_SOCKET"] = path.Join(bundle.NotifyDir, monitor.NotifyFile)
	// Without WATCHDOG_PID, which is a process out here.
	if usec := os.Getenv("WATCHDOG_USEC"); usec != "" {
		l.in.ExtraEnv["WATCHDOG_USEC"] = usec
	}
	return nil
}

// canNotify refuses a mode that was asked for and that a waiting monitor, which
// init has started, knows nothing of: systemd would wait in vain.
func (c *Container) canNotify(opts StartOptions) error {
	wanted := c.monitorNotify(opts.Dependent)
	if opts.Notify == "" || wanted == (monitor.Notify{}) {
		return nil
	}
	body, err := os.ReadFile(filepath.Join(c.Dir(), monitor.ConfigFile))
	var cfg monitor.Config
	if err != nil || json.Unmarshal(body, &cfg) != nil || cfg.Notify != wanted {
		return WithHint(fmt.Errorf("cannot start container %s with --sdnotify=%s: it was initialized without, and its monitor speaks to nobody", c.Name, opts.Notify),
			"stop it first (carob stop "+c.Name+")")
	}
	return nil
}

// Announce tells systemd, when it waits for that, that the container's
// process runs under the monitor of process id pid; 0: under that which init
// has started.
func (c *Container) Announce(pid int) {
	if c.Process.SdNotify == notifyIgnore {
		return
	}
	if pid == 0 {
		st, err := c.State()
		if err != nil || st.MonitorPID == 0 {
			return
		}
		pid = st.MonitorPID
	}
	message := "MAINPID=" + strconv.Itoa(pid)
	if c.Process.SdNotify == notifyMonitor {
		message += "\nREADY=1"
	}
	c.notify(message)
}

// Announce tells systemd, when it waits for that, that the pod runs. What
// systemd is to watch is the process of the infra container.
func (p *Pod) Announce(ctx context.Context) error {
	if p.Infra == "" {
		return nil
	}
	c, err := p.rt.Container(ctx, p.Infra)
	if err != nil {
		return err
	}
	st, err := c.State()
	if err != nil {
		return err
	}
	c.announceInfra(st.PID)
	return nil
}

// announceInfra: an infra container has no program that could speak for it.
func (c *Container) announceInfra(pid int) {
	c.notify("MAINPID=" + strconv.Itoa(pid) + "\nREADY=1")
}

// notify fails with no more than a warning: the container runs, and a shell may
// have inherited the address from a service that is gone.
func (c *Container) notify(message string) {
	if err := notifySystemd(message); err != nil && c.rt.opts.Warn != nil {
		c.rt.opts.Warn(fmt.Sprintf("systemd was not told that container %s runs: %v", c.Name, err))
	}
}

// notifySystemd sends a message to systemd's socket, if there is one.
func notifySystemd(message string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if strings.HasPrefix(path, "@") { // an abstract socket, see unix(7)
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(message))
	return err
}

// writeMonitorPID obeys --conmon-pidfile.
func (c *Container) writeMonitorPID(pid int) error {
	if c.MonitorPIDFile == "" {
		return nil
	}
	if err := os.WriteFile(c.MonitorPIDFile, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("cannot write the monitor's process id: %w", err)
	}
	return nil
}

// hostsBase is what /etc/hosts begins with. An image without that file has
// nothing to begin with.
func (l *launcher) hostsBase() ([]byte, error) {
	switch file := l.c.Mounts.HostsFile; file {
	case "":
		body, _ := os.ReadFile("/etc/hosts")
		return body, nil
	case "none":
		return nil, nil
	case "image":
		body, err := rootfs.ReadFile(l.rootfs, "/etc/hosts")
		if os.IsNotExist(err) {
			return nil, nil
		}
		return body, err
	default:
		return os.ReadFile(file)
	}
}
