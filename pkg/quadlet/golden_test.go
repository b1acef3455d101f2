package quadlet

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// where the units of a golden case seem to be, whatever this checkout's path is.
const goldenUnits = "/etc/containers/systemd"

// TestGolden converts testdata/CASE/units and compares with testdata/CASE/services:
// the services, their links, the warnings and the mistakes. The names of cases
// for users begin with user.
func TestGolden(t *testing.T) {
	for _, dir := range goldenCases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := convertGolden(t, dir)
			services := filepath.Join(dir, "services")
			if *update {
				writeGolden(t, services, got)
			}
			want := readGolden(t, services)
			for _, name := range slices.Sorted(maps.Keys(want)) {
				if _, ok := got[name]; !ok {
					t.Errorf("%s was not made", name)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(got)) {
				if got[name] != want[name] {
					t.Errorf("%s is\n%s\nnot\n%s", name, got[name], want[name])
				}
			}
		})
	}
}

func goldenCases(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) < 10 {
		t.Fatalf("%d golden cases: %v", len(dirs), err)
	}
	return slices.DeleteFunc(dirs, func(d string) bool { return filepath.Ext(d) == ".txt" })
}

// convertGolden returns what would be written, by file name.
func convertGolden(t *testing.T, dir string) map[string]string {
	t.Helper()
	units, err := filepath.Abs(filepath.Join(dir, "units"))
	if err != nil {
		t.Fatal(err)
	}
	user := strings.HasPrefix(filepath.Base(dir), "user")
	set, loadErr := Load(Place{User: user, UID: 1000, Getenv: env("QUADLET_UNIT_DIRS", units)})
	result := set.Generate(Options{User: user, Carob: "/usr/bin/carob"})
	got := map[string]string{}
	for _, s := range result.Services {
		got[s.Name] = s.Content()
		for _, l := range s.Links {
			got["links"] += l.Name + " -> " + l.Target + "\n"
		}
	}
	for _, err := range []error{loadErr, result.Err} {
		if err != nil {
			got["mistakes"] += err.Error() + "\n"
		}
	}
	if len(result.Warnings) > 0 {
		got["warnings"] = strings.Join(result.Warnings, "\n") + "\n"
	}
	for name, text := range got {
		got[name] = strings.ReplaceAll(text, units, goldenUnits)
	}
	return got
}

// env is an environment of one variable.
func env(name, value string) func(string) string {
	return func(n string) string {
		if n == name {
			return value
		}
		return ""
	}
}

func writeGolden(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readGolden(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(body)
	}
	return files
}

// TestGoldensAreGoodUnits: systemd itself finds nothing wrong with any service
// in the goldens.
func TestGoldensAreGoodUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here; the tests in the virtual machine do this as well")
	}
	dir := t.TempDir()
	n := 0
	for _, golden := range goldenCases(t) {
		for name, text := range readGolden(t, filepath.Join(golden, "services")) {
			if filepath.Ext(name) != ".service" {
				continue
			}
			n++
			// Instances have to be named: a template alone is not looked at.
			name = strings.Replace(name, "@.", "@1.", 1)
			text = strings.ReplaceAll(text, "/usr/bin/carob", "/bin/true")
			text = strings.ReplaceAll(text, "UpheldBy=", "X-UpheldBy=") // systemd has it since version 254
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(golden)+"-"+name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != n || n < 30 {
		t.Fatalf("%d of %d services: %v", len(files), n, err)
	}
	cmd := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, files...)...)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestEveryKeyIsInAGolden: no key of the tables goes untested.
func TestEveryKeyIsInAGolden(t *testing.T) {
	used := map[string]bool{}
	for _, dir := range goldenCases(t) {
		units := filepath.Join(dir, "units")
		if filepath.Base(dir) == "errors" {
			continue
		}
		err := filepath.WalkDir(units, func(path string, d fs.DirEntry, err error) error {
			if err != nil || kindOf(d.Name()) == nil || !d.Type().IsRegular() {
				return err
			}
			set, err := Load(Place{Getenv: env("QUADLET_UNIT_DIRS", mustAbs(t, filepath.Dir(path)))})
			if err != nil {
				return err
			}
			u := set.Find(d.Name())
			for _, s := range u.file.Sections {
				for _, e := range s.Entries {
					used[s.Name+" "+e.Key] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range Keys() {
		if !used[k.Section+" "+k.Key] {
			t.Errorf("no golden has %s= in [%s]", k.Key, k.Section)
		}
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
