package userns

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/carob-containers/carob/pkg/userns/join"
)

// hintError is an error with its cure.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }

// refused makes the kernel's refusal of a namespace an error, and looks up
// which of the known switches is behind it.
func refused(step int, errno syscall.Errno) error {
	what := map[int]string{
		join.StepUserFailed:  "cannot make a user namespace",
		join.StepMountFailed: "cannot make a mount namespace",
		join.StepJoinFailed:  "cannot join the containers' user namespace",
		join.StepForkFailed:  "cannot start the keeper",
	}[step]
	err := fmt.Errorf("%s: %w", what, errno)
	if hint := cure(readSysctl); hint != "" {
		return &hintError{err: err, hint: hint}
	}
	return err
}

// cure returns the line that makes user namespaces work for users, judging
// from the host's switches; "" when none of them is in the way.
func cure(sysctl func(string) string) string {
	switch {
	case sysctl("user/max_user_namespaces") == "0":
		return "user namespaces are switched off; as root: sysctl -w user.max_user_namespaces=28633"
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		return "user namespaces are for root only; as root: sysctl -w kernel.unprivileged_userns_clone=1"
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "AppArmor keeps user namespaces from programs without a profile; as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	}
	return ""
}

func readSysctl(name string) string {
	data, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(data))
}
