package bundle

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/spec"
)

var update = flag.Bool("update", false, "write the golden files")

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// sample is an ordinary container of an unprivileged user on cgroup v2
// without delegation.
func sample() Input {
	return Input{
		Spec: &spec.Container{ID: testID, Name: "sample", Created: time.Unix(1700000000, 0)},
		Image: &v1.ImageConfig{
			Env: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}, Entrypoint: []string{"/entry"}, Cmd: []string{"serve", "-v"},
			WorkingDir: "/srv",
		},
		Rootfs:   "/store/merged",
		User:     User{Home: "/root", Name: "root"},
		Hostname: "0123456789ab",
		Files: Files{
			Hosts: "/run/c/hosts", ResolvConf: "/run/c/resolv.conf", Hostname: "/run/c/hostname", Containerenv: "/run/c/containerenv",
		},
		Namespaces: Namespaces{Net: "/run/c/netns"},
		Host: Host{
			Rootless: true, UIDs: subordinate(), GIDs: subordinate(), CgroupMode: CgroupNone, CgroupVersion: 2, Runtime: "crun",
			Rlimits: map[string]Rlimit{"nofile": {1024, 20000}, "nproc": {5000, 5000}, "core": {0, spec.Unlimited}, "memlock": {65536, 65536}},
		},
	}
}

func subordinate() []spec.IDMap {
	return []spec.IDMap{{Container: 0, Host: 1000, Size: 1}, {Container: 1, Host: 100000, Size: 65536}}
}

// with is sample after change.
func with(change func(*Input)) Input {
	in := sample()
	change(&in)
	return in
}

func generateOK(t *testing.T, in Input) *rspec.Spec {
	t.Helper()
	config, err := Generate(in)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// wantError checks the words of an error, and that it carries a hint if asked.
func wantError(t *testing.T, err error, words, hint string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", words)
	}
	if err.Error() != words {
		t.Errorf("error\n  %s\nwant\n  %s", err, words)
	}
	var h interface{ Hint() string }
	has := errors.As(err, &h)
	if has != (hint != "") || has && h.Hint() != hint {
		t.Errorf("hint %v, want %q", h, hint)
	}
}

// golden compares config.json with testdata/NAME.json.
func golden(t *testing.T, name string, config *rspec.Spec) {
	t.Helper()
	got, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range gotLines {
		if i >= len(wantLines) || gotLines[i] != wantLines[i] {
			t.Errorf("%s differs from line %d on: %q; run 'go test ./libpod/bundle -update' and read the diff", file, i+1, gotLines[i])
			return
		}
	}
}

func mountAt(config *rspec.Spec, destination string) *rspec.Mount {
	for i := range config.Mounts {
		if config.Mounts[i].Destination == destination {
			return &config.Mounts[i]
		}
	}
	return nil
}

func BenchmarkGenerate(b *testing.B) {
	in := sample()
	for b.Loop() {
		if _, err := Generate(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGenerateAndMarshal(b *testing.B) {
	in := sample()
	for b.Loop() {
		config, err := Generate(in)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(config); err != nil {
			b.Fatal(err)
		}
	}
}
