package generate

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// setShm writes a /dev/shm of a size of its own as what people use for it in
// Kubernetes, one for all that share the pod's.
func (m *memberWriter) setShm() {
	const at = "/dev/shm"
	size, name := m.c.Mounts.ShmSize, "shm-"+lower(m.out.Name)
	if infra := m.from.Infra; infra != nil && m.c.Isolation.IPC == "container:"+infra.ID {
		size, name = infra.Mounts.ShmSize, "shm"
	}
	mounted := slices.ContainsFunc(m.c.Mounts.List, func(mount spec.Mount) bool { return mount.Destination == at })
	if size == "" || mounted || m.c.Isolation.IPC == "host" {
		return
	}
	m.out.VolumeMounts = append(m.out.VolumeMounts, core.VolumeMount{Name: m.volume(name, *memory([]string{"size=" + size})), MountPath: at})
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
	v := m.ask.Anonymous[mount.Source]
	if v.Files != nil {
		return m.files(mount.Source, v.Files), lower(v.Files.Name)
	}
	name := "empty-" + mount.Source
	if len(mount.Source) > 12 {
		name = "empty-" + mount.Source[:12]
	}
	if v.Options["type"] == "tmpfs" {
		return memory(strings.Split(v.Options["o"], ",")), name
	}
	return &core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}, name
}

// files writes a volume of ConfigMaps, Secrets and the like: what is stored
// here as a Secret as that, and all else as one ConfigMap.
func (m *memberWriter) files(id string, f *spec.VolumeFiles) *core.VolumeSource {
	out := &core.ProjectedVolumeSource{}
	if len(f.Files) > 0 {
		name := lower(m.podWriter.name + "-" + f.Name)
		keys := m.configMap(name, id, f.Files)
		part := &core.ConfigMapProjection{LocalObjectReference: core.LocalObjectReference{Name: name}}
		for i, file := range f.Files {
			if keys[i] != "" {
				part.Items = append(part.Items, item(keys[i], file.Path, file.Mode))
			}
		}
		out.Sources = append(out.Sources, core.VolumeProjection{ConfigMap: part})
	}
	for _, s := range f.Secrets {
		part := &core.SecretProjection{LocalObjectReference: core.LocalObjectReference{Name: s.Secret}}
		if s.Optional {
			part.Optional = &s.Optional
		}
		for _, i := range s.Items {
			part.Items = append(part.Items, item(i.Key, i.Path, i.Mode))
		}
		out.Sources = append(out.Sources, core.VolumeProjection{Secret: part})
	}
	return &core.VolumeSource{Projected: out}
}

func item(key, path string, mode uint32) core.KeyToPath {
	own := int32(mode & 0o777)
	return core.KeyToPath{Key: key, Path: path, Mode: &own}
}

// configMap writes the files of a volume, once, and returns the key of each;
// "" for one that is not there any more.
func (m *memberWriter) configMap(name, id string, files []spec.VolumeFile) []string {
	out := &core.ConfigMap{TypeMeta: typeOf("v1", "ConfigMap"), ObjectMeta: meta.ObjectMeta{Name: name}, Data: map[string]string{}, BinaryData: map[string][]byte{}}
	var keys []string
	for _, f := range files {
		body, ok := m.ask.Contents[id][f.Path]
		if !ok {
			keys = append(keys, "")
			m.warn("container %s: the file %s of volume %s is not written: it is not there any more", m.c.Name, f.Path, name)
			continue
		}
		key := configKey(f.Path)
		for n := 2; slices.Contains(keys, key); n++ {
			key = fmt.Sprintf("%s-%d", configKey(f.Path), n)
		}
		keys = append(keys, key)
		if utf8.Valid(body) {
			out.Data[key] = string(body)
		} else {
			out.BinaryData[key] = body
		}
	}
	same := func(doc any) bool {
		have, ok := doc.(*core.ConfigMap)
		return ok && have.Name == name
	}
	if !slices.ContainsFunc(m.docs, same) {
		m.docs = append(m.docs, out)
	}
	return keys
}

// configKey makes a path a key of a ConfigMap: letters, digits, - _ and .
func configKey(path string) string {
	key := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, path)
	return key[:min(len(key), 200)]
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
