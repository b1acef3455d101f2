package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Place is a home and a runtime directory, and so a storage and a keeper, that
// one test has for itself.
type Place struct {
	Home string
	Run  string   // XDG_RUNTIME_DIR
	Env  []string // of every command

	GraphRoot string // the storage where it is not a user's, below Home
}

// NewPlace makes home, which must not exist, and a runtime directory: on the
// account's own tmpfs where there is one, as in life.
func (h *Host) NewPlace(home string) (*Place, error) {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if info, err := os.Stat(base); base == "" || err != nil || !info.IsDir() {
		base = h.Root
	}
	run, err := os.MkdirTemp(base, "ct")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(home, ".config/containers")
	err = errors.Join(
		os.MkdirAll(config, 0o755),
		// Debian's podman and skopeo would take vfs on their own.
		os.WriteFile(filepath.Join(config, "storage.conf"), []byte("[storage]\ndriver = \"overlay\"\n"), 0o644),
	)
	p := &Place{Home: home, Run: run, Env: []string{
		"HOME=" + home, "XDG_RUNTIME_DIR=" + run, "USER=" + h.User, "LOGNAME=" + h.User,
		"PATH=" + os.Getenv("PATH"), "TERM=xterm", "LANG=C.UTF-8",
	}}
	if h.View.root() {
		err = errors.Join(err, p.moveRoot(config))
	}
	return p, err
}

// moveRoot keeps root's carob away from the host's own storage and runtime
// directory, which do not follow HOME: they are where an account's would be.
func (p *Place) moveRoot(config string) error {
	storage, engine := filepath.Join(config, "storage.conf"), filepath.Join(config, "containers.conf")
	p.Env = append(p.Env, "CONTAINERS_STORAGE_CONF="+storage, "CONTAINERS_CONF="+engine)
	return errors.Join(
		os.WriteFile(storage, fmt.Appendf(nil, "[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", p.Storage(), p.Run), 0o644),
		os.WriteFile(engine, fmt.Appendf(nil, "[engine]\ntmp_dir = %q\n", filepath.Join(p.Run, "carob")), 0o644),
	)
}

// ConfigureEngine writes containers.conf as it is where no systemd runs.
// podman finds these values by itself, and warns each time.
func (p *Place) ConfigureEngine() error {
	return os.WriteFile(filepath.Join(p.Home, ".config/containers/containers.conf"),
		[]byte("[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"), 0o644)
}

// Storage is where the images and containers of the place are.
func (p *Place) Storage() string {
	if p.GraphRoot != "" {
		return p.GraphRoot
	}
	return filepath.Join(p.Home, ".local/share/containers/storage")
}

// Command is a command in the place's environment and home.
func (p *Place) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	// exec looks name up in our own PATH, which is the same.
	cmd.Env = p.Env
	cmd.Dir = p.Home
	return cmd
}

// KeeperPID reads the keeper's own record: PID STARTTIME BOOTID.
func (p *Place) KeeperPID() (int, error) {
	record, err := os.ReadFile(filepath.Join(p.Storage(), "carob/keeper"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(record), " ")
	return strconv.Atoi(first)
}

// Close removes the containers, ends the keeper and removes the runtime
// directory. It tells what was still there after that.
func (p *Place) Close() (leaks []string) {
	leaks = p.RemoveContainers()
	if err := p.endKeeper(); err != nil {
		leaks = append(leaks, err.Error())
	}
	leaks = append(leaks, p.Leaks(0)...)
	if err := removeAsSubordinate(p.Run); err != nil {
		leaks = append(leaks, err.Error())
	}
	return leaks
}

func (p *Place) unused() bool {
	_, err := os.Stat(p.Storage())
	return os.IsNotExist(err)
}

// RemoveContainers removes all containers and volumes without a name, and
// tells what did not go.
func (p *Place) RemoveContainers() (leaks []string) {
	if p.unused() {
		return nil
	}
	for _, args := range [][]string{
		{"pod", "rm", "--all", "--force", "--time", "0"},
		{"rm", "--all", "--force", "--time", "0"},
		{"ps", "--all", "--quiet"},
	} {
		out, err := p.Command("carob", args...).CombinedOutput()
		if err != nil {
			leaks = append(leaks, fmt.Sprintf("cleaning up with carob %s: %v: %s", strings.Join(args, " "), err, out))
		}
		if err == nil && args[0] == "ps" && len(bytes.TrimSpace(out)) > 0 {
			leaks = append(leaks, "containers after rm --all --force: "+string(out))
		}
	}
	return leaks
}

func (p *Place) endKeeper() error {
	if p.unused() {
		return nil
	}
	if out, err := p.Command("carob", "system", "migrate").CombinedOutput(); err != nil {
		return fmt.Errorf("carob system migrate: %w: %s", err, out)
	}
	return nil
}

// Leaks lists what should not be there when no container is: processes but
// the one with pid keeper, mounts, files, layers.
func (p *Place) Leaks(keeper int) (leaks []string) {
	leaks = append(leaks, p.processLeaks(keeper)...)
	for _, dir := range []string{p.Home, p.Run} {
		mounts, err := Mounts(dir)
		if err != nil {
			leaks = append(leaks, err.Error())
		}
		for _, m := range mounts {
			if m == filepath.Join(p.Storage(), "overlay") {
				continue // containers/storage leaves this one on purpose
			}
			leaks = append(leaks, "mount "+m)
		}
	}
	return append(leaks, p.FileLeaks()...)
}

// processLeaks gives what is on its way out two seconds to be gone; the rest
// it reports and kills.
func (p *Place) processLeaks(keeper int) (leaks []string) {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left, err := p.Processes(keeper)
		if err != nil {
			return []string{err.Error()}
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().Before(deadline) {
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

// Processes are the place's, but the one with pid keeper.
func (p *Place) Processes(keeper int) ([]Process, error) {
	seen := map[int]bool{keeper: true}
	var all []Process
	for _, mark := range []string{p.Home, p.Run} {
		found, err := Processes(mark)
		if err != nil {
			return nil, err
		}
		for _, process := range found {
			if !seen[process.PID] {
				seen[process.PID] = true
				all = append(all, process)
			}
		}
	}
	return all, nil
}

// removeAsSubordinate removes what subordinate ids may own part of.
func removeAsSubordinate(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	return run("/", "unshare", "--map-root-user", "--map-auto", "rm", "-rf", dir)
}
