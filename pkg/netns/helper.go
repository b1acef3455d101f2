package netns

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	// Dirs are searched for the program before PATH is; SlirpPath, when set,
	// is slirp4netns.
	Dirs      []string
	SlirpPath string
}

// Helper is a program that connects a namespace, on its way up or running.
type Helper struct {
	kind    string
	pidFile string
	file    *os.File // the pid file, locked
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
	file, err := openPIDFile(cfg.PIDFile)
	if err != nil {
		claim.release()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	h := &Helper{kind: cfg.Kind, pidFile: cfg.PIDFile, file: file, ns: cfg.Namespace, options: cfg.Options, cancel: cancel, done: make(chan struct{})}
	run := h.runPasta
	if cfg.Kind == Slirp {
		run = h.runSlirp
	}
	up, err := run(ctx, program, &cfg)
	if err != nil {
		cancel()
		h.forget()
		claim.release()
		return nil, err
	}
	go func() {
		if h.err = up(); h.err != nil {
			h.forget()
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
	path, err := cfg.lookPath(cfg.Kind)
	mayChange := !cfg.Given && cfg.Kind == Pasta
	if err == nil && (!mayChange || ipv6Port(cfg.Ports) != nil || pastaKnows(path, cfg.LockDir, wantedOption)) {
		return path, nil
	}
	if slirp, err := cfg.lookPath(Slirp); err == nil && mayChange {
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

// lookPath finds the program of a kind.
func (cfg *Config) lookPath(kind string) (string, error) {
	if kind == Slirp && cfg.SlirpPath != "" {
		return exec.LookPath(cfg.SlirpPath)
	}
	for _, dir := range cfg.Dirs {
		if path, err := exec.LookPath(filepath.Join(dir, kind)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(kind)
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
		h.file.Close()
	}
}

// Release says that the helper belongs to a container that somebody looks
// after. It goes on running.
func (h *Helper) Release() { h.file.Close() }

// forget removes the pid file of a helper that did not come up.
func (h *Helper) forget() {
	os.Remove(h.pidFile)
	h.file.Close()
}
