package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Kinds of helper.
const (
	Pasta = "pasta"
	Slirp = "slirp4netns"
)

// Config describes one container's connection to the outside.
type Config struct {
	Kind string // Pasta or Slirp
	// Given: the user asked for Kind. Otherwise the other one may stand in
	// for a program that is missing.
	Given     bool
	Options   string   // what the user wrote after "pasta:" or "slirp4netns:"
	Namespace *os.File // from New
	Ports     []Port
	// PIDFile is where the helper's pid is written, in decimal, before Wait
	// returns. Whoever ends the container ends the helper by it (Stop).
	PIDFile string
	// LockDir is a directory of the user's that all of the user's carobs
	// share. In it, publishing a port is made to happen one at a time.
	LockDir string
}

// Helper is a program that connects a namespace, on its way up or running.
type Helper struct {
	kind    string
	pidFile string
	ns      *os.File
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // valid after done

	options  string
	guestMap bool // the host is at GuestMapAddr
}

// hintError is an error with its cure.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }

// Start starts the helper and returns while it sets itself up, so that other
// work can go on beside it; Wait tells when the network is there. Errors that
// can be known at once come from Start: a port that is taken, an option that
// is not one, a program that is missing.
func Start(ctx context.Context, cfg Config) (*Helper, error) {
	program, err := find(&cfg)
	if err != nil {
		return nil, err
	}
	claim, err := claimPorts(cfg.LockDir, cfg.Ports)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(cfg.PIDFile, nil, 0o600); err != nil { // see Stop
		claim.release()
		return nil, fmt.Errorf("cannot write down the network helper: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	h := &Helper{kind: cfg.Kind, pidFile: cfg.PIDFile, ns: cfg.Namespace, options: cfg.Options, cancel: cancel, done: make(chan struct{})}
	run := h.runPasta
	if cfg.Kind == Slirp {
		run = h.runSlirp
	}
	up, err := run(ctx, program, &cfg)
	if err != nil {
		cancel()
		os.Remove(cfg.PIDFile)
		claim.release()
		return nil, err
	}
	go func() {
		if h.err = up(); h.err != nil {
			os.Remove(cfg.PIDFile)
		}
		claim.release()
		close(h.done)
	}()
	return h, nil
}

// wantedOption tells a pasta that is good enough to be the default from older
// ones: without it the host cannot be reached by its own addresses. Those
// before it (Debian 12 has one) also take 29 MB and 35 ms for every container
// where slirp4netns takes 2 MB and 6 ms: docs/decisions/0005.
const wantedOption = "--map-guest-addr"

// find looks for the program, and turns cfg to the other kind where that is
// allowed and helps.
func find(cfg *Config) (string, error) {
	packages := map[string]string{Pasta: "passt", Slirp: "slirp4netns"}
	if packages[cfg.Kind] == "" {
		return "", fmt.Errorf("cannot set up network %q: it is neither pasta nor slirp4netns", cfg.Kind)
	}
	path, err := exec.LookPath(cfg.Kind)
	mayChange := !cfg.Given && cfg.Kind == Pasta
	if err == nil && (!mayChange || pastaKnows(path, cfg.LockDir, wantedOption)) {
		return path, nil
	}
	if slirp, err := exec.LookPath(Slirp); err == nil && mayChange {
		cfg.Kind = Slirp
		return slirp, nil
	}
	if err == nil {
		return path, nil
	}
	return "", &hintError{
		err:  fmt.Errorf("cannot set up the network: %s is not installed", cfg.Kind),
		hint: "as root: apt-get install " + packages[cfg.Kind] + "; or use --network=host or --network=none",
	}
}

// Kind is Pasta or Slirp: what was started in the end.
func (h *Helper) Kind() string { return h.kind }

// Wait waits until the network works, or says in one line why it does not.
// After an error nothing of the helper is left.
func (h *Helper) Wait() error {
	<-h.done
	return h.err
}

// Kill ends the helper, started or not.
func (h *Helper) Kill() {
	h.cancel()
	<-h.done
	if h.err == nil {
		Stop(h.pidFile)
	}
}

// running is called when the helper is on its own: from here on only its pid
// file says that it is there.
func (h *Helper) running(pid int) error {
	if err := os.WriteFile(h.pidFile, []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		kill(pid)
		return fmt.Errorf("cannot write down the network helper: %w", err)
	}
	return nil
}

// stopTimeout is how long Stop waits for a killed helper, in milliseconds.
const stopTimeout = 2000

// Stop ends the helper whose pid is in pidFile and removes the file. When it
// returns, the published ports are free again. The file may be old: only a
// process that is such a helper is ended. A file without a pid tells that
// whoever started the helper was killed before it could write it down: then
// the helper is looked for by its name. A missing file is fine.
func Stop(pidFile string) error {
	data, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot end the network helper: %w", err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && pid > 1 {
		kill(pid)
	} else {
		killStray(pidFile)
	}
	return os.Remove(pidFile)
}

// processName is the helper's argv[0]: who it belongs to can be seen in ps(1),
// and it can be found without its pid. pidFile lies in a directory that is
// named after the container.
func processName(kind, pidFile string) string {
	return kind + "-" + filepath.Base(filepath.Dir(pidFile))
}

// killStray ends a helper that nobody has written down.
func killStray(pidFile string) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return
	}
	for _, line := range lines {
		text, _ := os.ReadFile(line) // gone meanwhile, or not ours
		name, _, _ := strings.Cut(string(text), "\x00")
		if name != processName(Pasta, pidFile) && name != processName(Slirp, pidFile) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(line))); err == nil {
			kill(pid)
		}
	}
}

// kill ends pid if it is a helper's. The pidfd is taken first, so that what is
// looked at is what is killed.
func kill(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // gone
	}
	defer unix.Close(fd)
	comm, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	for _, name := range []string{"pasta", "passt", Slirp} {
		if strings.HasPrefix(string(comm), name) {
			if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil { // else it is gone
				awaitEnd(fd)
			}
			return
		}
	}
}

// awaitEnd waits until the process of a pidfd is dead.
func awaitEnd(pidfd int) {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, stopTimeout); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
