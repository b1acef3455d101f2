package userns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// RuntimeDir returns the directory for carob's sockets, locks and other files
// that need not outlive a reboot, and makes it (mode 0700) when it is missing.
// For a user it is "carob" in the first of
//
//	$XDG_RUNTIME_DIR     if it is a directory of the user's own
//	/run/user/UID        likewise
//	/tmp/carob-run-UID   made here, mode 0700
//
// and /run/carob for root. A directory that belongs to somebody else or that
// others may enter is an error.
func RuntimeDir() (string, error) {
	base, err := runtimeBase()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "carob")
	if err := privateDir(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// runtimeBase follows the rule of runtime_dir in join/join.c: one change, two
// places.
func runtimeBase() (string, error) {
	if !Rootless() {
		return "/run", nil
	}
	if xdg := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(xdg) && ownDir(os.Stat(xdg)) {
		return xdg, nil
	}
	uid := strconv.Itoa(RealUID())
	if dir := "/run/user/" + uid; ownDir(os.Stat(dir)) {
		return dir, nil
	}
	dir := "/tmp/carob-run-" + uid
	return dir, privateDir(dir)
}

func ownDir(fi fs.FileInfo, err error) bool {
	return err == nil && fi.IsDir() && int(fi.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}

// privateDir makes dir, or checks that it is a directory, not a link to one,
// that nobody but the user can look into.
func privateDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make the runtime directory: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("cannot use the runtime directory: %w", err)
	}
	if !ownDir(fi, nil) || fi.Mode().Perm()&0o077 != 0 {
		return &hintError{
			err:  fmt.Errorf("cannot use the runtime directory %s: it is not a directory of your own with mode 0700 (%s)", dir, fi.Mode()),
			hint: "remove it, or set XDG_RUNTIME_DIR to a directory that only you can enter",
		}
	}
	return nil
}
