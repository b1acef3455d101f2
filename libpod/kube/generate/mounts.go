package generate

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/carob-containers/carob/libpod/spec"
)

// setMounts writes the container's mounts and devices, and the pod's volumes.
func (m *memberWriter) setMounts() {
	for i := range m.c.Mounts.List {
		mount := &m.c.Mounts.List[i]
		if mount.FromImage {
			continue // the image brings it along
		}
		source, name := m.source(mount)
		if source == nil {
			continue
		}
		out := core.VolumeMount{Name: m.volume(name, *source), MountPath: mount.Destination, SubPath: mount.SubPath}
		out.ReadOnly = slices.Contains(mount.Options, "ro") && mount.Type != spec.MountImage
		out.MountPropagation = propagation(mount.Options)
		m.out.VolumeMounts = append(m.out.VolumeMounts, out)
	}
	for _, word := range m.c.Mounts.Devices {
		parts := strings.Split(word, ":")
		inside := parts[0]
		if len(parts) > 1 {
			inside = parts[1]
		}
		device := core.HostPathCharDev
		source := core.VolumeSource{HostPath: &core.HostPathVolumeSource{Path: parts[0], Type: &device}}
		m.out.VolumeMounts = append(m.out.VolumeMounts, core.VolumeMount{Name: m.volume(pathName(parts[0]), source), MountPath: inside})
		if len(parts) > 2 && parts[2] != "rwm" {
			m.lost("the permission " + parts[2] + " of device " + parts[0])
		}
	}
}

// propagation is Kubernetes' word for it, if it has one.
func propagation(options []string) *core.MountPropagationMode {
	mode := core.MountPropagationMode("")
	switch {
	case slices.Contains(options, "rslave"), slices.Contains(options, "slave"):
		mode = core.MountPropagationHostToContainer
	case slices.Contains(options, "rshared"), slices.Contains(options, "shared"):
		mode = core.MountPropagationBidirectional
	default:
		return nil
	}
	return &mode
}

// volume adds a volume to the pod, unless one of the same source is there, and
// returns its name.
func (p *podWriter) volume(name string, source core.VolumeSource) string {
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-")
	}
	key := source.String()
	if source.EmptyDir != nil {
		key += name // each is one of its own
	}
	if have, ok := p.volumes[key]; ok {
		return have
	}
	base := name
	for n := 2; slices.ContainsFunc(p.claimed, func(v core.Volume) bool { return v.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	p.volumes[key] = name
	p.claimed = append(p.claimed, core.Volume{Name: name, VolumeSource: source})
	return name
}

// source is what a mount shows, and what to call it; nil for what cannot be
// written.
func (m *memberWriter) source(mount *spec.Mount) (*core.VolumeSource, string) {
	switch mount.Type {
	case spec.MountBind:
		return m.hostPath(mount), pathName(mount.Source)
	case spec.MountVolume:
		if mount.Anonymous {
			return m.emptyDir(mount)
		}
		return &core.VolumeSource{PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: mount.Source}}, lower(mount.Source) + "-pvc"
	case spec.MountTmpfs:
		return memory(mount.Options), "tmpfs" + pathName(mount.Destination)
	case spec.MountImage:
		return &core.VolumeSource{Image: &core.ImageVolumeSource{Reference: mount.Source, PullPolicy: core.PullIfNotPresent}}, "image" + pathName(mount.Destination)
	}
	m.lost("the " + mount.Type + " mount at " + mount.Destination)
	return nil, ""
}

func (m *memberWriter) hostPath(mount *spec.Mount) *core.VolumeSource {
	kind := core.HostPathUnset
	switch m.binds[mount.Source] {
	case "directory":
		kind = core.HostPathDirectory
	case "file":
		kind = core.HostPathFile
	case "socket":
		kind = core.HostPathSocket
	case "":
		kind = core.HostPathDirectoryOrCreate
	}
	var options []string
	for _, o := range mount.Options {
		if !slices.Contains([]string{"ro", "rw", "rbind", "bind", "rprivate", "rslave", "slave", "rshared", "shared"}, o) {
			options = append(options, o)
		}
	}
	if mount.Relabel == "Z" {
		options = append(options, "Z")
	}
	if mount.Chown {
		options = append(options, "U")
	}
	if mount.Overlay {
		options = append(options, "O")
	}
	if len(options) > 0 {
		m.annotations["bind-mount-options:"+mount.Source] = strings.Join(options, ",")
	}
	return &core.VolumeSource{HostPath: &core.HostPathVolumeSource{Path: mount.Source, Type: &kind}}
}

// emptyDir is for volumes that go with their container or pod.
func (m *memberWriter) emptyDir(mount *spec.Mount) (*core.VolumeSource, string) {
	if slices.Contains(mount.Options, "ro") {
		m.warn("container %s: the files at %s are not written: they come of a ConfigMap or Secret; write that volume yourself", m.c.Name, mount.Destination)
	}
	v := m.ask.Anonymous[mount.Source]
	name := "empty-" + mount.Source
	if len(mount.Source) > 12 {
		name = "empty-" + mount.Source[:12]
	}
	if v.Options["type"] == "tmpfs" {
		return memory(strings.Split(v.Options["o"], ",")), name
	}
	return &core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}, name
}

func memory(options []string) *core.VolumeSource {
	e := &core.EmptyDirVolumeSource{Medium: core.StorageMediumMemory}
	for _, o := range options {
		if size, ok := strings.CutPrefix(o, "size="); ok {
			if n, err := spec.ParseSize(size); err == nil {
				e.SizeLimit = resource.NewQuantity(n, resource.BinarySI)
			}
		}
	}
	return &core.VolumeSource{EmptyDir: e}
}

// pathName is a volume's name made of a path, in podman's way.
func pathName(path string) string {
	name := strings.Trim(strings.ReplaceAll(path, "/", "-"), "-")
	if name == "" {
		name = "root"
	}
	return lower(name) + "-host"
}

// lower makes text fit for a name in Kubernetes: RFC 1123.
func lower(text string) string {
	out := []byte(strings.ToLower(text))
	for i, b := range out {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') {
			out[i] = '-'
		}
	}
	return strings.Trim(string(out), "-")
}
