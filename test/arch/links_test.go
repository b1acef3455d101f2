package arch

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const tags = "containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_zfs"

// TestLinks keeps weight out of programs: every package costs start-up time in
// carob and memory per container in the monitor.
func TestLinks(t *testing.T) {
	for _, rule := range []struct {
		program string
		cgo     string
		never   []string // prefixes of import paths
		why     string
	}{
		{"carob", "1", []string{"github.com/containers/image/", "go.podman.io/", "k8s.io/", "sigs.k8s.io/", "google.golang.org/grpc", "github.com/spf13/cobra/doc"},
			"carob starts in milliseconds; carob-image links what talks to registries, carob-kube the types of Kubernetes"},
		{"carob-kube", "0", []string{"github.com/containers/", "github.com/spf13/", "database/sql", module + "/pkg/", module + "/libpod/store"},
			"carob-kube translates and does nothing else: it gets all it needs in the request"},
		{"carob-monitor", "0", []string{"database/sql", "github.com/mattn/go-sqlite3", "github.com/containers/", "github.com/spf13/", "net/http", "crypto/tls", "google.golang.org/grpc", "k8s.io/", module + "/libpod/store", module + "/libpod/spec"},
			"every running container pays for the monitor's memory"},
		{"quadlet", "0", []string{"github.com/containers/", "github.com/spf13/", "golang.org/x/", "net", "os/user", "regexp", "text/template", module + "/libpod"},
			"a generator runs at every boot, before anything else: it starts at once and needs nothing"},
	} {
		t.Run(rule.program, func(t *testing.T) {
			for _, dep := range deps(t, rule.program, rule.cgo) {
				for _, prefix := range rule.never {
					if strings.HasPrefix(dep, prefix) {
						t.Errorf("%s links %s: %s", rule.program, dep, rule.why)
					}
				}
			}
		})
	}
}

func deps(t *testing.T, program, cgo string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-tags", tags, module+"/cmd/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cannot list what %s links: %v%s", program, err, stderrOf(err))
	}
	return strings.Fields(string(out))
}

func stderrOf(err error) string {
	if ee, ok := err.(*exec.ExitError); ok {
		return ": " + string(ee.Stderr)
	}
	return ""
}

// TestDependencyListIsCurrent: a new module is a decision, so it shows up in a
// diff.
func TestDependencyListIsCurrent(t *testing.T) {
	cmd := exec.Command("go", "run", "./test/arch/deps")
	cmd.Dir = top
	want, err := cmd.Output()
	if err != nil {
		t.Fatalf("cannot list the dependencies: %v%s", err, stderrOf(err))
	}
	got, err := os.ReadFile(top + "/docs/DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("docs/DEPENDENCIES.md is out of date: run `make deps` and say in the commit why the module is needed")
	}
}
