package quadlet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSearchPath(t *testing.T) {
	vars := map[string]string{"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1000"}
	getenv := func(name string) string { return vars[name] }
	check := func(what string, p Place, want ...string) {
		t.Helper()
		if got := p.SearchPath(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", what, got, want)
		}
	}
	check("system", Place{Getenv: getenv}, "/run/containers/systemd", "/etc/containers/systemd", "/usr/share/containers/systemd")
	user := Place{User: true, UID: 1000, Getenv: getenv}
	check("user", user, "/run/user/1000/containers/systemd", "/home/ann/.config/containers/systemd",
		"/etc/containers/systemd/users/1000", "/etc/containers/systemd/users",
		"/usr/share/containers/systemd/users/1000", "/usr/share/containers/systemd/users")
	vars["XDG_CONFIG_HOME"] = "/cfg"
	if got := user.ConfigDir(); got != "/cfg/containers/systemd" {
		t.Errorf("units are installed in %s", got)
	}
	vars = map[string]string{"QUADLET_UNIT_DIRS": "/a:relative:/b/../c"}
	check("given", user, "/a", "/c")
	vars = nil
	check("no home", user, "/etc/containers/systemd/users/1000", "/etc/containers/systemd/users",
		"/usr/share/containers/systemd/users/1000", "/usr/share/containers/systemd/users")
}

func TestUnitsOfOthersAreLeftAlone(t *testing.T) {
	for _, c := range []struct {
		place        Place
		parent, name string
		want         bool
	}{
		{Place{}, "/etc/containers/systemd", "users", true},
		{Place{}, "/usr/share/containers/systemd", "users", true},
		{Place{}, "/etc/containers/systemd", "shop", false},
		{Place{}, "/etc/containers/systemd/shop", "users", false},
		{Place{User: true, UID: 1000}, "/etc/containers/systemd/users", "1001", true},
		{Place{User: true, UID: 1000}, "/etc/containers/systemd/users", "all", false},
		{Place{User: true, UID: 1000}, "/home/ann/.config/containers/systemd", "1001", false},
	} {
		if got := c.place.others(c.parent, c.name); got != c.want {
			t.Errorf("%s in %s: %v", c.name, c.parent, got)
		}
	}
}

// put writes files below a new directory: name and content in turns.
func put(t *testing.T, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFirstDirectoryOfTheSearchPathWins(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	put(t, dir,
		"a/web.container", "[Container]\nImage=quay.io/a/web\n",
		"b/web.container", "[Container]\nImage=quay.io/b/web\n",
		"b/sub/more.container", "[Container]\nImage=quay.io/b/more\n",
		"b/web.container.d/1.conf", "[Container]\nLabel=from=b\n",
		"b/web.container.d/2.conf", "[Container]\nLabel=two=b\n",
		"a/web.container.d/2.conf", "[Container]\nLabel=two=a\n",
		"b/.container", "no unit", "b/readme.txt", "no unit",
		"b/odd.d/x.container", "no unit, in a directory of drop-ins",
	)
	if err := os.Symlink("..", filepath.Join(b, "sub", "circle")); err != nil {
		t.Fatal(err)
	}
	set, err := Load(Place{Getenv: env("QUADLET_UNIT_DIRS", a+":"+b+":"+filepath.Join(dir, "none"))})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range set.Units {
		names = append(names, u.Name)
	}
	if !slices.Equal(names, []string{"more.container", "web.container"}) {
		t.Fatalf("found %q", names)
	}
	result := set.Generate(Options{Carob: "/usr/bin/carob"})
	if text := result.Services[1].Text; !strings.Contains(text, "--label from=b --label two=a quay.io/a/web") {
		t.Errorf("got %s", text)
	}
}

func TestOddNamesOfDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "100% [$of] the shop")
	put(t, dir, "web.container", "[Container]\nImage=quay.io/x/y\nEnvironmentFile=env\nVolume=./data:/data\n",
		"web.container.d/a.conf", "[Container]\nLabel=a=1\n")
	set, err := Load(Place{Getenv: env("QUADLET_UNIT_DIRS", dir)})
	if err != nil {
		t.Fatal(err)
	}
	result := set.Generate(Options{Carob: "/opt/50%/carob"})
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	text := result.Services[0].Text
	base := strings.TrimSuffix(dir, "/100% [$of] the shop")
	for _, want := range []string{
		"SourcePath=" + base + "/100%% [$of] the shop/web.container\n",
		`RequiresMountsFor="` + base + `/100%% [$of] the shop/data"`,
		"ExecStart=/opt/50%%/carob run ",
		`--env-file "` + base + `/100%% [$$of] the shop/env"`,
		`--volume "` + base + `/100%% [$$of] the shop/data:/data"`,
		"--label a=1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	put(t, filepath.Dir(dir), "new\nline/x.volume", "")
	if _, err := Load(Place{Getenv: env("QUADLET_UNIT_DIRS", filepath.Dir(dir))}); err == nil || !strings.Contains(err.Error(), "characters") {
		t.Errorf("a line break in a name: %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "generator")
	put(t, dir, "web.container", "[Container]\nImage=quay.io/x/y\n[Install]\nWantedBy=default.target\n", "data.volume", "")
	set, err := Load(Place{Getenv: env("QUADLET_UNIT_DIRS", dir)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time everything is there already
		if err := set.Generate(Options{Carob: "/usr/bin/carob"}).Write(out); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"web.service", "data-volume.service", "default.target.wants/web.service"} {
		if body, err := os.ReadFile(filepath.Join(out, name)); err != nil || !strings.Contains(string(body), "ExecStart=/usr/bin/carob ") {
			t.Errorf("%s: %v, %s", name, err, body)
		}
	}
	if err := set.Generate(Options{}).Write("/proc/none"); err == nil || !strings.Contains(err.Error(), "web.service") {
		t.Errorf("writing where nothing can be written: %v", err)
	}
}

// FuzzGenerate: whatever stands in a unit, what is made of it is a unit file.
func FuzzGenerate(f *testing.F) {
	f.Add("[Container]\nImage=quay.io/x/y\nExec=sh -c \"a\\nb\"\nVolume=a:b\nMount=type=bind,src=.\nPod=%N.pod\n")
	f.Add("[Unit]\nAfter=x.container\n[Container]\nImage=x.container\nRemapUsers=auto\nRemapUid=1\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range kinds() {
			put(t, dir, "x"+k.suffix, strings.ReplaceAll(text, "[Container]", "["+k.section+"]"))
		}
		set, err := Load(Place{Getenv: env("QUADLET_UNIT_DIRS", dir)})
		if err != nil {
			return
		}
		for _, s := range set.Generate(Options{Carob: "/usr/bin/carob"}).Services {
			if strings.Count(s.Text, "\nExecStart=") < 1 || strings.ContainsRune(s.Name, '/') {
				t.Errorf("%s is %q", s.Name, s.Text)
			}
		}
	})
}
