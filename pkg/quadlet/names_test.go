package quadlet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// generate converts files, name and content in turns, and returns the names of
// the services, all errors, and the directory of the units.
func generate(t *testing.T, files ...string) (*Result, []string, string, string) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, files...)
	result, names, mistakes := generateIn(t, dir)
	return result, names, mistakes, dir
}

func generateIn(t *testing.T, dir string) (*Result, []string, string) {
	t.Helper()
	type loaded struct {
		set *Set
		err error
	}
	done := make(chan loaded, 1)
	go func() {
		set, err := Load(Place{Getenv: env("QUADLET_UNIT_DIRS", dir)})
		done <- loaded{set, err}
	}()
	var l loaded
	select {
	case l = <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("units are still being read after 20 seconds")
	}
	result := l.set.Generate(Options{Carob: "/usr/bin/carob"})
	var names []string
	for _, s := range result.Services {
		names = append(names, s.Name)
	}
	var mistakes []string
	for _, err := range []error{l.err, result.Err} {
		if err != nil {
			mistakes = append(mistakes, err.Error())
		}
	}
	result.Warnings = append(l.set.Warnings, result.Warnings...)
	return result, names, strings.Join(mistakes, "\n")
}

const image = "[Container]\nImage=quay.io/x/y\n"

func TestAliasesOfOthersAreRefused(t *testing.T) {
	result, names, mistakes, dir := generate(t,
		"a.container", image+"[Install]\nAlias=z.service\n",
		"z.container", image+"[Install]\nAlias=m.service\n",
		"m.container", image+"[Install]\nAlias=same.service\n",
		"n.container", image+"[Install]\nAlias=same.service\n",
		"own.container", image+"[Install]\nAlias=own.service\n",
		"broken.container", image+"[Install]\nAlias=free.service\nWrong=1\n[Quadlet]\nWrong=1\n",
		"free.container", image+"[Install]\nAlias=broken.service\n",
		"target.container", image+"[Install]\nAlias=x.target\n",
		"odd.container", image+"[Install]\nAlias=a%b.service\n",
	)
	if !slices.Equal(names, []string{"m.service", "own.service"}) {
		t.Errorf("services: %q", names)
	}
	for _, want := range []string{
		"/a.container:4: Alias: z.service belongs to " + dir + "/z.container",
		"/z.container:4: Alias: m.service belongs to " + dir + "/m.container",
		"/n.container:4: Alias: same.service belongs to " + dir + "/m.container",
		"/free.container:4: Alias: broken.service belongs to " + dir + "/broken.container",
		`/target.container:4: Alias: "x.target" is no name of a service`,
		`/odd.container:4: Alias: invalid unit name "a%b"`,
	} {
		if !strings.Contains(mistakes, want) {
			t.Errorf("%q is not in\n%s", want, mistakes)
		}
	}
	if got := result.Services[0].Links; !slices.Equal(got, []Link{{"same.service", "m.service"}}) {
		t.Errorf("links: %v", got)
	}
}

