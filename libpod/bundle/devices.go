package bundle

import (
	"fmt"
	"os"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/pkg/hostdev"
)

// addDevices gives the container device nodes. In a user namespace no node
// can be made, so there they are bound from the host, whose permissions then
// decide.
func (g *generator) addDevices() error {
	devices := g.Devices
	if g.Spec.Security.Privileged {
		devices = append(append([]hostdev.Device{}, g.Host.Devices...), devices...)
	}
	bound := g.Host.Rootless || g.ownUserNS()
	for i := range devices {
		d := &devices[i]
		if runtimeMakes(d.Path) {
			continue
		}
		if bound {
			g.bindDevice(d)
		} else if err := g.makeDevice(d); err != nil {
			return err
		}
	}
	return nil
}

// runtimeMakes names the nodes every OCI runtime makes by itself.
func runtimeMakes(path string) bool {
	switch path {
	case "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/console":
		return true
	}
	return false
}

func (g *generator) bindDevice(d *hostdev.Device) {
	table := &mountTable{list: g.oci.Config.Mounts}
	options := []string{"bind", "rprivate", "nosuid", "noexec"}
	if !strings.Contains(d.Perms, "w") {
		options = append(options, "ro")
	}
	table.add(rspec.Mount{Destination: d.Path, Type: "bind", Source: d.Source, Options: options})
	g.oci.Config.Mounts = table.sorted()
}

func (g *generator) makeDevice(d *hostdev.Device) error {
	if d.Type != "c" && d.Type != "b" {
		return fmt.Errorf("cannot add device %s: %q is no device type", d.Path, d.Type)
	}
	mode := os.FileMode(d.Mode)
	g.oci.AddDevice(rspec.LinuxDevice{Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor, FileMode: &mode, UID: &d.UID, GID: &d.GID})
	if !g.Spec.Security.Privileged {
		g.addDeviceRule(d.Type, d.Major, d.Minor, d.Perms)
	}
	return nil
}

// addDeviceRule allows a device; -1 stands for every number.
func (g *generator) addDeviceRule(kind string, major, minor int64, access string) {
	if !g.limitsDevices() {
		return
	}
	rule := rspec.LinuxDeviceCgroup{Allow: true, Type: kind, Access: access}
	if major >= 0 {
		rule.Major = &major
	}
	if minor >= 0 {
		rule.Minor = &minor
	}
	r := g.resources()
	r.Devices = append(r.Devices, rule)
}

// limitsDevices: only root can tell the kernel which devices a cgroup may use.
func (g *generator) limitsDevices() bool { return !g.Host.Rootless && g.usesCgroups() }
