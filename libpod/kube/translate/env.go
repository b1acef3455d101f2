package translate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"

	"github.com/carob-containers/carob/libpod/spec"
)

// environment are a container's variables in the making. What holds a secret
// is kept apart, as a template that names the secret's variable.
type environment struct {
	plain   map[string]string
	hidden  map[string]string // templates, see spec.Process.EnvTemplates
	secrets map[string]bool   // variables that are secrets themselves
}

// expand puts the variables into text. It fails to do so when one of them
// holds a secret: that waits for the start.
func (e *environment) expand(text string) (out string, secret bool) {
	out = spec.Expand(text, func(name string) (string, bool) {
		if _, hides := e.hidden[name]; hides || e.secrets[name] {
			secret = true
		}
		v, ok := e.plain[name]
		return v, ok
	})
	return out, secret
}

// template is text with all variables put in but those with secrets.
func (e *environment) template(text string) string {
	var out []byte
	rest := text
	for rest != "" {
		n := nextReference(rest)
		out = append(out, spec.EscapeExpand(spec.Expand(rest[:n], nothing))...)
		if rest = rest[n:]; rest == "" {
			break
		}
		end := referenceEnd(rest)
		name := rest[2 : end-1]
		rest = rest[end:]
		switch value, known := e.plain[name]; {
		case e.secrets[name]:
			out = append(out, "$("+name+")"...)
		case e.hidden[name] != "":
			out = append(out, e.hidden[name]...)
		case known:
			out = append(out, spec.EscapeExpand(value)...)
		default:
			out = append(out, spec.EscapeExpand("$("+name+")")...)
		}
	}
	return string(out)
}

func nothing(string) (string, bool) { return "", false }

// nextReference is where the first $(NAME) of text begins, else its length.
func nextReference(text string) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '$' {
			continue
		}
		if referenceEnd(text[i:]) > 0 {
			return i
		}
		if i+1 < len(text) && text[i+1] == '$' {
			i++
		}
	}
	return len(text)
}

// referenceEnd is the length of the $(NAME) that text begins with, else 0.
func referenceEnd(text string) int {
	if len(text) < 2 || text[1] != '(' {
		return 0
	}
	for i := 2; i < len(text); i++ {
		if text[i] == ')' {
			return i + 1
		}
	}
	return 0
}

func (e *environment) expandAll(words []string) (out []string, secret bool) {
	for _, w := range words {
		text, s := e.expand(w)
		out, secret = append(out, text), secret || s
	}
	return out, secret
}

func (e *environment) templates(words []string) (out []string) {
	for _, w := range words {
		out = append(out, e.template(w))
	}
	return out
}

// set gives a variable its value; the last one counts.
func (e *environment) set(name, value string, hidden bool) {
	delete(e.plain, name)
	delete(e.hidden, name)
	delete(e.secrets, name)
	if hidden {
		e.hidden[name] = value
		return
	}
	e.plain[name] = value
}

// setEnv reads envFrom, then env, whose values may name what came before.
func (m *member) setEnv() error {
	m.env = environment{plain: map[string]string{}, hidden: map[string]string{}, secrets: map[string]bool{}}
	for i := range m.c.EnvFrom {
		if err := m.addEnvFrom(&m.c.EnvFrom[i], m.field("envFrom")+index(i)); err != nil {
			return err
		}
	}
	for i := range m.c.Env {
		v, at := &m.c.Env[i], m.field("env")+index(i)
		if v.Name == "" {
			return m.errorf(at+".name", "it is missing")
		}
		if v.ValueFrom != nil {
			if v.Value != "" {
				return m.errorf(at, "value and valueFrom contradict each other")
			}
			if err := oneSource(*v.ValueFrom); err != nil {
				return m.errorf(at+".valueFrom", "%w", err)
			}
			if err := m.addEnvValue(v, at+".valueFrom"); err != nil {
				return err
			}
			continue
		}
		value, secret := m.env.expand(v.Value)
		if secret {
			value = m.env.template(v.Value)
		}
		m.env.set(v.Name, value, secret)
	}
	p := &m.out.Process
	if len(m.env.plain) > 0 {
		p.Env = m.env.plain
	}
	if len(m.env.hidden) > 0 {
		p.EnvTemplates = m.env.hidden
	}
	p.Secrets = slices.DeleteFunc(p.Secrets, func(s spec.Secret) bool { return !m.env.secrets[s.Target] })
	return nil
}

