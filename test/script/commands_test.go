package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/test/rig"
	"github.com/carob-containers/carob/test/script/words"
	"github.com/rogpeppe/go-internal/testscript"
)

// commands are those that scripts have beside testscript's own; README.md
// says how each is used.
func commands(h *rig.Host) map[string]words.Command {
	all := words.All()
	all["image"] = func(ts *testscript.TestScript, neg bool, args []string) { loadImages(h, ts, neg, args) }
	all["leakless"] = leakless
	all["registry"] = func(ts *testscript.TestScript, neg bool, args []string) { startRegistry(h, ts, neg, args) }
	return all
}

func condition(h *rig.Host, cond string) (bool, error) {
	switch cond {
	case "cgroup2":
		return h.View.Clean(), nil
	case "rootless":
		return os.Geteuid() != 0, nil
	case "systemd":
		_, err := os.Stat("/run/systemd/system") // sd_booted(3)
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// image NAME...: loads test images (see mkimages) into the script's storage.
func loadImages(h *rig.Host, ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		if err := ts.Exec("carob", "load", "--quiet", "--input", filepath.Join(h.Images, name+".tar")); err != nil || neg {
			ts.Fatalf("cannot load image %s: %v", name, err)
		}
	}
}

// leakless: looks for leaks now instead of at the end, with the containers
// removed.
func leakless(ts *testscript.TestScript, neg bool, args []string) {
	p := words.Place(ts)
	leaks := p.RemoveContainers()
	keeper, _ := p.KeeperPID() // none has run: none to leave out
	leaks = append(leaks, p.Leaks(keeper)...)
	if len(leaks) > 0 || neg || len(args) > 0 {
		ts.Fatalf("left behind: %s", strings.Join(leaks, "\nleft behind: "))
	}
}
