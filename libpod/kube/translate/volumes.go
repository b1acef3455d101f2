package translate

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// volume is how a volume of the pod is mounted into a container.
type volume struct {
	mount  spec.Mount // without a destination
	device bool       // a device of the host
}

// addVolumes reads the pod's volumes. Those that it makes have the name of
// the volume in the pod until they are made.
func (p *pod) addVolumes() error {
	for i := range p.spec.Volumes {
		v, at := &p.spec.Volumes[i], p.at("volumes")+index(i)
		if v.Name == "" {
			return p.errorf(at+".name", "it is missing")
		}
		if p.volumes[v.Name] != nil {
			return p.errorf(at+".name", "there are two volumes %s", v.Name)
		}
		if err := oneSource(v.VolumeSource); err != nil {
			return p.errorf(at, "%w", err)
		}
		made, err := p.volume(v, at)
		if err != nil {
			return err
		}
		p.volumes[v.Name] = made
	}
	return nil
}

// oneSource refuses what has more than one of the fields of which Kubernetes
// takes one: those that are pointers.
func oneSource(of any) error {
	var set []string
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			name, _ := yamlName(v.Type().Field(i))
			set = append(set, name)
		}
	}
	if len(set) > 1 {
		return fmt.Errorf("%s contradict each other", strings.Join(set, " and "))
	}
	return nil
}

func (p *pod) volume(v *core.Volume, at string) (*volume, error) {
	switch {
	case v.HostPath != nil:
		return p.hostPath(v.HostPath, at+".hostPath")
	case v.EmptyDir != nil:
		return p.emptyDir(v, at+".emptyDir")
	case v.PersistentVolumeClaim != nil:
		return p.claim(v.PersistentVolumeClaim, at+".persistentVolumeClaim")
	case v.Image != nil:
		return p.imageVolume(v.Image, at+".image")
	case v.ConfigMap != nil:
		c := v.ConfigMap
		part := core.VolumeProjection{ConfigMap: &core.ConfigMapProjection{LocalObjectReference: c.LocalObjectReference, Items: c.Items, Optional: c.Optional}}
		return p.files(v.Name, c.DefaultMode, []core.VolumeProjection{part}, at)
	case v.Secret != nil:
		s := v.Secret
		part := core.VolumeProjection{Secret: &core.SecretProjection{LocalObjectReference: core.LocalObjectReference{Name: s.SecretName}, Items: s.Items, Optional: s.Optional}}
		return p.files(v.Name, s.DefaultMode, []core.VolumeProjection{part}, at)
	case v.DownwardAPI != nil:
		part := core.VolumeProjection{DownwardAPI: &core.DownwardAPIProjection{Items: v.DownwardAPI.Items}}
		return p.files(v.Name, v.DownwardAPI.DefaultMode, []core.VolumeProjection{part}, at)
	case v.Projected != nil:
		return p.files(v.Name, v.Projected.DefaultMode, v.Projected.Sources, at+".projected")
	case v.VolumeSource == core.VolumeSource{}:
		return p.emptyDir(v, at) // Kubernetes' default
	}
	return nil, p.errorf(at, "carob has no volumes of its kind: see the warnings")
}

func (p *pod) hostPath(h *core.HostPathVolumeSource, at string) (*volume, error) {
	if h.Path == "" {
		return nil, p.errorf(at+".path", "it is missing")
	}
	if !strings.Contains(h.Path, "/") { // podman's way of naming a volume
		return p.namedVolume(h.Path, at+".path")
	}
	kind := core.HostPathUnset
	if h.Type != nil {
		kind = *h.Type
	}
	switch kind {
	case core.HostPathUnset, core.HostPathDirectory, core.HostPathDirectoryOrCreate, core.HostPathFile, core.HostPathFileOrCreate,
		core.HostPathSocket, core.HostPathCharDev, core.HostPathBlockDev:
	default:
		return nil, p.errorf(at+".type", "%q is none of DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice", kind)
	}
	host := kube.HostPath{Path: h.Path, Type: string(kind), Where: inObject(p.o, at)}
	if !slices.Contains(p.out.HostPaths, host) {
		p.out.HostPaths = append(p.out.HostPaths, host)
	}
	if p.spec.HostUsers != nil && !*p.spec.HostUsers {
		p.warnAt(at, "is seen with the owners that it has on the host, of whom a pod with hostUsers: false knows none: only what everybody may do is possible there")
	}
	device := kind == core.HostPathCharDev || kind == core.HostPathBlockDev
	return &volume{mount: spec.Mount{Type: spec.MountBind, Source: h.Path, Relabel: "z"}, device: device}, nil
}