// TestWriteFollowsNoLink: what an earlier run left is replaced itself, not what
// it leads to; and no link takes the place of a service.
func TestWriteFollowsNoLink(t *testing.T) {
	unit := &Unit{Path: "x"}
	r := &Result{Services: []Service{
		{Name: "a.service", Text: "of a", Links: []Link{{"z.service", "a.service"}}, unit: unit},
		{Name: "z.service", Text: "of z", unit: unit},
	}}
	out := t.TempDir()
	put(t, out, "precious", "precious")
	for _, name := range []string{"a.service", "z.service"} {
		if err := os.Symlink("precious", filepath.Join(out, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Write(out); err == nil || !strings.Contains(err.Error(), "its alias z.service is another service") {
		t.Errorf("an alias that is a service: %v", err)
	}
	for name, want := range map[string]string{"precious": "precious", "a.service": "of a", "z.service": "of z"} {
		path := filepath.Join(out, name)
		body, err := os.ReadFile(path)
		if err != nil || !strings.HasSuffix(string(body), want) {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestWhatNeverEndsIsNotRead(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "good.container", image, "web.container", image, "web.container.d/mask.conf", "", "full.container", image)
	for _, fifo := range []string{"pipe.container", "web.container.d/pipe.conf"} {
		if err := syscall.Mkfifo(filepath.Join(dir, fifo), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "full.container.d/x", "")
	for name, target := range map[string]string{"zero.volume": "/dev/zero", "full.container.d/none.conf": "/dev/null", "masked.volume": "/dev/null"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "big.volume", "")
	if err := os.Truncate(filepath.Join(dir, "big.volume"), 1<<40); err != nil {
		t.Fatal(err)
	}
	_, names, mistakes := generateIn(t, dir)
	if !slices.Equal(names, []string{"full.service", "good.service"}) {
		t.Errorf("services: %q", names)
	}
	for _, want := range []string{
		dir + "/pipe.container is no regular file", dir + "/web.container.d/pipe.conf is no regular file",
		dir + "/zero.volume is no regular file", dir + "/big.volume has more than 16777216 bytes",
	} {
		if !strings.Contains(mistakes, want) {
			t.Errorf("%q is not in\n%s", want, mistakes)
		}
	}
}

func TestDropInThatIsNotThereIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.container", image, "b.container", image, "container.d/b.conf", "[Container]\nLabel=still=here\n",
		"b.container.d/c.conf", "nonsense\n")
	if err := os.Symlink("/nonexist", filepath.Join(dir, "container.d/a.conf")); err != nil {
		t.Fatal(err)
	}
	result, names, mistakes := generateIn(t, dir)
	if !slices.Equal(names, []string{"a.service"}) || !strings.Contains(result.Services[0].Text, "--label still=here") {
		t.Errorf("services: %q", names)
	}
	if want := []string{"the drop-in " + dir + "/container.d/a.conf leads to no file: it is left out"}; !slices.Equal(result.Warnings, want) {
		t.Errorf("warnings: %q", result.Warnings)
	}
	if !strings.Contains(mistakes, "c.conf:1: ") || strings.Contains(mistakes, "container.d/a.conf") {
		t.Errorf("mistakes: %s", mistakes)
	}
}

func TestNamesThatSystemdDoesNotTake(t *testing.T) {
	_, names, mistakes, dir := generate(t,
		"we ird.container", image, "pct%n$X.container", image, "@x.container", image, "in@st ance.container", image,
		strings.Repeat("x", 241)+".kube", "[Kube]\nYaml=x\n",
		"accent.container", image+"ServiceName=é\n", "suffix.container", image+"ServiceName=foo.service\n",
		"blank.container", image+"ServiceName=a b\n", "good.container", image+"ServiceName=a:b-c_d.e\\f\n",
		"in@st@a.container", image, "renamed é.container", image+"ServiceName=renamed\n",
	)
	if !slices.Equal(names, []string{`a:b-c_d.e\f.service`, "in@st@a.service", "renamed.service"}) {
		t.Errorf("services: %q", names)
	}
	for _, want := range []string{
		dir + `/we ird.container: the service cannot have this name: invalid unit name "we ird"`,
		dir + `/pct%n$X.container: `, dir + `/@x.container: `, dir + `/in@st ance.container: `, "xxx.kube: ",
		dir + "/accent.container:3: ", dir + "/blank.container:3: ",
		dir + `/suffix.container:3: ServiceName: "foo.service" must not end in .service`,
	} {
		if !strings.Contains(mistakes, want) {
			t.Errorf("%q is not in\n%s", want, mistakes)
		}
	}
}

func TestNamesInOtherServices(t *testing.T) {
	for _, c := range []struct{ file, service, text, want string }{
		{"a.volume", "a-volume", "x-%N", "x-a-volume"},
		{"a.volume", "a-volume", "100%%N-%h%", "100%%N-%h%"},
		{"a@.volume", "a-volume@", "%p/%i", "a-volume/%i"},
		{"a@.volume", "a-volume@", "%n", "a-volume@%i.service"},
		{"a@b-c.volume", "a-volume@b-c", "%i of %N", "b-c of a-volume@b-c"},
		{"a@b-c.volume", "a-volume@b-c", "%I", ""},
		{"a.container", "web", "%p%%%i", "web%%"},
	} {
		u := &Unit{Name: c.file, Service: c.service, resource: c.text, kind: kindOf(c.file)}
		if got := u.elsewhere(); got != c.want {
			t.Errorf("%s, of %s: %q, not %q", c.text, c.file, got, c.want)
		}
	}
}

func TestRelativeUnitDirsAreToldOf(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.container", image)
	result, names, _ := generateIn(t, "units::"+dir)
	if !slices.Equal(names, []string{"a.service"}) || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "units is no absolute path") {
		t.Errorf("services %q, warnings %q", names, result.Warnings)
	}
}