func (m *member) addEnvFrom(from *core.EnvFromSource, at string) error {
	if err := oneSource(*from); err != nil {
		return m.errorf(at, "%w", err)
	}
	switch {
	case from.ConfigMapRef != nil:
		ref := from.ConfigMapRef
		data, found := m.configMaps[ref.Name]
		if !found {
			return m.missing(at+".configMapRef", "ConfigMap", ref.Name, isTrue(ref.Optional))
		}
		for _, key := range slices.Sorted(maps.Keys(data.Data)) {
			m.env.set(from.Prefix+key, data.Data[key], false)
		}
	case from.SecretRef != nil:
		ref := from.SecretRef
		keys, found := m.secretKeys[ref.Name]
		if !found {
			return m.missing(at+".secretRef", "Secret", ref.Name, isTrue(ref.Optional))
		}
		for _, key := range keys {
			m.addSecretVariable(from.Prefix+key, ref.Name, key)
		}
	default:
		return m.errorf(at, "it names neither a configMapRef nor a secretRef")
	}
	return nil
}

func (m *member) addSecretVariable(name, secret, key string) {
	m.env.set(name, "", true)
	delete(m.env.hidden, name)
	m.env.secrets[name] = true
	p := &m.out.Process
	p.Secrets = slices.DeleteFunc(p.Secrets, func(s spec.Secret) bool { return s.Target == name })
	p.Secrets = append(p.Secrets, spec.Secret{Source: secret, Type: "env", Target: name, Key: key})
}

// missing is what comes of an object that is not there.
func (p *pod) missing(at, kind, name string, optional bool) error {
	if optional {
		return nil
	}
	if keys, stored := p.src.Secrets[name]; stored && len(keys) == 0 && strings.HasSuffix(kind, "Secret") {
		return p.errorf(at, "the secret %s holds no Secret of Kubernetes, which has keys", name)
	}
	return p.errorf(at, "there is no %s %q", kind, name)
}

func (m *member) addEnvValue(v *core.EnvVar, at string) error {
	from := v.ValueFrom
	switch {
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		value, found := m.configValue(ref.Name, ref.Key)
		if !found {
			return m.missing(at+".configMapKeyRef", "key "+ref.Key+" in a ConfigMap", ref.Name, isTrue(ref.Optional))
		}
		m.env.set(v.Name, value, false)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		if !slices.Contains(m.secretKeys[ref.Name], ref.Key) {
			return m.missing(at+".secretKeyRef", "key "+ref.Key+" in a Secret", ref.Name, isTrue(ref.Optional))
		}
		m.addSecretVariable(v.Name, ref.Name, ref.Key)
	case from.FieldRef != nil:
		value, err := m.fieldValue(from.FieldRef.FieldPath)
		if err != nil {
			return m.errorf(at+".fieldRef", "%w", err)
		}
		m.env.set(v.Name, value, false)
	case from.ResourceFieldRef != nil:
		value, err := m.resourceValue(m.c, from.ResourceFieldRef)
		if err != nil {
			return m.errorf(at+".resourceFieldRef", "%w", err)
		}
		m.env.set(v.Name, value, false)
	case from.FileKeyRef != nil: // warned of
	default:
		return m.errorf(at, "it names no source")
	}
	return nil
}

func (p *pod) configValue(name, key string) (string, bool) {
	m := p.configMaps[name]
	if m == nil {
		return "", false
	}
	if v, ok := m.Data[key]; ok {
		return v, true
	}
	v, ok := m.BinaryData[key]
	return string(v), ok
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
