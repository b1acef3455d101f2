package userns

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/userns/join"
)

// startKeeper makes a keeper and has note write it down; join/keeper.c draws
// the talk between the two. With from != 0 the keeper joins the user namespace
// of that process instead of making one.
func startKeeper(from int, opts *Options, note func(record) error) error {
	talk, err := launchKeeper(from)
	if err != nil {
		return fmt.Errorf("cannot start the keeper: %w", err)
	}
	defer talk.Close()
	for {
		step, pid, errno, err := readStep(talk)
		if err != nil {
			return fmt.Errorf("cannot start the keeper: %w", err)
		}
		switch step {
		case join.StepMade:
			err = mapIDs(pid, opts)
		case join.StepReady:
			return finishKeeper(talk, pid, note)
		default:
			err = refused(step, errno)
		}
		if err != nil {
			return err
		}
		if err := goAhead(talk); err != nil {
			return err
		}
	}
}

// finishKeeper writes the keeper down and lets it go its way.
func finishKeeper(talk *os.File, pid int, note func(record) error) error {
	r, err := newRecord(pid)
	if err != nil {
		return fmt.Errorf("cannot start the keeper: %w", err)
	}
	leaveSession(pid)
	if err := note(r); err != nil {
		return err
	}
	return goAhead(talk)
}

// launchKeeper starts this program as a keeper and returns our end of the
// socket. The process started is only the keeper's parent: it forks and ends.
func launchKeeper(from int) (*os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "keeper"), os.NewFile(uintptr(pair[1]), "keeper")
	defer theirs.Close()
	cmd := exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{keeperComm},
		Env:        []string{join.KeeperEnv + "=3 -1", join.SmallEnv},
		Dir:        "/",
		ExtraFiles: []*os.File{theirs},
	}
	if from != 0 {
		ns, err := userNamespaceOf(from)
		if err != nil {
			ours.Close()
			return nil, fmt.Errorf("process %d: %w", from, err)
		}
		defer ns.Close()
		cmd.Env[0] = join.KeeperEnv + "=3 4"
		cmd.ExtraFiles = append(cmd.ExtraFiles, ns)
	}
	if err := cmd.Run(); err != nil {
		ours.Close()
		return nil, err
	}
	return ours, nil
}

// userNamespaceOf opens the namespace that lies directly below our own and in
// which process pid is. A container may have one of its own further down.
func userNamespaceOf(pid int) (*os.File, error) {
	own, err := os.Stat("/proc/self/ns/user")
	if err != nil {
		return nil, err
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return nil, err
	}
	for {
		// ioctl_ns(2); it is refused above our own namespace.
		fd, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_PARENT)
		if err != nil {
			ns.Close()
			return nil, fmt.Errorf("it is not in a namespace of yours: %w", err)
		}
		parent := os.NewFile(uintptr(fd), "user namespace")
		if fi, err := parent.Stat(); err == nil && os.SameFile(fi, own) {
			parent.Close()
			return ns, nil
		}
		ns.Close()
		ns = parent
	}
}

func readStep(talk io.Reader) (step, pid int, errno syscall.Errno, err error) {
	var m [join.StepMessageLength]byte
	if _, err = io.ReadFull(talk, m[:]); err != nil {
		return 0, 0, 0, err
	}
	field := func(i int) int { return int(int32(binary.NativeEndian.Uint32(m[4*i:]))) }
	return field(0), field(1), syscall.Errno(field(2)), nil
}

func goAhead(talk io.Writer) error {
	if _, err := talk.Write([]byte{1}); err != nil {
		return fmt.Errorf("cannot start the keeper: %w", err)
	}
	return nil
}
