package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/carob-containers/carob/pkg/journal"
)

// note is a key that stands in a file without effect.
type note struct {
	key  string // as TABLE.KEY
	why  string
	file string
}

// Unused are the keys of podman's containers.conf(5) that carob does nothing
// with, and why. A table alone stands for all its keys.
func Unused() map[string]string {
	const (
		remote  = "carob has no remote service"
		pods    = "carob's pods need no image and no command of their own"
		network = "named networks come in a later version of carob"
		conmon  = "carob has a monitor of its own in conmon's place"
		locks   = "carob's locks are files, without a limit on their number"
		build   = "carob does not build yet"
		compose = "carob does not run compose providers"
	)
	return map[string]string{
		"containers.interface_name":                   network,
		"containers.prepare_volume_on_create":         "a volume is filled when a container with it starts first",
		"engine.active_service":                       remote,
		"engine.add_compression":                      "push writes one form of an image",
		"engine.cdi_spec_dirs":                        "carob does not inject CDI devices yet",
		"engine.compose_providers":                    compose,
		"engine.compose_warning_logs":                 compose,
		"engine.conmon_env_vars":                      conmon,
		"engine.conmon_path":                          conmon,
		"engine.conmonrs_path":                        conmon,
		"engine.conmonrs_env_vars":                    conmon,
		"engine.database_backend":                     "carob keeps its state in SQLite",
		"engine.enable_port_forwarding":               "carob does not run in podman's machine",
		"engine.enable_port_reservation":              "the network helper itself holds the ports",
		"engine.events_container_create_inspect_data": "carob's events do not carry it",
		"engine.exit_command_delay":                   "carob keeps no exec sessions after their end",
		"engine.healthcheck_events":                   "health checks tell of changes only",
		"engine.image_build_format":                   build,
		"engine.infra_command":                        pods,
		"engine.infra_image":                          pods,
		"engine.kernel_search_paths":                  "carob starts no virtual machines",
		"engine.kube_generate_type":                   "generate kube comes in a later version of carob",
		"engine.lock_type":                            locks,
		"engine.machine_enabled":                      "carob does not run in podman's machine",
		"engine.namespace":                            "carob has one namespace: use --root for another",
		"engine.num_locks":                            locks,
		"engine.platform_to_oci_runtime":              "--runtime names it",
		"engine.remote":                               remote,
		"engine.remote_uri":                           remote,
		"engine.remote_identity":                      remote,
		"engine.runtime_supports_json":                "carob knows crun and runc",
		"engine.runtime_supports_kvm":                 "carob knows crun and runc",
		"engine.runtime_supports_nocgroups":           "carob knows crun and runc",
		"engine.service_destinations":                 remote,
		"engine.service_timeout":                      remote,
		"engine.sigstore_keys":                        "push --sign-by-sigstore-private-key signs",
		"engine.ssh_config":                           remote,
		"engine.static_dir":                           "carob's state is below the graph root",
		"engine.volume_plugin_timeout":                "carob has no volume plugins",
		"engine.volume_plugins":                       "carob has no volume plugins",
		"network.cni_plugin_dirs":                     network,
		"network.default_host_ips":                    network,
		"network.default_network":                     network,
		"network.default_rootless_netns":              network,
		"network.default_subnet":                      network,
		"network.default_subnet_pools":                network,
		"network.dns_bind_port":                       network,
		"network.firewall_driver":                     network,
		"network.netavark_plugin_dirs":                "carob uses CNI plugins",
		"network.network_backend":                     network,
		"network.network_config_dir":                  network,
		"secrets.opts":                                "the file driver takes no options",
	}
}

// elsewhere tells the tables that are about podman's virtual machines, remote
// connections and further programs, none of which is a container engine.
func elsewhere(table string) bool {
	return slices.Contains([]string{"machine", "farms", "configmaps", "service_destinations", "connections", "podmansh", "manifests"}, table)
}

// noteUnused notes the keys of a file that were not decoded.
func (c *Config) noteUnused(file string, known *toml.MetaData) {
	var unused map[string]string
	for _, key := range known.Undecoded() {
		// A table says nothing by itself, and {append=true} is the array's.
		if known.Type(key...) == "Hash" || len(key) > 2 && known.Type(key[:2]...) == "Array" || elsewhere(key[0]) {
			continue
		}
		if unused == nil {
			unused = Unused()
		}
		name := strings.Join(key[:min(len(key), 2)], ".")
		c.notes = append(c.notes, note{name, cmp.Or(unused[name], "carob does not know it"), file})
	}
}

// noteValues notes the keys that carob obeys, but not with these values.
func (c *Config) noteValues() {
	for _, v := range []struct {
		key, value string
		fits       bool
		why        string
	}{
		{"engine.events_logger", c.Engine.EventsLogger, c.Engine.EventsLogger != "journald" || journal.Here(), "there is no journald here, so events are in a file"},
		{"containers.apparmor_profile", c.Containers.AppArmorProfile, c.Containers.AppArmorProfile == "unconfined", "carob loads no AppArmor profiles; --security-opt apparmor=NAME uses one that is loaded"},
		{"engine.image_default_transport", c.Engine.ImageDefaultTransport, c.Engine.ImageDefaultTransport == "docker://", "images without a transport come from registries"},
		{"secrets.driver", c.Secrets.Driver, c.Secrets.Driver == "file", "carob keeps secrets in files, readable by their owner only"},
	} {
		if v.value != "" && !v.fits {
			c.notes = append(c.notes, note{key: v.key, why: fmt.Sprintf("not with %q: %s", v.value, v.why)})
		}
	}
}

// told is the file that remembers which notes were shown.
const told = "conf-told"

// Tell calls warn for every key without effect, once as long as dir, a
// runtime directory, remembers: until the next boot.
func (c *Config) Tell(dir string, warn func(line string)) {
	if len(c.notes) == 0 {
		return
	}
	path := filepath.Join(dir, told)
	body, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		body = nil // shown once more
	}
	shown := strings.Split(string(body), "\n")
	var fresh strings.Builder
	for _, n := range c.notes {
		line := fmt.Sprintf("%s in %s has no effect: %s", n.key, cmp.Or(n.file, "containers.conf"), n.why)
		if slices.Contains(shown, line) {
			continue
		}
		shown = append(shown, line)
		fresh.WriteString(line + "\n")
		warn(line)
	}
	if fresh.Len() == 0 {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return // and shown again the next time
	}
	f.WriteString(fresh.String())
	f.Close()
}
