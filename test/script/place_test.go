package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/carob-containers/carob/test/rig"
	"github.com/rogpeppe/go-internal/testscript"
)

// place is where one script's carob lives.
type place struct {
	home, run string
	env       []string
}

type placeKey struct{}

// setup gives a script its place and promises to look for leaks at its end.
func setup(h *rig.Host, env *testscript.Env) error {
	run, err := os.MkdirTemp(runtimeBase(h), "ct")
	if err != nil {
		return err
	}
	p := &place{home: filepath.Join(env.WorkDir, "home"), run: run}
	if err := os.MkdirAll(filepath.Join(p.home, ".config/containers"), 0o755); err != nil {
		return err
	}
	// Debian's podman and skopeo would take vfs on their own.
	storageConf := filepath.Join(p.home, ".config/containers/storage.conf")
	if err := os.WriteFile(storageConf, []byte("[storage]\ndriver = \"overlay\"\n"), 0o644); err != nil {
		return err
	}
	env.Setenv("HOME", p.home)
	env.Setenv("XDG_RUNTIME_DIR", p.run)
	env.Setenv("USER", h.User)
	env.Setenv("LOGNAME", h.User)
	env.Setenv("TERM", "xterm")
	env.Setenv("IMAGES", h.Images)
	env.Setenv("PREFIX", h.Prefix)
	p.env = env.Vars
	env.Values[placeKey{}] = p
	t := env.T()
	env.Defer(func() {
		for _, leak := range p.cleanUp() {
			t.Log("left behind: " + leak)
			defer t.FailNow()
		}
	})
	return nil
}

// runtimeBase is on a tmpfs where there is one, as in life.
func runtimeBase(h *rig.Host) string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if info, err := os.Stat(dir); dir != "" && err == nil && info.IsDir() {
		return dir
	}
	return h.Root
}

// cleanUp removes the script's containers, ends its keeper, and tells what is
// still there after that.
func (p *place) cleanUp() (leaks []string) {
	if _, err := os.Stat(p.storage()); err == nil {
		leaks = p.removeContainers()
	}
	leaks = append(leaks, p.mounts()...)
	leaks = append(leaks, p.processes()...)
	leaks = append(leaks, p.files()...)
	if err := p.removeRunDir(); err != nil {
		leaks = append(leaks, err.Error())
	}
	return leaks
}

func (p *place) storage() string { return filepath.Join(p.home, ".local/share/containers/storage") }

func (p *place) removeContainers() (leaks []string) {
	for _, args := range [][]string{
		{"rm", "--all", "--force", "--time", "0"},
		{"volume", "prune", "--force"},
		{"ps", "--all", "--quiet"},
		{"system", "migrate"}, // ends the keeper
	} {
		out, err := p.command("carob", args...).CombinedOutput()
		if err != nil {
			leaks = append(leaks, fmt.Sprintf("cleaning up with carob %s: %v: %s", strings.Join(args, " "), err, out))
		}
		if err == nil && args[0] == "ps" && len(bytes.TrimSpace(out)) > 0 {
			leaks = append(leaks, "containers after rm --all --force: "+string(out))
		}
	}
	return leaks
}

// command is one in the script's environment.
func (p *place) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = p.env
	return cmd
}

func (p *place) mounts() (leaks []string) {
	for _, dir := range []string{p.home, p.run} {
		mounts, err := rig.Mounts(dir)
		if err != nil {
			leaks = append(leaks, err.Error())
		}
		for _, m := range mounts {
			leaks = append(leaks, "mount "+m)
		}
	}
	return leaks
}

// processes gives what is on its way out two seconds to be gone; the rest it
// reports and kills.
func (p *place) processes() (leaks []string) {
	deadline := time.Now().Add(2 * time.Second)
	for {
		left, err := p.running()
		if err != nil {
			return []string{err.Error()}
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		for _, process := range left {
			leaks = append(leaks, "process "+process.String())
			if proc, err := os.FindProcess(process.PID); err == nil {
				_ = proc.Kill() // gone already is as good
			}
		}
		return leaks
	}
}

func (p *place) running() ([]rig.Process, error) {
	all, err := rig.Processes(p.home)
	if err != nil {
		return nil, err
	}
	byRun, err := rig.Processes(p.run)
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for _, process := range all {
		seen[process.PID] = true
	}
	for _, process := range byRun {
		if !seen[process.PID] {
			all = append(all, process)
		}
	}
	return all, nil
}

// files compares the storage's lists with its directories: containers and
// layers that no list names are space nobody gets back.
func (p *place) files() (leaks []string) {
	var containers []struct{ ID string }
	readJSON(filepath.Join(p.storage(), "overlay-containers/containers.json"), &containers)
	for _, c := range containers {
		leaks = append(leaks, "container in the storage: "+c.ID)
	}
	var layers []struct{ ID string }
	readJSON(filepath.Join(p.storage(), "overlay-layers/layers.json"), &layers)
	known := map[string]bool{"l": true}
	for _, l := range layers {
		known[l.ID] = true
	}
	for _, dir := range []string{
		filepath.Join(p.storage(), "carob/containers"), filepath.Join(p.run, "carob/c"), filepath.Join(p.run, "carob/oci"),
	} {
		entries, _ := os.ReadDir(dir) // not there is as good as empty
		for _, e := range entries {
			leaks = append(leaks, "file "+filepath.Join(dir, e.Name()))
		}
	}
	entries, _ := os.ReadDir(filepath.Join(p.storage(), "overlay")) // no storage, no layers
	for _, e := range entries {
		if !known[e.Name()] && len(e.Name()) == 64 {
			leaks = append(leaks, "layer that no list names: "+e.Name())
		}
	}
	return leaks
}

// readJSON leaves into as it is when there is no such file.
func readJSON(file string, into any) {
	if b, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(b, into)
	}
}

// removeRunDir needs a user namespace where subordinate ids own something.
func (p *place) removeRunDir() error {
	if os.RemoveAll(p.run) == nil {
		return nil
	}
	out, err := exec.Command("unshare", "--map-root-user", "--map-auto", "rm", "-rf", p.run).CombinedOutput()
	if err != nil {
		return fmt.Errorf("runtime directory: %w: %s", err, out)
	}
	return nil
}
