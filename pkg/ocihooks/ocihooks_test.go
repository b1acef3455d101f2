package ocihooks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/pkg/ocihooks"
)

func container() *rspec.Spec {
	return &rspec.Spec{
		Process:     &rspec.Process{Args: []string{"/usr/bin/nginx", "-g"}},
		Annotations: map[string]string{"com.example.gpu": "yes"},
	}
}

func write(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestConditions(t *testing.T) {
	for when, want := range map[string]bool{
		`{"always":true}`:         true,
		`{"always":false}`:        false,
		`{}`:                      false,
		`{"hasBindMounts":true}`:  true,
		`{"hasBindMounts":false}`: false,
		`{"annotations":{"^com\\.example\\.gpu$":"^yes$"}}`:           true,
		`{"annotations":{"gpu":"no"}}`:                                false,
		`{"annotations":{"gpu":"yes","other":".*"}}`:                  false,
		`{"commands":["nginx$","httpd$"]}`:                            true,
		`{"commands":["^nginx"]}`:                                     false,
		`{"always":true,"commands":["httpd"]}`:                        false,
		`{"hasBindMounts":true,"commands":["ngin"],"annotations":{}}`: true,
	} {
		dir := t.TempDir()
		write(t, dir, "a.json", `{"version":"1.0.0","hook":{"path":"/bin/true"},"stages":["poststop"],"when":`+when+`}`)
		cfg := container()
		if err := ocihooks.Apply(cfg, []string{dir}, true); err != nil {
			t.Fatal(when, err)
		}
		if got := cfg.Hooks != nil && len(cfg.Hooks.Poststop) == 1; got != want {
			t.Errorf("%s: %t", when, got)
		}
	}
}

func TestStagesOrderAndOverride(t *testing.T) {
	first, last := t.TempDir(), t.TempDir()
	always := `"when":{"always":true}}`
	write(t, first, "20.json", `{"version":"1.0.0","hook":{"path":"/bin/true","args":["true","20"]},"stages":["createRuntime","startContainer"],`+always)
	write(t, first, "10.json", `{"version":"1.0.0","hook":{"path":"/bin/false"},"stages":["createRuntime"],`+always)
	write(t, last, "10.json", `{"version":"1.0.0","hook":{"path":"/bin/true","args":["true","10"],"env":["A=b"],"timeout":3},"stages":["createRuntime","prestart"],`+always)
	write(t, first, "README", "not a hook")
	cfg := container()
	if err := ocihooks.Apply(cfg, []string{"/nosuch", first, last}, false); err != nil {
		t.Fatal(err)
	}
	run := cfg.Hooks.CreateRuntime
	if len(run) != 2 || run[0].Args[1] != "10" || run[1].Args[1] != "20" || len(cfg.Hooks.StartContainer) != 1 {
		t.Errorf("got %+v", cfg.Hooks)
	}
	if run[0].Env[0] != "A=b" || *run[0].Timeout != 3 {
		t.Errorf("got %+v", run[0])
	}
}

func TestPrecreateChangesTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "hook")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsed 's/nginx/changed/'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "a.json", `{"version":"1.0.0","hook":{"path":"`+script+`","args":["hook"],"env":["PATH=/bin:/usr/bin"]},"stages":["precreate"],"when":{"always":true}}`)
	cfg := container()
	if err := ocihooks.Apply(cfg, []string{dir}, false); err != nil {
		t.Fatal(err)
	}
	if cfg.Process.Args[0] != "/usr/bin/changed" {
		t.Errorf("args %q", cfg.Process.Args)
	}
}

func TestMistakesNameTheFile(t *testing.T) {
	good := `{"version":"1.0.0","hook":{"path":"/bin/true"},"stages":["poststop"],"when":{"commands":["a"]}}`
	for _, change := range [][2]string{
		{"1.0.0", "0.9"}, {"/bin/true", "true"}, {"/bin/true", "/nosuch"}, {`"poststop"`, `"never"`}, {`"poststop"`, ``}, {`{"commands":["a"]}`, `{"commands":["["]}`}, {`{"version"`, `"version"`},
		{`{"commands":["a"]},`, ``}, {`"a"`, `3`},
	} {
		body := strings.ReplaceAll(good, change[0], change[1])
		if body == good {
			continue
		}
		if change[1] == `"never"` {
			body = strings.Replace(body, `"a"`, `"n"`, 1)
		}
		dir := t.TempDir()
		write(t, dir, "bad.json", body)
		err := ocihooks.Apply(container(), []string{dir}, false)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "bad.json")) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
