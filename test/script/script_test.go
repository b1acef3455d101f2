// Package script runs carob's end-to-end tests: scripts/*.txtar under the
// host's own view of cgroups, scripts/cgroup2/*.txtar under a clean cgroup2
// view, scripts/root/*.txtar as root in both, scripts/delegated/*.txtar in a control
// group of the account's own. Each script has a home, a runtime directory and so a storage of its
// own, and fails when it leaves a process, a mount, a container or a layer
// behind. README.md in this directory lists the commands scripts may use.
package script

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carob-containers/carob/test/rig"
	"github.com/rogpeppe/go-internal/testscript"
)

// host is what TestMain was given; TestScript has no other way to it.
var host *rig.Host

func TestMain(m *testing.M) {
	os.Exit(rig.Run([]rig.View{rig.Plain, rig.CGroup2, rig.Delegated, rig.Root, rig.RootCGroup2}, func(h *rig.Host) int {
		host = h
		return m.Run()
	}))
}

func TestScript(t *testing.T) {
	dir := "scripts"
	switch host.View {
	case rig.CGroup2:
		dir = "scripts/cgroup2"
	case rig.Delegated:
		dir = "scripts/delegated"
	case rig.Root, rig.RootCGroup2:
		dir = "scripts/root"
	}
	work := filepath.Join(host.Root, string(host.View))
	if err := os.MkdirAll(work, 0o755); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		WorkdirRoot:         work,
		Setup:               func(env *testscript.Env) error { return setup(host, env) },
		Cmds:                commands(host),
		Condition:           func(cond string) (bool, error) { return condition(host, cond) },
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		// A command that hangs is killed and shown, long before go test gives up.
		Deadline: time.Now().Add(20 * time.Minute),
	})
}
