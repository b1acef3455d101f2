package generate

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carob-containers/carob/pkg/unitfile"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden: test/vm has systemd-analyze look at the same files.
func TestGolden(t *testing.T) {
	for name, text := range units() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".service")
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("%s differs; run 'go test ./pkg/unitfile/generate -update' and read the diff. Now it is\n%s", path, text)
			}
			if _, err := unitfile.Parse(path, []byte(text)); err != nil {
				t.Error(err)
			}
		})
	}
}

// units are all forms there are.
func units() map[string]string {
	shop, web, db, odd := pod(false), member("web"), member("db", "container-web"), container()
	odd.Create = &Command{
		Carob: []string{"/bin/true", "--log-level=info"},
		Flags: []Flag{
			{Name: "name", Value: "odd"}, {Name: "detach", Value: "true", Bare: true}, {Name: "rm", Value: "true", Bare: true},
			{Name: "restart", Value: "always"}, {Name: "env", Value: "A=b c$d%e"}, {Name: "env", Value: "TOKEN"}, {Name: "tty", Value: "true", Bare: true},
			{Name: "label", Value: `a="b"`}, {Name: "init", Value: "false"},
		},
		Args: []string{"busybox", "sh", "-c", "echo \"it's\" $X %n\nsleep 10; \\true", "", ";", "#no comment"},
		Env:  []string{"TOKEN=a%b$c d"},
	}
	odd.Unit, odd.Restart, odd.Notify = "container-odd", "always", "container"
	instances := container()
	instances.Unit = "container-each"
	instances.Create = &Command{Carob: []string{"/bin/true"}, Flags: []Flag{{Name: "name", Value: "each"}}, Args: []string{"busybox", "true"}}
	newShop, newWeb := pod(true), member("web")
	newWeb.Create = &Command{Carob: []string{"/bin/true"}, Flags: []Flag{{Name: "pod", Value: "shop"}}, Args: []string{"busybox", "top"}}
	newWeb.Pod, newShop.Unit, newShop.Members = "pod-newshop", "pod-newshop", []string{"container-newweb"}
	newWeb.Unit = "container-newweb"
	split := container()
	split.Unit, split.Delegate = "split", true
	return map[string]string{
		"container-plain":  container().Text(&Options{}),
		"container-all":    withAll(),
		"container-odd":    odd.Text(&Options{Heading: []string{"made by a test"}}),
		"container-each@":  instances.Text(&Options{Heading: []string{"made by a test"}, Template: true}),
		"split":            split.Text(&Options{}),
		"pod-shop":         shop.Text(&Options{}),
		"container-web":    web.Text(&Options{}),
		"container-db":     db.Text(&Options{}),
		"pod-newshop":      newShop.Text(&Options{}),
		"container-newweb": newWeb.Text(&Options{}),
	}
}

func withAll() string {
	c := container()
	c.Unit = "container-all"
	return c.Text(&Options{
		Heading: []string{"made by a test", "today"}, Wants: []string{"dbus.socket", "timers.target"}, After: []string{"timers.target"}, Requires: []string{"sockets.target"},
		Env: []string{"A=1", "B=x y%z"}, RestartPolicy: "always", RestartSec: ptr(5), StartTimeout: ptr(7), StopTimeout: ptr(3),
	})
}

func ptr(n uint) *uint { return &n }

func service(name string) Service {
	return Service{Unit: name, Carob: []string{"/bin/true"}, StopTimeout: 10, Mounts: []string{"/home/a b/storage", "/run"}}
}

func container() *Container {
	c := &Container{Service: service("container-plain"), Name: "plain", Notify: "conmon"}
	c.Carob = append(c.Carob, "--root", "/srv/a b$%")
	return c
}

func member(name string, needs ...string) *Container {
	return &Container{Service: service("container-" + name), Name: name, Notify: "conmon", Pod: "pod-shop", Needs: needs}
}

func pod(create bool) *Pod {
	p := &Pod{Service: service("pod-shop"), Infra: "abc-infra", Members: []string{"container-web", "container-db"}}
	if create {
		p.Create = &Command{Carob: []string{"/bin/true"}, Flags: []Flag{{Name: "publish", Value: "8080:80"}, {Name: "restart", Value: "always"}}, Args: []string{"shop"}}
	}
	return p
}

// TestWordsArriveAsTheyWere: what systemd makes of the Exec line (quotes,
// escapes, specifiers, variables undone) is the argv that was meant.
func TestWordsArriveAsTheyWere(t *testing.T) {
	words := []string{"a b", `"`, `'`, `\`, `\n`, "new\nline", "$HOME", "${X}", "%h", "%%", ";", "#", "", "é", "\xff", "a=b"}
	c := container()
	c.Create = &Command{Carob: []string{"/bin/true"}, Flags: []Flag{{Name: "env", Value: "A=%n $B"}}, Args: append([]string{"busybox"}, words...)}
	f, err := unitfile.Parse("x", []byte(c.Text(&Options{})))
	if err != nil {
		t.Fatal(err)
	}
	start, _ := f.Last("Service", "ExecStart")
	got, err := unitfile.SplitCommand(start.Value)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = strings.ReplaceAll(strings.ReplaceAll(got[i], "%%", "%"), "$$", "$")
	}
	want := append([]string{"--env=A=%n $B", "busybox"}, words...)
	if tail := got[len(got)-len(want):]; strings.Join(tail, "\x00") != strings.Join(want, "\x00") {
		t.Errorf("got  %q\nwant %q", tail, want)
	}
}

// TestMakingAnew: flags that the unit sets are not left beside its own.
func TestMakingAnew(t *testing.T) {
	c := container()
	c.Pod = "pod-x"
	c.Create = &Command{Carob: []string{"/c"}, Args: []string{"i"}}
	for _, name := range []string{"cidfile", "cgroups", "rm", "sdnotify", "detach", "replace", "restart", "attach", "sig-proxy", "pod", "pod-id-file", "name"} {
		c.Create.Flags = append(c.Create.Flags, Flag{Name: name, Value: "given"})
	}
	text := c.Text(&Options{})
	if n := strings.Count(text, "given"); n != 1 || !strings.Contains(text, "--name=given") || !strings.Contains(text, "--replace") {
		t.Errorf("%d of the flags are left in\n%s", n, text)
	}
	c.Create.Flags = nil
	if text = c.Text(&Options{}); strings.Contains(text, "--replace") {
		t.Errorf("--replace without a name in\n%s", text)
	}
}
