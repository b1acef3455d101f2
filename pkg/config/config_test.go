package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/pkg/config"
)

// tree writes files below a new root and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, body := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func load(t *testing.T, root string, rootless bool, env map[string]string) (*config.Config, error) {
	t.Helper()
	return config.Load(config.Where{Rootless: rootless, Root: root, Getenv: func(name string) string {
		if name == "HOME" {
			return filepath.Join(root, "home")
		}
		if v := env[name]; v != "" {
			return filepath.Join(root, v)
		}
		return ""
	}})
}

func umasks() map[string]string {
	line := func(umask string) string { return "[containers]\numask=\"" + umask + "\"\nenv=[\"E=" + umask + "\"]\n" }
	return map[string]string{
		"usr/share/containers/containers.conf":                line("0001"),
		"etc/containers/containers.conf":                      line("0002"),
		"etc/containers/containers.conf.d/10-a.conf":          line("0003"),
		"etc/containers/containers.conf.d/20-b.conf":          line("0004"),
		"etc/containers/containers.conf.d/30-c.txt":           "nonsense",
		"home/.config/containers/containers.conf":             line("0005"),
		"home/.config/containers/containers.conf.d/10-a.conf": line("0006"),
		"xdg/containers/containers.conf":                      line("0007"),
		"only":                                                line("0010"),
		"over":                                                "[engine]\nruntime=\"over\"\n",
	}
}

func TestModules(t *testing.T) {
	line := func(umask string) string { return "[containers]\numask=\"" + umask + "\"\n" }
	root := tree(t, map[string]string{
		"etc/containers/containers.conf":                       line("0001"),
		"etc/containers/containers.conf.modules/both":          line("0002"),
		"etc/containers/containers.conf.modules/sub/system":    line("0003"),
		"home/.config/containers/containers.conf.modules/both": line("0004"),
		"over": line("0005"),
	})
	for _, c := range []struct {
		modules  []string
		rootless bool
		over     string
		want     string
	}{
		{[]string{"both"}, true, "", "0004"},
		{[]string{"both"}, false, "", "0002"},
		{[]string{"sub/system"}, true, "", "0003"},
		{[]string{"both", "sub/system"}, true, "", "0003"},
		{[]string{filepath.Join(root, "over"), "both"}, true, "", "0004"},
		{[]string{"both"}, true, "over", "0005"},
	} {
		conf, err := config.Load(config.Where{Rootless: c.rootless, Root: root, Modules: c.modules, Getenv: func(name string) string {
			switch {
			case name == "HOME":
				return filepath.Join(root, "home")
			case name == "CONTAINERS_CONF_OVERRIDE" && c.over != "":
				return filepath.Join(root, c.over)
			}
			return ""
		}})
		if err != nil || conf.Containers.Umask != c.want {
			t.Errorf("%+v: %v, %v", c, conf, err)
		}
	}
	_, err := config.Load(config.Where{Root: root, Modules: []string{"none"}, Getenv: func(string) string { return "" }})
	if err == nil || !strings.Contains(err.Error(), "cannot find the module none") {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestCorner64MergeOrder(t *testing.T) {
	root := tree(t, umasks())
	for _, c := range []struct {
		name     string
		rootless bool
		env      map[string]string
		drop     []string
		want     string
	}{
		{"user last", true, nil, nil, "0006"},
		{"XDG_CONFIG_HOME", true, map[string]string{"XDG_CONFIG_HOME": "xdg"}, nil, "0007"},
		{"root reads no home", false, nil, nil, "0004"},
		{"CONTAINERS_CONF alone", true, map[string]string{"CONTAINERS_CONF": "only"}, nil, "0010"},
		{"override keeps the rest", true, map[string]string{"CONTAINERS_CONF_OVERRIDE": "over"}, nil, "0006"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := load(t, root, c.rootless, c.env)
			if err != nil {
				t.Fatal(err)
			}
			if got.Containers.Umask != c.want || !slices.Equal(got.Containers.Env.Values, []string{"E=" + c.want}) {
				t.Errorf("umask %s, env %v, want %s", got.Containers.Umask, got.Containers.Env.Values, c.want)
			}
			if over := c.env["CONTAINERS_CONF_OVERRIDE"] != ""; over != (got.Engine.Runtime == "over") {
				t.Errorf("runtime is %q", got.Engine.Runtime)
			}
		})
	}
}

func TestListsReplaceOrAppend(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/containers/containers.conf":                   `containers.env=["A=1", {append=true}]`,
		"etc/containers/containers.conf.d/1.conf":          `containers.env=["B=2"]`,
		"etc/containers/containers.conf.d/2.conf":          `containers.env=["C=3", {append=false}]`,
		"etc/containers/containers.conf.d/3.conf":          `containers.volumes=[]`,
		"home/.config/containers/containers.conf":          `containers.dns_servers=["1.1.1.1"]`,
		"home/.config/containers/containers.conf.d/1.conf": `containers.dns_servers=["2.2.2.2", {append=true}]`,
	})
	got, err := load(t, root, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"C=3"}; !slices.Equal(got.Containers.Env.Values, want) {
		t.Errorf("env %v, want %v", got.Containers.Env.Values, want)
	}
	if want := []string{"1.1.1.1", "2.2.2.2"}; !slices.Equal(got.Containers.DNSServers.Values, want) {
		t.Errorf("dns %v, want %v", got.Containers.DNSServers.Values, want)
	}
	if !got.Containers.Volumes.Set || got.Containers.Volumes.Or([]string{"x"}) != nil || got.Containers.Devices.Or([]string{"x"}) == nil {
		t.Error("an empty list is not told from none")
	}
}