func (p *pod) namedVolume(name, at string) (*volume, error) {
	if !spec.ValidName(name) {
		return nil, p.errorf(at, "%q is no name of a volume", name)
	}
	if !slices.Contains(p.out.Claims, name) {
		p.out.Claims = append(p.out.Claims, name)
	}
	return &volume{mount: spec.Mount{Type: spec.MountVolume, Source: name}}, nil
}

func (p *pod) claim(c *core.PersistentVolumeClaimVolumeSource, at string) (*volume, error) {
	v, err := p.namedVolume(c.ClaimName, at+".claimName")
	if err != nil {
		return nil, err
	}
	if c.ReadOnly {
		v.mount.Options = []string{"ro"}
	}
	return v, nil
}

func (p *pod) imageVolume(i *core.ImageVolumeSource, at string) (*volume, error) {
	if i.Reference == "" {
		return nil, p.errorf(at+".reference", "it is missing")
	}
	pull, err := pullPolicy(i.PullPolicy, i.Reference)
	if err != nil {
		return nil, p.errorf(at+".pullPolicy", "%w", err)
	}
	p.out.Images = append(p.out.Images, kube.Image{Name: i.Reference, Pull: pull, Path: inObject(p.o, at)})
	return &volume{mount: spec.Mount{Type: spec.MountImage, Source: i.Reference}}, nil
}

// podVolume adds a volume that is the pod's own.
func (p *pod) podVolume(v kube.PodVolume, options ...string) *volume {
	p.out.Volumes = append(p.out.Volumes, v)
	return &volume{mount: spec.Mount{Type: spec.MountVolume, Source: v.Name, Anonymous: true, NoCopy: true, MakeSubPath: true, Options: options}}
}

func (p *pod) emptyDir(v *core.Volume, at string) (*volume, error) {
	made := kube.PodVolume{Name: v.Name, Mode: 0o777}
	e := v.EmptyDir
	if e == nil {
		e = &core.EmptyDirVolumeSource{}
	}
	switch {
	case e.Medium == core.StorageMediumMemory:
		made.Memory = true
	case e.Medium != core.StorageMediumDefault:
		p.warnAt(at+".medium", "%q is not supported: it lies on disk", e.Medium)
	}
	if e.SizeLimit != nil {
		switch {
		case e.SizeLimit.Sign() < 0:
			return nil, p.errorf(at+".sizeLimit", "%s is negative", e.SizeLimit)
		case made.Memory:
			made.Size = e.SizeLimit.Value()
		default:
			p.warnAt(at+".sizeLimit", "is not enforced: only medium Memory has a size")
		}
	}
	return p.podVolume(made), nil
}

// files makes a volume of files out of ConfigMaps, Secrets and the pod itself.
func (p *pod) files(name string, defaultMode *int32, parts []core.VolumeProjection, at string) (*volume, error) {
	mode, err := fileMode(defaultMode, 0o644)
	if err != nil {
		return nil, p.errorf(at+".defaultMode", "%w", err)
	}
	v := kube.PodVolume{Name: name, Mode: 0o755}
	for i, part := range parts {
		source := kube.PodVolume{}
		if err := p.project(&source, &part, mode); err != nil {
			if len(parts) > 1 {
				return nil, p.errorf(at+".sources"+index(i), "%w", err)
			}
			return nil, p.errorf(at, "%w", err)
		}
		for _, name := range cover(&v, &source) {
			p.warnAt(at+".sources"+index(i), "has %s, as a source before it has: the later one counts", name)
		}
	}
	return p.podVolume(v, "ro"), nil
}

