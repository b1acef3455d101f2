// Package quadlet turns unit files that describe containers, pods, volumes,
// networks, images and Kubernetes YAML into service files of systemd.
//
// The way of a unit: Load finds its file and its drop-ins (load.go) and gives
// it the names by which others refer to it (names.go). Generate converts each
// unit (generate.go): the keys of its section, which stand in tables
// (keys.go has what their rows do), become words of a carob command; the tables
// and what each sort of unit needs besides are in container.go, podunit.go,
// build.go and resources.go. Result.Write puts the services where systemd looks
// for them (write.go).
//
// The format is that of podman-systemd.unit(5). docs/quadlet.md describes it.
package quadlet

import (
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// kind is a sort of unit.
type kind struct {
	suffix  string // of its file's name
	section string // the one that systemd does not know
	service string // what the service's name has after the unit's
	name    string // the key that names what the service makes; "": none does
	keys    []key
	convert func(*conversion) error
}

// kinds are in the order of conversion: pods want to know which of their
// containers can be started.
func kinds() []kind {
	return []kind{
		{".artifact", "Artifact", "-artifact", "", artifactKeys, convertArtifact},
		{".build", "Build", "-build", "", buildKeys, convertBuild},
		{".container", "Container", "", "ContainerName", containerKeys, convertContainer},
		{".image", "Image", "-image", "", imageKeys, convertImage},
		{".kube", "Kube", "", "", kubeKeys, convertKube},
		{".network", "Network", "-network", "NetworkName", networkKeys, convertNetwork},
		{".volume", "Volume", "-volume", "VolumeName", volumeKeys, convertVolume},
		{".pod", "Pod", "-pod", "PodName", podKeys, convertPod},
	}
}

// kindOf is the kind of unit a file name belongs to; nil: none.
func kindOf(name string) *kind {
	for _, k := range kinds() {
		if k.suffix == filepath.Ext(name) && name != k.suffix {
			return &k
		}
	}
	return nil
}

// Unit is a unit file with its drop-ins.
type Unit struct {
	Name    string // of the file: shop@.container
	Path    string
	Service string // of the service it becomes, without .service: shop@

	kind     *kind
	file     *unitfile.File
	resource string // what the service makes, with specifiers of the service
	template *Unit  // of an instance without a file: what it is one of
}

// Section is the section of a unit that this package reads: Container.
func (u *Unit) Section() string { return u.kind.section }

// base is the unit's name without what tells its kind, and of an instance or a
// template only what stands before the @; instance is what stands after it.
func (u *Unit) base() (base, instance string, template bool) {
	return strings.Cut(strings.TrimSuffix(u.Name, u.kind.suffix), "@")
}

// isTemplate tells whether the unit is one that systemd makes instances of.
func (u *Unit) isTemplate() bool {
	_, instance, template := u.base()
	return template && instance == ""
}

// last is the value of a key of the unit's own section that counts; "" when
// there is none.
func (u *Unit) last(key string) string {
	e, _ := u.file.Last(u.kind.section, key)
	return unitfile.Text(e.Value)
}

func (u *Unit) all(key string) []unitfile.Entry { return u.file.All(u.kind.section, key) }

// fail is an error about the line of a key, or about the unit as a whole when
// the key is not there.
func (u *Unit) fail(key, format string, args ...any) error {
	e, ok := u.file.Last(u.kind.section, key)
	if !ok {
		e.Path = u.Path
	}
	return e.Fail(format, args...)
}

// KeyDoc is a key of a section and what becomes of it, for documents.
type KeyDoc struct{ Section, Key, Becomes string }

// Keys are all keys of all sections, as docs/quadlet.md lists them.
func Keys() []KeyDoc {
	var docs []KeyDoc
	for _, k := range kinds() {
		for _, row := range k.keys {
			docs = append(docs, KeyDoc{k.section, row.name, row.becomes()})
		}
	}
	for _, row := range quadletKeys {
		docs = append(docs, KeyDoc{quadletSection, row.name, row.becomes()})
	}
	return docs
}
