package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A pid file tells of a helper from before its start until after its end:
//
//	empty, locked    the command that starts it is at work
//	empty, unlocked  that command was killed: the helper may run, nameless
//	PID, locked      the helper runs, the container is not there yet
//	PID, unlocked    the helper runs
//
// The lock is an flock of the starting command, which the kernel frees at the
// latest with the command.

// openPIDFile makes the pid file and locks it. What an earlier file tells of
// is ended.
func openPIDFile(name string) (*os.File, error) {
	for {
		f, old, err := lockPIDFile(name)
		if err == nil && f == nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot write down the network helper: %w", err)
		}
		if !old {
			return f, nil
		}
		if err := errors.Join(end(name), f.Truncate(0)); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
}

// lockPIDFile opens and locks the file, and tells whether it was there before.
// It returns none, to be called again, when Sweep came between: that has had
// the lock, and the file is gone with its directory.
func lockPIDFile(name string) (f *os.File, old bool, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, false, err
	}
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if old = errors.Is(err, os.ErrExist); old {
		f, err = os.OpenFile(name, os.O_RDWR, 0)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, old, nil
	}
	if err != nil {
		return nil, old, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	if err == nil && linked(f) {
		return f, old, nil
	}
	f.Close()
	if errors.Is(err, unix.EINTR) {
		err = nil
	}
	return nil, old, err
}

// linked tells that the file was not removed yet.
func linked(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && st.Nlink > 0
}

// running is called when the helper is on its own: from here on only its pid
// file says that it is there.
func (h *Helper) running(pid int) error {
	if _, err := h.file.WriteAt([]byte(strconv.Itoa(pid)+"\n"), 0); err != nil {
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
	if err := end(pidFile); err != nil {
		return err
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) { // somebody else may be at it
		return fmt.Errorf("cannot forget the network helper: %w", err)
	}
	return nil
}

// end is Stop without the removal of the file.
func end(pidFile string) error {
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
	return nil
}

// goneSuffix is on the name of a directory that is being removed.
const goneSuffix = ".gone"

// Sweep ends the helpers of starts that were killed before a container could
// take them over. parent holds a directory per container; pidFile is the name
// of the pid file in it. Somebody looks after the container if busy says so of
// the directory's name, or if one of the names taken is in it. The directories
// go as well.
func Sweep(parent, pidFile string, busy func(name string) bool, taken ...string) error {
	dirs, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot look for abandoned network helpers: %w", err)
	}
	var errs []error
	for _, d := range dirs {
		dir := filepath.Join(parent, d.Name())
		if strings.HasSuffix(dir, goneSuffix) { // who swept it was killed
			errs = append(errs, os.RemoveAll(dir))
			continue
		}
		if hasAny(dir, taken) {
			continue
		}
		errs = append(errs, sweepOne(dir, pidFile, busy, taken))
	}
	return errors.Join(errs...)
}

func hasAny(dir string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

func sweepOne(dir, name string, busy func(name string) bool, taken []string) error {
	pidFile := filepath.Join(dir, name)
	f, err := os.Open(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		removeOld(dir)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look for abandoned network helpers: %w", err)
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil // its starter is at work
	}
	if !linked(f) {
		return nil // somebody else has swept it
	}
	if hasAny(dir, taken) || busy(filepath.Base(dir)) {
		return nil // and has just finished
	}
	if err := end(pidFile); err != nil {
		return err
	}
	// Out of the way first: whoever waits for the lock makes the directory anew.
	gone := dir + goneSuffix
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove what is left of a container's start: %w", err)
	}
	return os.RemoveAll(gone)
}

// removeOld removes an empty directory unless a start may just have made it.
func removeOld(dir string) {
	if fi, err := os.Lstat(dir); err == nil && time.Since(fi.ModTime()) > time.Minute {
		os.Remove(dir) // stays if something is in it
	}
}

// processName is the helper's argv[0]: who it belongs to can be seen in ps(1),
// and it can be found without its pid. pidFile lies in a directory that is
// named after the container.
func processName(kind, pidFile string) string {
	return kind + "-" + filepath.Base(filepath.Dir(pidFile))
}

// Running tells whether the helper of a pid file lives.
func Running(pidFile string) bool {
	data, err := os.ReadFile(pidFile)
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	return err == nil && pid > 1 && isHelper(pid)
}

// isHelper tells whether pid is a helper's; false too for one that has ended.
func isHelper(pid int) bool {
	stat, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")) // PID (COMM) STATE ..., proc(5)
	_, tail, _ := strings.Cut(string(stat), "(")
	comm, rest, _ := strings.Cut(tail, ") ")
	const exiting = 0x4 // PF_EXITING; a helper killed takes a while to end
	if f := strings.Fields(rest); len(f) < 7 || f[0] == "Z" || flagged(f[6], exiting) {
		return false
	}
	return slices.ContainsFunc([]string{"pasta", "passt", Slirp}, func(name string) bool {
		return strings.HasPrefix(comm, name)
	})
}

func flagged(word string, flag uint64) bool {
	n, err := strconv.ParseUint(word, 10, 64)
	return err == nil && n&flag != 0
}

// killStray ends a helper that nobody has written down.
func killStray(pidFile string) {
	for _, pid := range strays(pidFile) {
		kill(pid)
	}
}

// strays finds the helpers that were started for pidFile by their names.
func strays(pidFile string) (pids []int) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	for _, line := range lines {
		text, _ := os.ReadFile(line) // gone meanwhile, or not ours
		name, _, _ := strings.Cut(string(text), "\x00")
		if name != processName(Pasta, pidFile) && name != processName(Slirp, pidFile) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(line))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Recover writes the pid file of a helper that lives once more, after somebody
// has removed it, and tells whether there is one. Its directory must be there.
func Recover(pidFile string) (bool, error) {
	pids := strays(pidFile)
	if len(pids) == 0 || !isHelper(pids[0]) {
		return false, nil
	}
	return true, os.WriteFile(pidFile, []byte(strconv.Itoa(pids[0])+"\n"), 0o600)
}

// kill ends pid if it is a helper's, and waits for its end. The pidfd is taken
// first, so that what is looked at is what is killed.
func kill(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // gone
	}
	defer unix.Close(fd)
	if isHelper(pid) && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil { // else it is gone
		awaitEnd(fd)
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