// cover adds the files of a source to a volume, and takes away those of the
// same paths that it had before. It returns these paths.
func cover(v, source *kube.PodVolume) (covered []string) {
	under := func(name string) bool {
		found := slices.ContainsFunc(source.Files, func(f kube.File) bool { return f.Path == name })
		for _, s := range source.Secrets {
			found = found || slices.ContainsFunc(s.Items, func(i spec.VolumeItem) bool { return i.Path == name })
		}
		if found {
			covered = append(covered, name)
		}
		return found
	}
	v.Files = slices.DeleteFunc(v.Files, func(f kube.File) bool { return under(f.Path) })
	for i := range v.Secrets {
		v.Secrets[i].Items = slices.DeleteFunc(v.Secrets[i].Items, func(i spec.VolumeItem) bool { return under(i.Path) })
	}
	v.Files, v.Secrets = append(v.Files, source.Files...), append(v.Secrets, source.Secrets...)
	return covered
}

func fileMode(mode *int32, otherwise uint32) (uint32, error) {
	switch {
	case mode == nil:
		return otherwise, nil
	case *mode < 0 || *mode > 0o777:
		return 0, fmt.Errorf("%#o is no mode from 0 to 0777", *mode)
	}
	return uint32(*mode), nil
}

func (p *pod) project(v *kube.PodVolume, part *core.VolumeProjection, mode uint32) error {
	if err := oneSource(*part); err != nil {
		return err
	}
	switch {
	case *part == core.VolumeProjection{}:
		return fmt.Errorf("it names no source")
	case part.ConfigMap != nil:
		return p.projectConfigMap(v, part.ConfigMap, mode)
	case part.Secret != nil:
		return p.projectSecret(v, part.Secret, mode)
	case part.DownwardAPI != nil:
		return p.projectFields(v, part.DownwardAPI.Items, mode)
	}
	return nil // warned of
}

// inVolume refuses a path that leads out of its volume.
func inVolume(name string) error {
	if !filepath.IsLocal(name) || slices.Contains(strings.Split(name, "/"), "..") {
		return fmt.Errorf("path %q leads out of the volume", name)
	}
	return nil
}

func (p *pod) projectConfigMap(v *kube.PodVolume, c *core.ConfigMapProjection, mode uint32) error {
	m := p.configMaps[c.Name]
	if m == nil {
		if isTrue(c.Optional) {
			return nil
		}
		return fmt.Errorf("there is no ConfigMap %q", c.Name)
	}
	data := map[string][]byte{}
	for k, text := range m.Data {
		data[k] = []byte(text)
	}
	maps.Copy(data, m.BinaryData)
	items := c.Items
	if len(items) == 0 {
		for _, k := range sortedKeys(data) {
			items = append(items, core.KeyToPath{Key: k, Path: k})
		}
	}
	for _, item := range items {
		body, ok := data[item.Key]
		if !ok && isTrue(c.Optional) {
			continue
		}
		if !ok {
			return fmt.Errorf("there is no key %q in ConfigMap %s", item.Key, c.Name)
		}
		own, err := itemMode(item, mode)
		if err != nil {
			return err
		}
		v.Files = append(v.Files, kube.File{Path: path.Clean(item.Path), Data: body, Mode: own})
	}
	return nil
}

func itemMode(item core.KeyToPath, mode uint32) (uint32, error) {
	if err := inVolume(item.Path); err != nil {
		return 0, err
	}
	return fileMode(item.Mode, mode)
}

// projectSecret only names the secret: its values never stand in a plan.
func (p *pod) projectSecret(v *kube.PodVolume, s *core.SecretProjection, mode uint32) error {
	keys, found := p.secretKeys[s.Name]
	if !found {
		if isTrue(s.Optional) {
			return nil
		}
		return fmt.Errorf("there is no Secret %q", s.Name)
	}
	part := spec.VolumeSecret{Secret: s.Name, Optional: isTrue(s.Optional)}
	for _, item := range s.Items {
		if !slices.Contains(keys, item.Key) {
			if part.Optional {
				continue
			}
			return fmt.Errorf("there is no key %q in Secret %s", item.Key, s.Name)
		}
		own, err := itemMode(item, mode)
		if err != nil {
			return err
		}
		part.Items = append(part.Items, spec.VolumeItem{Key: item.Key, Path: path.Clean(item.Path), Mode: own})
	}
	if len(s.Items) == 0 {
		for _, key := range keys {
			if err := inVolume(key); err != nil {
				return err
			}
			part.Items = append(part.Items, spec.VolumeItem{Key: key, Path: key, Mode: mode})
		}
	}
	v.Secrets = append(v.Secrets, part)
	return nil
}

