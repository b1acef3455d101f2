// Package selinux chooses the SELinux labels of containers and gives them to
// their files, through the library that container engines share. Where SELinux
// is off, which one system call tells, nothing here does anything.
//
// A label is user:role:type:level, and the level a sensitivity with two
// categories: "system_u:system_r:container_t:s0:c12,c345". The type says what
// a container may do to the host; the categories keep containers apart, see
// the paragraph on MCS in selinux(8). Types come from the policy's
// lxc_contexts(5), or from /usr/share/containers/selinux/contexts.
package selinux

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/opencontainers/selinux/go-selinux"
	"github.com/opencontainers/selinux/go-selinux/label"
	"golang.org/x/sys/unix"
)

// mountPoint is where selinuxfs is when the kernel has a policy.
const mountPoint = "/sys/fs/selinux"

// Enabled tells whether the kernel labels processes and files, be it that it
// enforces the policy or only logs.
//
// The library looks through the table of mounts when selinuxfs is not at its
// place. It has been there since 2011, and carob's start is too short for that.
func Enabled() bool {
	var st unix.Statfs_t
	return unix.Statfs(mountPoint, &st) == nil && st.Type == unix.SELINUX_MAGIC && selinux.GetEnabled()
}

// Choose makes the labels of a container's process and of its files.
// Words are what --security-opt label= takes; taken are process labels whose
// categories others have. A policy without a type for containers, and the word
// disable, give no process label; the files' label is then one that no
// confined container can use.
func Choose(words, taken []string) (process, mount string, err error) {
	for _, t := range taken {
		selinux.ReserveLabel(t)
	}
	process, mount, err = label.InitLabels(words)
	if err != nil {
		return "", "", err
	}
	if !known(mount) {
		if process == "" {
			return "", "", nil
		}
		return "", "", unknownError(mount)
	}
	if !known(process) {
		return "", "", unknownError(process)
	}
	return process, mount, nil
}

// known tells whether the policy has the label. Who is confined may not ask
// (EACCES); the start will tell.
func known(l string) bool {
	return l == "" || !errors.Is(selinux.SecurityCheckContext(l), unix.EINVAL)
}

func unknownError(l string) error {
	return fmt.Errorf("the policy of this system does not know the label %s", l)
}

// ForInit gives a process label the type for containers that run systemd.
func ForInit(process string) (string, error) {
	model, mount := selinux.InitContainerLabels()
	selinux.ReleaseLabel(mount)
	return withType(process, model)
}

// withType is a label with the type of another one.
func withType(l, model string) (string, error) {
	if l == "" || model == "" {
		return l, nil
	}
	to, err := selinux.NewContext(l)
	if err != nil {
		return "", err
	}
	from, err := selinux.NewContext(model)
	if err != nil {
		return "", err
	}
	to["type"] = from["type"]
	return to.Get(), nil
}

// Like are the words for Choose that give another container the same process
// label.
func Like(process string) ([]string, error) { return selinux.DupSecOpt(process) }

// Shared is a label of files that containers of all categories may use.
func Shared(mount string) (string, error) {
	if mount == "" {
		return "", nil
	}
	c, err := selinux.NewContext(mount)
	if err != nil {
		return "", err
	}
	if c["level"] != "" {
		c["level"] = "s0"
	}
	return c.Get(), nil
}

// SharedFile is the label of files that every container may use, "" where
// there are no labels, or the policy has none for containers.
func SharedFile() (string, error) {
	if !Enabled() {
		return "", nil
	}
	process, mount := selinux.ContainerLabels()
	selinux.ReleaseLabel(process)
	l, err := Shared(mount)
	if err != nil || !known(l) {
		return "", err
	}
	return l, nil
}

// Mkdir is os.Mkdir of a directory that has the label from its first moment.
func Mkdir(path string, mode os.FileMode, l string) error {
	if l == "" {
		return os.Mkdir(path, mode)
	}
	runtime.LockOSThread() // the label is the thread's
	defer runtime.UnlockOSThread()
	if err := selinux.SetFSCreateLabel(l); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(path, mode), selinux.SetFSCreateLabel(""))
}

// Label gives a file the label; "" leaves it as it is. File systems that have
// no labels of their own, such as NFS, are passed over.
func Label(path, l string) error {
	if l == "" {
		return nil
	}
	return ignoreUnsupported(label.SetFileLabel(path, l))
}

// Relabel labels a file, or a directory with all that is in it, for one
// container or, with shared, for all of them. It refuses directories that the
// system lives in, such as /, /usr and the home directory.
func Relabel(path, mount string, shared bool) error {
	if mount == "" {
		return nil
	}
	return ignoreUnsupported(label.Relabel(path, mount, shared))
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

// MountData adds to a file system's data for mount(2) that all its files have
// the label.
func MountData(data, mount string) string { return label.FormatMountLabel(data, mount) }

// HasContext tells that options of mount(8) choose the files' label already.
func HasContext(options []string) bool {
	for _, o := range options {
		switch name, _, _ := strings.Cut(o, "="); name {
		case "context", "fscontext", "defcontext", "rootcontext", "seclabel":
			return true
		}
	}
	return false
}
