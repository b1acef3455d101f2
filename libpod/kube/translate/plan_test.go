package translate

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carob-containers/carob/libpod/kube"
)

var update = flag.Bool("update", false, "write the goldens and the page in docs anew")

// source is what all goldens are translated with.
func source(yaml []byte) *kube.Source {
	return &kube.Source{
		YAML:    yaml,
		Secrets: map[string][]string{"stored": {"password", "user"}, "plain": nil},
		Host:    kube.Host{Name: "host.example", IP: "192.0.2.1", PodIP: "192.0.2.7", CPUs: 4, Memory: 8 << 30},
		Options: kube.Options{SeccompRoot: "/seccomp"},
	}
}

// TestGoldens: testdata/NAME.yaml is translated, and the plan, the warnings
// and the error are what NAME.golden says.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			yaml, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := outcome(t, source(yaml))
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs (go test -run Goldens -update writes it anew):\n%s", golden, got)
			}
			if again := outcome(t, source(yaml)); again != got {
				t.Errorf("the same source gave another plan:\n%s", again)
			}
		})
	}
}

func outcome(t *testing.T, src *kube.Source) string {
	t.Helper()
	plan, warnings, err := Plan(src)
	var out strings.Builder
	for _, w := range warnings {
		out.WriteString("warning: " + w + "\n")
	}
	if err != nil {
		out.WriteString("error: " + err.Error() + "\n")
	}
	if plan != nil {
		body, err := json.MarshalIndent(plan, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(body, '\n'))
	}
	return out.String()
}

// FuzzPlan: whatever the YAML, there is a plan or an error, and no panic.
func FuzzPlan(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		yaml, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(yaml)
	}
	f.Fuzz(func(t *testing.T, yaml []byte) {
		plan, _, err := Plan(source(yaml))
		if (plan == nil) == (err == nil) {
			t.Errorf("plan %v with error %v", plan, err)
		}
	})
}