func TestAllKeysOfTheManualAreRead(t *testing.T) {
	root := tree(t, map[string]string{"etc/containers/containers.conf": `
[containers]
default_capabilities=["CHOWN"]
default_ulimits=["nofile=1:2"]
log_driver="journald"
log_size_max=-1
pids_limit=77
init=true
http_proxy=false
userns="keep-id"
nosuchkey=3
[engine]
detach_keys=""
stop_timeout=7
runtime="runc"
helper_binaries_dir=["/x"]
[engine.runtimes]
runc=["/usr/bin/runc"]
[network]
default_rootless_network_cmd="pasta"
[machine]
cpus=1
`})
	c, err := load(t, root, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *c.Containers.LogSizeMax != -1 || *c.Containers.PidsLimit != 77 || !*c.Containers.Init || *c.Containers.HTTPProxy ||
		c.Containers.UserNS != "keep-id" || *c.Engine.DetachKeys != "" || *c.Engine.StopTimeout != 7 ||
		c.Engine.Runtimes["runc"].Values[0] != "/usr/bin/runc" || c.Network.DefaultRootlessNetworkCmd != "pasta" ||
		c.Containers.DefaultCapabilities.Values[0] != "CHOWN" {
		t.Errorf("got %+v", c)
	}
}

func TestOCIRuntime(t *testing.T) {
	c := &config.Config{}
	here := filepath.Join(t.TempDir(), "runtime")
	if err := os.WriteFile(here, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := c.OCIRuntime(""); got != "" {
		t.Errorf("nothing asked: got %q", got)
	}
	c.Engine.Runtime = "mine"
	c.Engine.Runtimes = map[string]config.List{"mine": {Values: []string{"/nosuch", here}}, "other": {Values: []string{"/nosuch"}}}
	for asked, want := range map[string]string{"": here, "mine": here, "other": "other", "crun": "crun"} {
		if got := c.OCIRuntime(asked); got != want {
			t.Errorf("%q: got %q, want %q", asked, got, want)
		}
	}
}

func TestMistakesAreOneLineWithFileAndLine(t *testing.T) {
	for name, body := range map[string]string{
		"open string":     "[containers]\nenv=[\"x\n",
		"wrong type":      "[containers]\numask=3\n",
		"list is no list": "[containers]\nenv=3\n",
		"list of numbers": "[containers]\nenv=[3]\n",
		"not TOML":        "[containers]\n???\n",
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, map[string]string{"etc/containers/containers.conf": body})
			_, err := load(t, root, false, nil)
			if err == nil {
				t.Fatal("it is taken")
			}
			text := err.Error()
			if strings.Contains(text, "\n") || !strings.Contains(text, "etc/containers/containers.conf, line 2: ") {
				t.Errorf("got %s", text)
			}
		})
	}
	root := tree(t, nil)
	if _, err := load(t, root, false, map[string]string{"CONTAINERS_CONF": "nosuch"}); err == nil {
		t.Error("a CONTAINERS_CONF that is not there is taken")
	}
	if c, err := load(t, root, true, nil); err != nil || c.Containers.Umask != "" {
		t.Errorf("no files: got %+v, %v", c, err)
	}
}

