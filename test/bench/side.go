package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/carob-containers/carob/test/rig"
)

// side is one of the programs that are compared, with its home.
type side struct {
	*rig.Place
	name    string
	program string
	null    *os.File
	errs    *os.File // the last command's stderr
}

func newSide(h *rig.Host, name, program string) (*side, error) {
	place, err := h.NewPlace(filepath.Join(h.Root, "bench", name))
	if err != nil {
		return nil, err
	}
	s := &side{Place: place, name: name, program: program}
	if err := s.ConfigureEngine(); err != nil {
		return nil, err
	}
	if s.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	s.errs, err = os.Create(filepath.Join(s.Home, "stderr"))
	return s, err
}

// makeSides gives carob and podman the image, and crun its bundle.
func makeSides(h *rig.Host) (carob, podman, crun *side, err error) {
	if carob, err = newSide(h, "carob", filepath.Join(h.Prefix, "bin/carob")); err != nil {
		return nil, nil, nil, err
	}
	if podman, err = newSide(h, "podman", "/usr/bin/podman"); err != nil {
		return nil, nil, nil, err
	}
	if crun, err = newSide(h, "crun", "crun"); err != nil {
		return nil, nil, nil, err
	}
	for _, s := range []*side{carob, podman} {
		if err := s.do("load", "--quiet", "--input", filepath.Join(h.Images, "busybox.tar")); err != nil {
			return nil, nil, nil, err
		}
	}
	return carob, podman, crun, crun.makeBundle(h)
}

// makeBundle prepares an OCI bundle that runs true with no network.
func (s *side) makeBundle(h *rig.Host) error {
	rootfs := filepath.Join(s.Home, "rootfs")
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		return err
	}
	tar := exec.Command("tar", "-C", rootfs, "-xf", filepath.Join(h.Images, "rootfs.tar"))
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot unpack the bundle: %w: %s", err, out)
	}
	spec := s.command("spec", "--rootless")
	spec.Dir = s.Home
	if out, err := spec.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make the bundle: %w: %s", err, out)
	}
	file := filepath.Join(s.Home, "config.json")
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(b, &config); err != nil {
		return err
	}
	process := config["process"].(map[string]any)
	process["terminal"] = false
	process["args"] = []string{"true"}
	linux := config["linux"].(map[string]any)
	delete(linux, "resources")
	linux["namespaces"] = append(linux["namespaces"].([]any), map[string]string{"type": "network"})
	if b, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

func (s *side) command(args ...string) *exec.Cmd { return s.Command(s.program, args...) }

// do runs a command whose output nobody wants.
func (s *side) do(args ...string) error {
	_, err := s.time(args...)
	return err
}

// time runs a command and tells how long that took.
func (s *side) time(args ...string) (time.Duration, error) {
	cmd := s.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.null, s.null, s.errs
	if err := s.errs.Truncate(0); err != nil {
		return 0, err
	}
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		words, _ := os.ReadFile(s.errs.Name()) // only to say more
		return 0, fmt.Errorf("%s %s: %w: %s", s.name, strings.Join(args, " "), err, words)
	}
	return took, nil
}

// calm waits until no side has a command at work any more: what one leaves
// behind, such as podman's clean-up after a container's end, is not to be
// measured as another's time.
func calm(sides ...*side) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		busy := ""
		for _, s := range sides {
			processes, err := s.Processes(0)
			if err != nil {
				return err
			}
			for _, p := range processes {
				if programOf(p.Args) == filepath.Base(s.program) {
					busy = p.Args
				}
			}
		}
		if busy == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cannot measure: %q is still at work", busy)
		}
	}
}

// close removes what the side made; its keeper or pause process ends with it.
func (s *side) close() {
	for _, args := range [][]string{{"rm", "-fa", "-t", "0"}, {"system", "migrate"}} {
		if err := s.do(args...); err != nil {
			fmt.Fprintln(os.Stderr, "bench: cleaning up:", err)
		}
	}
	_ = exec.Command("unshare", "--map-root-user", "--map-auto", "rm", "-rf", s.Run).Run() // the runtime directory is temporary anyway
}
