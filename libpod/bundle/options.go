package bundle

import (
	"fmt"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/spec"
)

// hasOption tells whether one of the names is among options.
func hasOption(options []string, names ...string) bool {
	for _, o := range options {
		for _, n := range names {
			if o == n {
				return true
			}
		}
	}
	return false
}

// withDefault adds fallback unless options has it or one of its opposites.
func withDefault(options []string, fallback string, opposites ...string) []string {
	if hasOption(options, append(opposites, fallback)...) {
		return options
	}
	return append(options, fallback)
}

func withPropagation(options []string) []string {
	return withDefault(options, "rprivate", "private", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable")
}

// userMount makes one resolved mount of the user the runtime's.
func (g *generator) userMount(m *spec.Mount) (rspec.Mount, error) {
	out := rspec.Mount{Destination: m.Destination, Source: m.Source}
	options := append([]string{}, m.Options...)
	switch m.Type {
	case spec.MountTmpfs:
		out.Type, out.Source, out.Options = "tmpfs", "tmpfs", tmpfsOptions(options, m.NoTmpCopyUp)
	case spec.MountDevpts:
		out.Type, out.Source, out.Options = "devpts", "devpts", g.devptsOptions(options)
	case spec.MountBind, spec.MountVolume, spec.MountImage:
		return g.bindMount(m, out, options)
	default:
		return out, fmt.Errorf("cannot mount %s: a mount of type %q was left unresolved", m.Destination, m.Type)
	}
	return out, nil
}

func (g *generator) bindMount(m *spec.Mount, out rspec.Mount, options []string) (rspec.Mount, error) {
	if m.Source == "" {
		return out, fmt.Errorf("cannot mount %s: its source was left unresolved", m.Destination)
	}
	if m.Overlay || m.Type == spec.MountImage && m.ReadWrite {
		return g.overlayMount(m, out)
	}
	out.Type = "bind"
	if m.Type == spec.MountImage {
		options = append(options, "ro")
	}
	options = withPropagation(withDefault(options, "rw", "ro"))
	if m.Type == spec.MountVolume {
		options = withDefault(withDefault(options, "nosuid", "suid"), "nodev", "dev")
	}
	out.Options = withDefault(options, "rbind", "bind")
	return out, g.addIDMap(m, &out)
}

// overlayMount puts a writable layer over the source; the runtime mounts it,
// so that it ends with the container.
func (g *generator) overlayMount(m *spec.Mount, out rspec.Mount) (rspec.Mount, error) {
	if m.UpperDir == "" || m.WorkDir == "" {
		return out, fmt.Errorf("cannot overlay %s: its upper and work directories were left unresolved", m.Destination)
	}
	out.Type, out.Source = "overlay", "overlay"
	out.Options = []string{
		"lowerdir=" + escapeOverlay(m.Source), "upperdir=" + escapeOverlay(m.UpperDir),
		"workdir=" + escapeOverlay(m.WorkDir), "private",
	}
	if g.Host.Rootless {
		out.Options = append(out.Options, "userxattr")
	}
	return out, nil
}

// escapeOverlay protects what overlayfs takes for separators.
func escapeOverlay(path string) string {
	return strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(path)
}

// addIDMap asks for an idmapped mount. The kernel lets only the owner of the
// file system's user namespace do that, which for host directories is root.
func (g *generator) addIDMap(m *spec.Mount, out *rspec.Mount) error {
	if m.IDMap == nil {
		return nil
	}
	if g.Host.Rootless {
		return hinted("use the option U to change the owner of the source instead",
			"cannot mount %s with idmap: the kernel allows that to root only", m.Destination)
	}
	if g.Host.Runtime != "crun" {
		return hinted("use --runtime crun", "cannot mount %s with idmap: only crun knows that option", m.Destination)
	}
	if *m.IDMap == "" && !g.ownUserNS() {
		return fmt.Errorf("cannot mount %s with idmap: the container has no user namespace of its own", m.Destination)
	}
	option := "idmap"
	if *m.IDMap != "" {
		option += "=" + *m.IDMap
	}
	out.Options = append(out.Options, option)
	return nil
}

// tmpfsOptions: unless told otherwise a tmpfs starts with what the image has
// there (the runtime copies), and holds no set-uid programs or devices.
func tmpfsOptions(options []string, noCopyUp bool) []string {
	noCopyUp = noCopyUp || hasOption(options, "notmpcopyup")
	kept := []string{}
	for _, o := range options {
		if o != "notmpcopyup" && o != "tmpcopyup" {
			kept = append(kept, kernelSize(o))
		}
	}
	kept = withPropagation(withDefault(kept, "rw", "ro"))
	kept = withDefault(withDefault(kept, "nosuid", "suid"), "nodev", "dev")
	if !noCopyUp {
		kept = append(kept, "tmpcopyup")
	}
	return kept
}

// kernelSize writes size=1.5g in bytes, which is all that the kernel reads
// beside percentages.
func kernelSize(option string) string {
	word, ok := strings.CutPrefix(option, "size=")
	if !ok || strings.HasSuffix(word, "%") {
		return option
	}
	n, err := spec.ParseSize(word)
	if err != nil {
		return option // let the kernel refuse it
	}
	return fmt.Sprintf("size=%d", n)
}

// devptsOptions: gid 5 is tty wherever distributions agree, if it exists here.
func (g *generator) devptsOptions(options []string) []string {
	options = append(options, "nosuid", "noexec", "newinstance")
	if !hasPrefix(options, "ptmxmode=") {
		options = append(options, "ptmxmode=0666")
	}
	if !hasPrefix(options, "mode=") {
		options = append(options, "mode=0620")
	}
	if mapped(g.gids(), 5) && !hasPrefix(options, "gid=") {
		options = append(options, "gid=5")
	}
	return options
}

func hasPrefix(options []string, prefix string) bool {
	for _, o := range options {
		if strings.HasPrefix(o, prefix) {
			return true
		}
	}
	return false
}
