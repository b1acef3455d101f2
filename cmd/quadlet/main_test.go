package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func units(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("QUADLET_UNIT_DIRS", dir)
	t.Setenv("CAROB", "")
	t.Setenv("PODMAN", "/opt/carob")
}

func TestDryRunPrintsWhatIsGoodAndFails(t *testing.T) {
	units(t, map[string]string{"good.volume": "", "bad.volume": "[Volume]\nSpeed=1\n"})
	var out strings.Builder
	if code := run([]string{"quadlet", "-dryrun", "-user"}, &out); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"---good-volume.service---\n", "ExecStart=/opt/carob volume create --ignore systemd-good\n", "carob-user-wait-network-online.service"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, &out)
		}
	}
	if strings.Contains(out.String(), "bad-volume") {
		t.Errorf("a bad unit became a service: %s", &out)
	}
}

func TestGeneratorWritesIntoTheFirstDirectory(t *testing.T) {
	units(t, map[string]string{"good.volume": ""})
	normal, early, late := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("CAROB", "/srv/carob")
	if code := run([]string{"carob-system-generator", "-no-kmsg-log", normal, early, late}, &strings.Builder{}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	body, err := os.ReadFile(filepath.Join(normal, "good-volume.service"))
	if err != nil || !strings.Contains(string(body), "After=network-online.target\n") || !strings.Contains(string(body), "/srv/carob volume") {
		t.Errorf("%v: %s", err, body)
	}
	for _, dir := range []string{early, late} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s: %v, %v", dir, entries, err)
		}
	}
	if code := run([]string{"quadlet", "-no-kmsg-log", "/proc/none"}, &strings.Builder{}); code != 1 {
		t.Errorf("exit code %d where nothing can be written", code)
	}
}

func TestFlags(t *testing.T) {
	if o, _, ok := parseFlags([]string{"/usr/lib/systemd/user-generators/carob-user-generator", "/normal", "/early", "/late"}); !ok || !o.user || o.output != "/normal" {
		t.Errorf("as a user's generator: %+v", o)
	}
	if o, _, ok := parseFlags([]string{"quadlet", "--no-kmsg-log", "-v", "-dryrun"}); !ok || o.user || !o.noKmsg || !o.verbose || !o.dryRun {
		t.Errorf("with flags: %+v", o)
	}
	var out strings.Builder
	if code := run([]string{"quadlet", "-version"}, &out); code != 0 || out.String() != version+"\n" {
		t.Errorf("-version: %d, %q", code, &out)
	}
	if code := run([]string{"quadlet", "-no-kmsg-log"}, &out); code != 1 {
		t.Errorf("without a directory: exit code %d", code)
	}
	if _, code, ok := parseFlags([]string{"quadlet", "-nonsense"}); ok || code != 1 {
		t.Errorf("an unknown flag: %d, %v", code, ok)
	}
}

func TestCarobIsBesideTheGenerator(t *testing.T) {
	t.Setenv("CAROB", "")
	t.Setenv("PODMAN", "")
	for self, want := range map[string]string{
		"/usr/local/libexec/carob/quadlet": "/usr/local/bin/carob",
		"/work/bin/quadlet":                "/work/bin/carob",
	} {
		if got := carobBeside(self); got != want {
			t.Errorf("of %s: %s", self, got)
		}
	}
	if got := carobPath(); filepath.Base(got) != "carob" || !filepath.IsAbs(got) {
		t.Errorf("got %s", got)
	}
}
