package vm

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/test/rig"
	"github.com/carob-containers/carob/test/script/words"
	"github.com/rogpeppe/go-internal/testscript"
)

// groupEnv names the directory below scripts that this process is to run.
const groupEnv = "CAROB_VM_GROUP"

// scriptLimit is for all scripts of a group.
const scriptLimit = 20 * time.Minute

// runScripts runs a group's scripts one after the other: they share the
// account's home, storage and systemd, as programs of one user do.
func runScripts(t *testing.T) {
	name := os.Getenv(groupEnv)
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(self.HomeDir, "work")
	if err != nil {
		t.Fatal(err)
	}
	a := &account{user: self, keep: strings.HasPrefix(name, "before-reboot")}
	t.Run(name, func(t *testing.T) {
		testscript.RunT(inOrder{t}, testscript.Params{
			Dir:                 filepath.Join("scripts", name),
			WorkdirRoot:         work,
			Setup:               a.setup,
			Cmds:                words.All(),
			RequireExplicitExec: true,
			Deadline:            time.Now().Add(scriptLimit),
		})
	})
}

// inOrder is a testing.T without Parallel.
type inOrder struct{ *testing.T }

func (t inOrder) Parallel()     {}
func (t inOrder) Verbose() bool { return testing.Verbose() }
func (t inOrder) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(inOrder{t}) })
}

// account is who the scripts of a group run as.
type account struct {
	user   *user.User
	loaded bool // the image is in the storage
	keep   bool // containers stay after a script: another boot looks at them
}

func (a *account) setup(env *testscript.Env) error {
	p := &rig.Place{Home: a.user.HomeDir, Run: os.Getenv("XDG_RUNTIME_DIR")}
	if a.user.Uid == "0" {
		p.GraphRoot, p.Run = "/var/lib/containers/storage", "/run"
	}
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "USER", "LOGNAME", "PATH", "TERM", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			p.Env = append(p.Env, name+"="+v)
		}
	}
	env.Vars = append(env.Vars, p.Env...)
	env.Setenv("IMAGES", "/ct/images")
	env.Setenv("PREFIX", "/ct/prefix")
	words.SetPlace(env, p)
	if err := a.load(p); err != nil {
		return err
	}
	if a.keep {
		return nil
	}
	t := env.T()
	env.Defer(func() {
		leaks := a.leaks(p)
		for _, leak := range leaks {
			t.Log("left behind: " + leak)
		}
		if len(leaks) > 0 {
			t.FailNow()
		}
	})
	return nil
}

// load puts busybox into the account's storage, once.
func (a *account) load(p *rig.Place) error {
	if a.loaded || p.Command("carob", "image", "exists", "busybox").Run() == nil {
		a.loaded = true
		return nil
	}
	out, err := p.Command("carob", "load", "--quiet", "--input", "/ct/images/busybox.tar").CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot load busybox: %w: %s", err, out)
	}
	a.loaded = true
	return nil
}

// leaks removes the containers and tells what is still there after that.
func (a *account) leaks(p *rig.Place) (leaks []string) {
	leaks = p.RemoveContainers()
	if out, err := p.Command("carob", "volume", "prune", "--force").CombinedOutput(); err != nil {
		leaks = append(leaks, fmt.Sprintf("carob volume prune: %v: %s", err, out))
	}
	leaks = append(leaks, p.FileLeaks()...)
	keeper, _ := p.KeeperPID() // root has none
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		left, err := a.running(p, keeper)
		if err != nil || len(left) == 0 || time.Now().After(deadline) {
			if err != nil {
				left = append(left, err.Error())
			}
			return append(leaks, left...)
		}
	}
}

// running lists processes of containers, and units of systemd that hold any.
func (a *account) running(p *rig.Place, keeper int) (left []string, err error) {
	// A monitor is told its directory, and a container has files of it mounted;
	// the storage itself is in the mount tables of services, too.
	found, err := rig.Processes(filepath.Join(p.Storage(), "carob"))
	if err != nil {
		return nil, err
	}
	for _, process := range found {
		if process.PID != keeper {
			left = append(left, "process "+process.String())
		}
	}
	args := []string{"--user", "list-units", "--all", "--plain", "--no-legend", "carob-*.scope", "crun-*.scope", "runc-*.scope"}
	if a.user.Uid == "0" {
		args = args[1:]
	}
	out, err := p.Command("systemctl", args...).Output()
	if err != nil {
		return left, fmt.Errorf("systemctl %s: %w", strings.Join(args, " "), err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, fmt.Sprintf("carob-keeper-%d.scope", keeper)) {
			left = append(left, "unit "+strings.TrimSpace(line))
		}
	}
	return left, nil
}
