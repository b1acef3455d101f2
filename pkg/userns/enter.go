package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/userns/join"
)

// triesEnv counts the times this command has started itself anew.
const triesEnv = "_CAROB_ENTER_TRIES"

// maxTries is generous: one is the rule, each more means that a keeper was
// killed between its record and our joining it.
const maxTries = 5

// Options tell Enter what it cannot know.
type Options struct {
	// StateDir keeps the second record, which outlives the runtime dir. It is
	// made if missing; "" means no second record.
	StateDir string
	// Candidates returns the pids of living monitors, best first. When the
	// keeper was lost, their user namespace is the one to come back to: only
	// there can the running containers be reached. nil: there are none.
	Candidates func() []int
	// Warn gets lines for the user, without a newline. nil: they are dropped.
	Warn func(string)
}

// Inside tells whether nothing is left to do for Enter: the process is root's,
// or already in the user's namespaces. In the second case it sets the
// environment that containers/storage, and the programs we start, read.
func Inside() (bool, error) {
	if state := join.Result(); state.Joined {
		return true, announce(state)
	}
	return os.Geteuid() == 0, nil
}

// Enter makes sure that the process is inside the user's namespaces. For root,
// and when package join has already done it, it only sets the environment that
// containers/storage reads. Otherwise it finds or makes a keeper and executes
// the same program again with the same arguments: then it does not return
// unless it failed. Call it first in main, before threads, descriptors or
// signal handlers are made that an exec would lose.
func Enter(opts Options) error {
	inside, err := Inside()
	if inside || err != nil {
		return err
	}
	state := join.Result()
	tries, _ := strconv.Atoi(os.Getenv(triesEnv))
	if tries > 0 && state.Err == syscall.EINVAL {
		return fmt.Errorf("cannot join the keeper: %w: Linux 5.8 or newer is needed", state.Err)
	}
	if tries >= maxTries {
		return fmt.Errorf("cannot join the keeper after %d attempts: %w", tries, whyNot(state))
	}
	if err := ensureKeeper(&opts); err != nil {
		return err
	}
	if err := os.Setenv(triesEnv, strconv.Itoa(tries+1)); err != nil {
		return err
	}
	err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	return fmt.Errorf("cannot execute carob again: %w", err)
}

func whyNot(state join.State) error {
	if state.Found && state.Err != 0 {
		return state.Err
	}
	return errors.New("it does not stay alive")
}

// announce tells the libraries, and the programs we start, where we are.
func announce(state join.State) error {
	return errors.Join(
		os.Setenv(configuredEnv, "done"),
		os.Setenv(rootlessUID, strconv.Itoa(state.UID)),
		os.Setenv(rootlessGID, strconv.Itoa(state.GID)),
		os.Unsetenv(triesEnv),
		announceSession(),
	)
}

// announceSession names the user's own runtime directory and bus where the
// environment does not, as from cron, or names somebody else's, as under su:
// the OCI runtime and containers/storage go by it.
func announceSession() error {
	base, err := runtimeBase()
	if err != nil || !isSocket(filepath.Join(base, "bus")) {
		return nil // whoever needs the directory will say so
	}
	return errors.Join(
		os.Setenv("XDG_RUNTIME_DIR", base),
		os.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(base, "bus")),
	)
}

// ensureKeeper leaves a live keeper in the runtime dir's record. The lock of
// the runtime dir is taken before that of the state dir, always: two commands
// with different runtime dirs meet at the second.
func ensureKeeper(opts *Options) error {
	run, err := RuntimeDir()
	if err != nil {
		return err
	}
	unlock, err := lock(run, opts.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	if _, alive := readRecord(run); alive {
		return nil
	}
	if opts.StateDir != "" {
		if r, alive := readRecord(opts.StateDir); alive {
			return writeRecord(run, r)
		}
	}
	return newKeeper(opts, run)
}

// newKeeper brings a keeper back into the namespace of a living monitor, or
// makes a new namespace.
func newKeeper(opts *Options, run string) error {
	note := func(r record) error {
		if opts.StateDir != "" {
			if err := writeRecord(opts.StateDir, r); err != nil {
				return err
			}
		}
		return writeRecord(run, r)
	}
	if opts.Candidates != nil {
		for _, pid := range opts.Candidates() {
			if startKeeper(pid, opts, note) == nil {
				return nil
			}
		}
	}
	return startKeeper(0, opts, note)
}

// lock takes the keeper's lock in each of dirs that is not "", in order. The
// kernel frees them with their holder.
func lock(dirs ...string) (unlock func(), err error) {
	var files []*os.File
	unlock = func() {
		for _, f := range files {
			f.Close() // nothing was written; closing is the unlocking
		}
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		f, err := lockDir(dir)
		if err != nil {
			unlock()
			return nil, err
		}
		files = append(files, f)
	}
	return unlock, nil
}

func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the keeper's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the keeper's lock: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", f.Name(), err)
	}
	return f, nil
}