func (p *pod) projectFields(v *kube.PodVolume, items []core.DownwardAPIVolumeFile, mode uint32) error {
	for _, item := range items {
		own, err := itemMode(core.KeyToPath{Path: item.Path, Mode: item.Mode}, mode)
		if err != nil {
			return err
		}
		var text string
		switch {
		case item.FieldRef != nil && item.FieldRef.FieldPath == "metadata.labels":
			text = keyValueLines(p.meta.Labels)
		case item.FieldRef != nil && item.FieldRef.FieldPath == "metadata.annotations":
			text = keyValueLines(p.meta.Annotations)
		case item.FieldRef != nil:
			text, err = p.fieldValue(item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			text, err = p.resourceValue(nil, item.ResourceFieldRef)
		default:
			err = fmt.Errorf("%s names no source", item.Path)
		}
		if err != nil {
			return err
		}
		v.Files = append(v.Files, kube.File{Path: path.Clean(item.Path), Data: []byte(text), Mode: own})
	}
	return nil
}

// keyValueLines is how the downward API writes labels and annotations.
func keyValueLines(m map[string]string) string {
	var lines []string
	for _, k := range sortedKeys(m) {
		lines = append(lines, k+"="+strconv.Quote(m[k]))
	}
	return strings.Join(lines, "\n")
}

// setMounts mounts the pod's volumes into the container.
func (m *member) setMounts() error {
	taken := map[string]bool{}
	for i := range m.c.VolumeMounts {
		vm, at := &m.c.VolumeMounts[i], m.field("volumeMounts")+index(i)
		v := m.volumes[vm.Name]
		if v == nil {
			return m.errorf(at+".name", "the pod has no volume %q", vm.Name)
		}
		where := path.Clean(vm.MountPath)
		if taken[where] {
			return m.errorf(at+".mountPath", "there are two mounts on %s", where)
		}
		taken[where] = true
		if err := m.mount(v, vm, at); err != nil {
			return err
		}
	}
	for i, d := range m.c.VolumeDevices {
		at := m.field("volumeDevices") + index(i)
		v := m.volumes[d.Name]
		if v == nil || v.mount.Type != spec.MountBind {
			return m.errorf(at+".name", "the pod has no volume %q that is a device of the host", d.Name)
		}
		m.out.Mounts.Devices = append(m.out.Mounts.Devices, v.mount.Source+":"+d.DevicePath)
	}
	return nil
}

func (m *member) mount(v *volume, vm *core.VolumeMount, at string) error {
	if !path.IsAbs(vm.MountPath) || strings.Contains(vm.MountPath, ":") {
		return m.errorf(at+".mountPath", "%q is not an absolute path without a colon", vm.MountPath)
	}
	if v.device {
		return m.mountDevice(v, vm, at)
	}
	out := v.mount
	out.Destination, out.Options = vm.MountPath, slices.Clone(v.mount.Options)
	if vm.ReadOnly && !slices.Contains(out.Options, "ro") {
		out.Options = append(out.Options, "ro")
	}
	if out.Type == spec.MountImage {
		out.Options = nil // it is read-only as it is
	}
	if err := m.setPropagation(&out, vm, at); err != nil {
		return err
	}
	out.Options = append(out.Options, m.bindOptions(&out)...)
	if err := m.setSubPath(&out, vm, at); err != nil {
		return err
	}
	m.out.Mounts.List = append(m.out.Mounts.List, out)
	return nil
}

// mountDevice gives the container a device of the host.
func (m *member) mountDevice(v *volume, vm *core.VolumeMount, at string) error {
	if vm.SubPath != "" || vm.SubPathExpr != "" {
		return m.errorf(at+".subPath", "a device has nothing below it")
	}
	if vm.MountPropagation != nil && *vm.MountPropagation != core.MountPropagationNone {
		m.warnAt(at+".mountPropagation", "has no effect on a device")
	}
	word := v.mount.Source + ":" + vm.MountPath
	if vm.ReadOnly {
		word += ":r"
	}
	m.out.Mounts.Devices = append(m.out.Mounts.Devices, word)
	return nil
}

func (m *member) setPropagation(out *spec.Mount, vm *core.VolumeMount, at string) error {
	if vm.MountPropagation == nil {
		return nil
	}
	switch *vm.MountPropagation {
	case core.MountPropagationNone:
	case core.MountPropagationHostToContainer:
		out.Options = append(out.Options, "rslave")
	case core.MountPropagationBidirectional:
		out.Options = append(out.Options, "rshared")
	default:
		return m.errorf(at+".mountPropagation", "%q is none of None, HostToContainer, Bidirectional", *vm.MountPropagation)
	}
	return nil
}

// bindOptions are those of podman's annotation bind-mount-options, which holds
// HOSTPATH:OPTIONS.
func (m *member) bindOptions(out *spec.Mount) []string {
	if out.Type != spec.MountBind {
		return nil
	}
	value, ok := m.meta.Annotations["bind-mount-options:"+out.Source]
	if !ok {
		source, options, _ := strings.Cut(m.meta.Annotations["bind-mount-options"], ":")
		if source != out.Source {
			return nil
		}
		value = options
	}
	var rest []string
	for o := range strings.SplitSeq(value, ",") {
		switch o {
		case "z", "Z":
			out.Relabel = o
		case "U":
			out.Chown = true
		case "O":
			out.Overlay = true
		case "":
		default:
			rest = append(rest, o)
		}
	}
	return rest
}

func (m *member) setSubPath(out *spec.Mount, vm *core.VolumeMount, at string) error {
	sub := vm.SubPath
	if vm.SubPathExpr != "" {
		if sub != "" {
			return m.errorf(at, "subPath and subPathExpr contradict each other")
		}
		text, secret := m.env.expand(vm.SubPathExpr)
		if secret {
			return m.errorf(at+".subPathExpr", "it must not be made of a secret")
		}
		sub = text
	}
	if sub == "" {
		return nil
	}
	if err := inVolume(sub); err != nil {
		return m.errorf(at+".subPath", "%w", err)
	}
	out.SubPath = sub
	out.MakeSubPath = out.Type == spec.MountVolume || out.Type == spec.MountBind
	return nil
}

// addClaim makes a claim the volume of its name.
func (t *translator) addClaim(o *object) error {
	c := &core.PersistentVolumeClaim{}
	if err := named(o); err != nil {
		return err
	}
	if err := t.typed(o, "v1", c); err != nil {
		return err
	}
	if slices.ContainsFunc(t.plan.Volumes, func(v spec.Volume) bool { return v.Name == c.Name }) {
		return fmt.Errorf("cannot use %s: there are two of that name", o)
	}
	return t.addVolume(o, c)
}

// claimAnnotation begins the annotations of claims to which podman gives a
// meaning.
const claimAnnotation = "volume.podman.io/"

func (t *translator) addVolume(o *object, c *core.PersistentVolumeClaim) error {
	v := spec.Volume{Name: c.Name, Driver: "local", Labels: c.Labels}
	option := func(key, value string) {
		if v.Options == nil {
			v.Options = map[string]string{}
		}
		v.Options[key] = value
	}
	for _, key := range sortedKeys(c.Annotations) {
		name, podmans := strings.CutPrefix(key, claimAnnotation)
		value := c.Annotations[key]
		var err error
		switch {
		case !podmans:
		case name == "driver":
			v.Driver = cmp.Or(value, "local")
		case name == "device", name == "type":
			option(name, value)
		case name == "mount-options":
			option("o", value)
		case name == "image":
			v.Driver = "image"
			option("image", value)
		case name == "uid":
			v.UID, err = owner(value)
		case name == "gid":
			v.GID, err = owner(value)
		default:
			t.warn("%s: metadata.annotations[%s] is not supported", o, key)
		}
		if err != nil {
			return fmt.Errorf("cannot use %s: metadata.annotations[%s]: %w", o, key, err)
		}
	}
	t.plan.Volumes = append(t.plan.Volumes, v)
	return nil
}

func owner(text string) (*int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > maxID {
		return nil, fmt.Errorf("%q is no user or group", text)
	}
	id := int(n)
	return &id, nil
}
