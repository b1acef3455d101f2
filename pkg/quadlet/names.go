package quadlet

import (
	"iter"
	"maps"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

func keysOf[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// setNames sets the names by which other units refer to u.
func (u *Unit) setNames() error {
	u.Service = u.defaultService()
	if name := u.last("ServiceName"); name != "" {
		if strings.HasSuffix(name, ".service") {
			return u.fail("ServiceName", "ServiceName: %q must not end in .service, which is added", name)
		}
		u.Service = name
	}
	if err := unitfile.CheckInstance(u.Service); err != nil {
		return u.fail("ServiceName", "the service cannot have this name: %v", err)
	}
	switch u.kind.suffix {
	case ".container":
		u.resource = u.containerResource()
	case ".image":
		u.resource = u.last("ImageTag")
		if u.resource == "" {
			u.resource = u.last("Image")
		}
	case ".build":
		if tags := u.all("ImageTag"); len(tags) > 0 {
			u.resource = unitfile.Text(tags[0].Value)
		}
	case ".artifact":
		u.resource = u.last("Artifact")
	case ".network", ".volume", ".pod":
		u.resource = u.ownName()
	}
	return nil
}

// defaultService is the name of the service where ServiceName gives none.
func (u *Unit) defaultService() string {
	base, instance, template := u.base()
	if template {
		return base + u.kind.service + "@" + instance
	}
	return base + u.kind.service
}

// ServiceOf is the service, without .service, that a unit whose file has this
// name becomes unless the file says otherwise; "": it is no unit's name.
func ServiceOf(name string) string {
	k := kindOf(name)
	if k == nil {
		return ""
	}
	return (&Unit{Name: name, kind: k}).defaultService()
}

// ownName is the name of the network, the volume or the pod that a service
// makes. The default has a prefix, so that it is nobody else's by chance.
func (u *Unit) ownName() string {
	if name := u.last(u.kind.name); name != "" {
		return name
	}
	base, instance, template := u.base()
	name := unitfile.Escape("systemd-" + base)
	switch {
	case instance != "":
		return name + "-" + unitfile.Escape(instance)
	case template:
		return name + "-%i"
	}
	return name
}

// containerName is the name for a container, with specifiers that systemd
// expands.
func (u *Unit) containerName() string {
	if name := u.last("ContainerName"); name != "" {
		return name
	}
	if _, _, template := u.base(); template {
		return "systemd-%p_%i"
	}
	return "systemd-%N"
}

// containerResource is the name of a container as another service must write
// it: the specifiers stand for other things there. Only %N and what the name of
// an instance tells can be put in; "" when there is more.
func (u *Unit) containerResource() string {
	name := strings.ReplaceAll(u.containerName(), "%N", unitfile.Escape(u.Service))
	if prefix, instance, ok := strings.Cut(u.Service, "@"); ok && instance != "" {
		name = strings.NewReplacer("%p", unitfile.Escape(prefix), "%i", unitfile.Escape(instance)).Replace(name)
	}
	if strings.Contains(strings.ReplaceAll(name, "%%", ""), "%") {
		return ""
	}
	return name
}
