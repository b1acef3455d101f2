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
		u.resource = u.containerName()
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

// Pod is the unit of the pod that a container is in.
func (u *Unit) Pod() string {
	name := u.last("Pod")
	if expanded, ok := u.expand(name); ok {
		return expanded
	}
	return name
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

// elsewhere is the name of what the unit makes as another service must write
// it: specifiers that stand for the unit's own name mean another thing there.
// "": it has one that only the unit's own service can tell.
func (u *Unit) elsewhere() string {
	name, _ := u.expand(u.resource)
	return name
}

// expand puts in what specifiers for the unit's own name stand for, and leaves
// those that mean the same in all services; ok: there are no others. Of a
// template %i stays, for a service of the same instance.
func (u *Unit) expand(text string) (string, bool) {
	service := u.Service
	if u.isTemplate() && strings.HasSuffix(service, "@") {
		service += "%i"
	}
	prefix, instance, _ := strings.Cut(service, "@")
	own := map[byte]string{'n': service + ".service", 'N': service, 'p': prefix, 'i': instance}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		value, known := own[text[i]]
		switch {
		case known:
			b.WriteString(value)
		case strings.IndexByte("PIjJfyY", text[i]) >= 0: // other forms of the name, which systemd makes
			return "", false
		default:
			b.WriteString(text[i-1 : i+1])
		}
	}
	return b.String(), true
}

// written is the unit whose file says what u is.
func (u *Unit) written() *Unit {
	if u.template != nil {
		return u.template
	}
	return u
}

// instance is the unit that stands for an instance of a template that has no
// file of its own: systemd makes its service of the template's.
func (u *Unit) instance(name string) *Unit {
	base, _, _ := u.base()
	i := *u
	i.Name = base + "@" + name + u.kind.suffix
	i.Service = u.Service + name
	i.template = u
	return &i
}
