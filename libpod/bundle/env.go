package bundle

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
)

// defaultPath is PATH where neither image nor user set one.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment keeps variables in the order they were first set.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if _, have := e.values[name]; !have {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) setDefault(name, value string) {
	if _, have := e.values[name]; !have {
		e.set(name, value)
	}
}

func (e *environment) setAll(vars map[string]string) {
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e.set(name, vars[name])
	}
}

func (e *environment) unset(name string) {
	delete(e.values, name)
	e.names = slices.DeleteFunc(e.names, func(n string) bool { return n == name })
}

func (e *environment) list() []string {
	vars := make([]string, len(e.names))
	for i, name := range e.names {
		vars[i] = name + "=" + e.values[name]
	}
	return vars
}

// env is the process's environment. Later lines win: defaults, the host's
// proxies, containers.conf, the image and what is merged with it, (what is unset goes), the user, secrets, what is made of them; what is still
// missing then is filled in.
func (g *generator) env() []string {
	p := &g.Spec.Process
	e := &environment{values: map[string]string{}}
	if !p.UnsetEnvAll {
		g.inheritedEnv(e)
	}
	for _, name := range p.UnsetEnv {
		e.unset(name)
	}
	e.setAll(p.Env)
	e.setAll(g.ExtraEnv)
	for _, name := range slices.Sorted(maps.Keys(p.EnvTemplates)) {
		e.set(name, spec.Expand(p.EnvTemplates[name], g.secret))
	}
	home := g.User.Home
	if home == "" {
		home = "/"
	}
	e.setDefault("HOME", home)
	if g.Hostname != "" {
		e.setDefault("HOSTNAME", g.Hostname)
	}
	if Systemd(g.Spec, g.Image) {
		e.setDefault("container_uuid", g.Spec.ID[:min(32, len(g.Spec.ID))])
	}
	return e.list()
}

// secret is the value of a secret variable, for templates.
func (g *generator) secret(name string) (string, bool) {
	value, ok := g.ExtraEnv[name]
	return value, ok
}

func (g *generator) inheritedEnv(e *environment) {
	e.set("PATH", defaultPath)
	// Programs look for "container" to learn that they are in one, some of
	// them for this very value.
	e.set("container", "podman")
	if g.Spec.Process.Terminal {
		e.set("TERM", "xterm")
	}
	if g.Spec.Process.HTTPProxy {
		g.proxyEnv(e)
	}
	e.setAll(g.Spec.Process.EnvDefaults)
	if g.Image != nil {
		for _, v := range g.Image.Env {
			name, value, _ := strings.Cut(v, "=")
			e.set(name, value)
		}
	}
	g.mergeEnv(e)
}

// mergeEnv makes --env-merge's variables out of those there are so far.
func (g *generator) mergeEnv(e *environment) {
	for _, word := range g.Spec.Process.EnvMerge {
		name, value, _ := strings.Cut(word, "=")
		e.set(name, os.Expand(value, func(n string) string { return e.values[n] }))
	}
}

func (g *generator) proxyEnv(e *environment) {
	for _, v := range g.Host.Env {
		name, value, _ := strings.Cut(v, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy":
			e.set(name, value)
		}
	}
}