func BenchmarkAbsent(b *testing.B) {
	root := b.TempDir()
	for b.Loop() {
		if _, err := config.Load(config.Where{Rootless: true, Root: root, Getenv: func(string) string { return "" }}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDebian(b *testing.B) {
	body := strings.Repeat("# a comment of the file as it is shipped, which is mostly comments\n", 600) +
		"[containers]\ndefault_capabilities=[\"CHOWN\"]\n[engine]\n[engine.runtimes]\n"
	root := b.TempDir()
	dir := filepath.Join(root, "usr/share/containers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "containers.conf"), []byte(body), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := config.Load(config.Where{Root: root, Getenv: func(string) string { return "" }}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCorner64NoKeyIsSilentlyIgnored: every key of podman's manual is either a
// field of Config, which is obeyed (test/arch), or stands in Unused with why.
func TestCorner64NoKeyIsSilentlyIgnored(t *testing.T) {
	obeyed := fields(reflect.TypeFor[config.Config](), "")
	unused := config.Unused()
	for key := range unused {
		if obeyed[key] {
			t.Errorf("%s is obeyed: take it out of Unused", key)
		}
	}
	list, err := os.ReadFile("testdata/keys-4.3.1.txt")
	if err != nil {
		t.Fatal(err)
	}
	for key := range strings.FieldsSeq(string(list)) {
		if !obeyed[key] && unused[key] == "" {
			t.Errorf("%s is neither obeyed nor in Unused", key)
		}
	}
	doc, err := os.ReadFile("../../docs/CONFIG.md")
	if err != nil {
		t.Fatal(err)
	}
	for key := range obeyed {
		if !strings.Contains(string(doc), "`"+key+"`") {
			t.Errorf("docs/CONFIG.md does not name %s", key)
		}
	}
	for key, why := range unused {
		if !strings.Contains(string(doc), "`"+key+"` | "+why+" |") {
			t.Errorf("docs/CONFIG.md lacks the line | `%s` | %s |", key, why)
		}
	}
}

func fields(t reflect.Type, prefix string) map[string]bool {
	out := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("toml")
		if name == "" {
			continue
		}
		if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[config.List]() {
			maps.Copy(out, fields(f.Type, name+"."))
			continue
		}
		out[prefix+name] = true
	}
	return out
}

func TestCorner64UnusedKeysAreToldOnce(t *testing.T) {
	root := tree(t, map[string]string{"etc/containers/containers.conf": `
[containers]
umask="0022"
env=["A=b", {append=true}]
nosuchkey=3
[engine]
num_locks=4096
image_default_transport="oci:"
[engine.volume_plugins]
[engine.runtimes]
mine=["/bin/true"]
[secrets]
driver="file"
[secrets.opts]
[machine]
cpus=2
[farms]
default="x"
`})
	c, err := load(t, root, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var lines []string
	tell := func() { lines = nil; c.Tell(dir, func(line string) { lines = append(lines, line) }) }
	tell()
	text := strings.Join(lines, "\n")
	for _, want := range []string{"containers.nosuchkey in " + root, "engine.num_locks in " + root, `engine.image_default_transport in containers.conf has no effect: not with "oci:"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d lines:\n%s", len(lines), text)
	}
	if tell(); len(lines) != 0 {
		t.Errorf("told again: %q", lines)
	}
	if err := os.Remove(filepath.Join(dir, "conf-told")); err != nil {
		t.Fatal(err)
	}
	if tell(); len(lines) != 3 {
		t.Errorf("not told after a boot: %q", lines)
	}
}
