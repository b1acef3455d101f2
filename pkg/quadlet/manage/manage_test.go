package manage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/pkg/quadlet"
)

// place is a user's with a new home.
func place(t *testing.T) quadlet.Place {
	t.Helper()
	home := t.TempDir()
	return quadlet.Place{User: true, UID: 4321, Getenv: func(name string) string {
		if name == "HOME" {
			return home
		}
		return ""
	}}
}

func unit(name, text string) *Bundle { return &Bundle{Files: []File{{name, []byte(text)}}} }

func app(name string, files ...string) *Bundle {
	b := &Bundle{App: name}
	for i := 0; i < len(files); i += 2 {
		b.Files = append(b.Files, File{files[i], []byte(files[i+1])})
	}
	return b
}

func mustInstall(t *testing.T, p quadlet.Place, b *Bundle, replace bool) []string {
	t.Helper()
	paths, err := Install(p, b, replace)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// tree lists what is in the directory of units, dots included.
func tree(t *testing.T, p quadlet.Place) []string {
	t.Helper()
	var all []string
	err := filepath.Walk(p.ConfigDir(), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			all = append(all, strings.TrimPrefix(path, p.ConfigDir()+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestUnitComesAndGoes(t *testing.T) {
	p := place(t)
	paths := mustInstall(t, p, unit("web.container", "[Container]\nImage=a\n"), false)
	want := filepath.Join(p.ConfigDir(), "web.container")
	if !slices.Equal(paths, []string{want}) {
		t.Errorf("installed %q", paths)
	}
	if _, err := Install(p, unit("web.container", "[Container]\nImage=b\n"), false); err == nil || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("a second one: %v", err)
	}
	mustInstall(t, p, unit("web.container", "[Container]\nImage=c\n"), true)
	if body, err := os.ReadFile(want); err != nil || string(body) != "[Container]\nImage=c\n" {
		t.Errorf("%s, %v", body, err)
	}
	if info, err := os.Stat(want); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Remove(p, want); err != nil {
		t.Fatal(err)
	}
	if left := tree(t, p); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if err := Remove(p, want); err == nil {
		t.Error("removed twice")
	}
}

func TestApplicationComesAndGoesAsAWhole(t *testing.T) {
	p := place(t)
	paths := mustInstall(t, p, app("shop", "web.container", "[Container]\nImage=a\n", "deep/data.volume", "", "web.env", "A=1\n"), false)
	if !slices.Equal(paths, []string{p.ConfigDir() + "/shop/web.container", p.ConfigDir() + "/shop/deep/data.volume"}) {
		t.Errorf("installed %q", paths)
	}
	if AppOf(p, paths[1]) != "shop" || AppOf(p, p.ConfigDir()+"/x.volume") != "" || AppOf(p, "/etc/containers/systemd/users/x.volume") != "" {
		t.Error("applications are mistaken")
	}
	names, err := Members(p, "shop")
	if err != nil || !slices.Equal(names, []string{"data.volume", "web.container"}) {
		t.Errorf("members %q, %v", names, err)
	}
	if _, err := Install(p, app("shop", "other.volume", ""), false); err == nil {
		t.Error("an application of the same name was installed")
	}
	if _, err := Install(p, app("stall", "web.container", ""), true); err == nil {
		t.Error("a unit of another application was replaced")
	}
	if _, err := Install(p, unit("web.container", ""), true); err == nil {
		t.Error("a unit of an application was replaced by a lonely one")
	}
	mustInstall(t, p, app("shop", "web.container", "[Container]\nImage=b\n"), true)
	if got := tree(t, p); !slices.Equal(got, []string{"shop/web.container"}) {
		t.Errorf("after the replacement there is %q", got)
	}
	if err := Remove(p, p.ConfigDir()+"/shop/web.container"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(p.ConfigDir()); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestWhatCannotBeInstalled(t *testing.T) {
	p := place(t)
	for what, b := range map[string]*Bundle{
		"no unit":         app("shop", "readme.txt", "x"),
		"a mistake":       unit("web.container", "[Container\n"),
		"two of one name": app("shop", "a/web.container", "", "b/web.container", ""),
		"a dot in front":  app(".shop", "web.container", ""),
		"a unit's name":   app("x.container", "web.container", ""),
		"drop-ins' name":  app("shop.d", "web.container", ""),
	} {
		if _, err := Install(p, b, true); err == nil {
			t.Errorf("%s: installed", what)
		}
	}
	if _, err := os.Stat(p.ConfigDir()); err == nil {
		t.Errorf("something is there: %q", tree(t, p))
	}
	if _, err := Install(quadlet.Place{User: true, Getenv: func(string) string { return "" }}, unit("a.volume", ""), false); err == nil {
		t.Error("installed without a home")
	}
}

func TestReadDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	for name, body := range map[string]string{"web.container": "[Container]\nImage=a\n", "conf/nginx.conf": "x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := ReadDir(dir + "/")
	if err != nil || b.App != "shop" || len(b.Files) != 2 || b.Files[0].Name != "conf/nginx.conf" || !slices.Equal(b.units(), []string{"web.container"}) {
		t.Errorf("%+v, %v", b, err)
	}
	if err := b.Add("x", dir); err == nil {
		t.Error("a directory was taken for a file")
	}
	if _, err := ReadDir(filepath.Join(dir, "none")); err == nil {
		t.Error("what is not there was read")
	}
}

// TestReplacementIsOneStep: at no time is there no application, or half of one.
func TestReplacementIsOneStep(t *testing.T) {
	p := place(t)
	mustInstall(t, p, app("shop", "web.container", "[Container]\nImage=a\n"), false)
	stop, missing := make(chan bool), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				missing <- n
				return
			default:
			}
			if _, err := os.Stat(p.ConfigDir() + "/shop/web.container"); err != nil {
				n++
			}
		}
	}()
	for range 100 {
		mustInstall(t, p, app("shop", "web.container", "[Container]\nImage=b\n"), true)
	}
	close(stop)
	if n := <-missing; n > 0 {
		t.Errorf("the application was not there %d times", n)
	}
	entries, err := os.ReadDir(p.ConfigDir())
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestInstallSweepsWhatKilledOnesLeft(t *testing.T) {
	p := place(t)
	for _, name := range []string{".shop.new-123/web.container", ".gone-45/x/web.container", ".mine.new-er/x", ".new-1/x", "a.new-1/x"} {
		path := filepath.Join(p.ConfigDir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustInstall(t, p, unit("web.container", "[Container]\nImage=a\n"), false)
	if got := tree(t, p); !slices.Equal(got, []string{".mine.new-er/x", ".new-1/x", "a.new-1/x", "web.container"}) {
		t.Errorf("there is %q", got)
	}
}

// TestCallsWaitForEachOther: what is on its way in is not taken for a leftover.
func TestCallsWaitForEachOther(t *testing.T) {
	p := place(t)
	done := make(chan error)
	for i := range 8 {
		go func() {
			_, err := Install(p, app("app"+string(rune('a'+i)), string(rune('a'+i))+".container", "[Container]\nImage=a\n"), false)
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := tree(t, p); len(got) != 8 {
		t.Errorf("there is %q", got)
	}
}
