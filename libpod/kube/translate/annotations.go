package translate

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
)

// annotation begins the annotations to which podman gives a meaning. Those of
// one container end with "/NAME".
const annotation = "io.podman.annotations."

// perContainer are the annotations for one container, and what each does.
func perContainer() map[string]func(c *spec.Container, value string) error {
	return map[string]func(c *spec.Container, value string) error{
		"autoremove": func(c *spec.Container, v string) error { c.Remove = truth(v); return nil },
		"init":       func(c *spec.Container, v string) error { c.Process.Init = truth(v); return nil },
		"privileged": func(c *spec.Container, v string) error { c.Security.Privileged = truth(v); return nil },
		"seccomp":    func(c *spec.Container, v string) error { c.Security.Seccomp = v; return nil },
		"apparmor":   func(c *spec.Container, v string) error { c.Security.AppArmor = v; return nil },
		"label":      func(c *spec.Container, v string) error { c.Security.Label = strings.Split(v, ",label="); return nil },
		"cpuset":     func(c *spec.Container, v string) error { c.Resources.CPUSetCPUs = v; return nil },
		"memory-nodes": func(c *spec.Container, v string) error {
			c.Resources.CPUSetMems = v
			return nil
		},
		"ulimit": func(c *spec.Container, v string) error {
			c.Resources.Ulimits = strings.Split(v, ",")
			return nil
		},
		"pids-limit": func(c *spec.Container, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			c.Resources.PidsLimit = &n
			return err
		},
		"volumes-from": func(c *spec.Container, v string) error {
			c.Mounts.VolumesFrom = strings.Split(v, ";")
			return nil
		},
		"init.container.type": func(*spec.Container, string) error { return nil }, // see initType
		"publish-all":         func(*spec.Container, string) error { return nil }, // see setPorts
	}
}

// ofPod are podman's annotations that are for the pod.
func ofPod() []string { return []string{"userns", "infra.name"} }

func truth(value string) bool { return strings.EqualFold(value, "true") }

// annotated is the value of one of podman's annotations for a container: its
// own, or that of all.
func (p *pod) annotated(container, name string) (string, bool) {
	if v, ok := p.meta.Annotations[annotation+name+"/"+container]; ok {
		return v, true
	}
	v, ok := p.meta.Annotations[annotation+name]
	return v, ok
}

func (p *pod) says(container, name string) bool {
	v, _ := p.annotated(container, name)
	return truth(v)
}

// allAnnotations are the pod's and those of --annotation.
func (p *pod) allAnnotations() map[string]string {
	if len(p.meta.Annotations)+len(p.src.Options.Annotations) == 0 {
		return nil
	}
	all := map[string]string{}
	maps.Copy(all, p.meta.Annotations)
	maps.Copy(all, p.src.Options.Annotations)
	return all
}

// setAnnotations gives a container its annotations and does what podman's ask.
func (m *member) setAnnotations() error {
	known := perContainer()
	for _, key := range slices.Sorted(maps.Keys(m.meta.Annotations)) {
		name, podmans := strings.CutPrefix(key, annotation)
		base, _, _ := strings.Cut(name, "/")
		if podmans && known[base] == nil && !slices.Contains(ofPod(), base) {
			m.warnAt("metadata.annotations["+key+"]", "is not supported")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if value, ok := m.annotated(m.c.Name, name); ok {
			if err := known[name](m.out, value); err != nil {
				return m.errorf("metadata.annotations["+annotation+name+"]", "%w", err)
			}
		}
	}
	for key, value := range m.meta.Annotations {
		base, container, single := strings.Cut(key, "/")
		if single && container != m.c.Name {
			continue
		}
		switch base {
		case "io.containers.autoupdate", "io.containers.autoupdate.authfile":
			m.out.Labels[base] = value
		case "io.containers.sdnotify":
			m.out.Process.SdNotify = value
		}
	}
	m.out.Annotations = m.allAnnotations()
	if m.out.Remove && m.out.Restart.Policy != spec.RestartNo {
		m.warnAt("metadata.annotations["+annotation+"autoremove]", "has no effect on a container that is run again (restartPolicy)")
		m.out.Remove = false
	}
	return nil
}

// initType is when an init container runs.
func (m *member) initType() (string, error) {
	value, ok := m.annotated(m.c.Name, "init.container.type")
	switch {
	case !ok, value == spec.InitOnce:
		return spec.InitOnce, nil
	case value == spec.InitAlways:
		return spec.InitAlways, nil
	}
	return "", m.errorf("metadata.annotations["+annotation+"init.container.type]", "%q is neither once nor always", value)
}
