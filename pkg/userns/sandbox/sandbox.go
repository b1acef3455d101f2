// Package sandbox starts the process that holds a pod's namespaces: its infra
// container. The process is this program itself, which stops in a C
// constructor before Go begins (package join, sandbox.c) and takes 12 kB.
package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/userns/join"
)

// Config says what a sandbox holds.
type Config struct {
	Name string // its second argument, for those who read ps(1)
	// Record stays open, with the lock on it, as long as the sandbox lives.
	Record *os.File
	// Root is an empty directory that becomes its root; everybody must be
	// allowed to enter it (0711), for a user namespace may lack its owner.
	Root *os.File
	// New are the namespaces made for it: CLONE_NEWIPC, _NEWUTS, _NEWPID.
	New uintptr
	// Join are namespaces that exist, other than user namespaces; the calling
	// thread enters them and has to end afterwards (sys.OnThread).
	Join []*os.File
	// User is a user namespace to join; nil: UIDs and GIDs make one, or, with
	// those empty too, the caller's own is kept.
	User       *os.File
	UIDs, GIDs []syscall.SysProcIDMap
	Hostname   string // of a new UTS namespace
}

// Sandbox is one on its way up: it ends with this process unless released.
type Sandbox struct {
	PID  int
	talk *os.File
}

// Start starts a sandbox in the mount namespace of the calling thread, and
// waits until its namespaces are there.
func Start(cfg Config) (*Sandbox, error) {
	for _, ns := range cfg.Join {
		if err := unix.Setns(int(ns.Fd()), 0); err != nil {
			return nil, fmt.Errorf("cannot join the namespace %s: %w", ns.Name(), err)
		}
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{talk: os.NewFile(uintptr(pair[0]), "sandbox")}
	theirs := os.NewFile(uintptr(pair[1]), "sandbox")
	s.PID, err = fork(cfg, theirs)
	theirs.Close() // or a sandbox that is killed at once would never be missed
	if err != nil {
		s.talk.Close()
		return nil, fmt.Errorf("cannot start a sandbox: %w", err)
	}
	if err := s.ready(); err != nil {
		s.Abort()
		return nil, err
	}
	return s, nil
}

func fork(cfg Config, talk *os.File) (int, error) {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd(), talk.Fd(), cfg.Record.Fd(), cfg.Root.Fd()}
	words := join.SandboxEnv + "=3 4 5 -1"
	attr := &syscall.SysProcAttr{Setsid: true, Cloneflags: cfg.New}
	switch {
	case cfg.User != nil:
		files = append(files, cfg.User.Fd())
		words = join.SandboxEnv + "=3 4 5 6"
	case len(cfg.UIDs) > 0:
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings, attr.GidMappings, attr.GidMappingsEnableSetgroups = cfg.UIDs, cfg.GIDs, true
		attr.Credential = &syscall.Credential{}
	}
	env := []string{words, join.SmallEnv}
	if cfg.Hostname != "" {
		env = append(env, join.HostnameEnv+"="+cfg.Hostname)
	}
	return syscall.ForkExec("/proc/self/exe", []string{"carob-pause", cfg.Name}, &syscall.ProcAttr{Dir: "/", Env: env, Files: files, Sys: attr})
}

// ready hears how the sandbox's own part went.
func (s *Sandbox) ready() error {
	var m [4]byte
	if _, err := io.ReadFull(s.talk, m[:]); err != nil {
		return fmt.Errorf("cannot start a sandbox: %w", err)
	}
	if errno := syscall.Errno(binary.NativeEndian.Uint32(m[:])); errno != 0 {
		return fmt.Errorf("cannot set up a sandbox: %w", errno)
	}
	return nil
}

// UnshareCgroup gives the sandbox a new cgroup namespace, with the control
// group that it is in now at the top.
func (s *Sandbox) UnshareCgroup() error {
	if _, err := s.talk.Write([]byte{'c'}); err != nil {
		return fmt.Errorf("cannot talk to a sandbox: %w", err)
	}
	return s.ready()
}

// Release lets the sandbox live on: call it once it was written down.
func (s *Sandbox) Release() error {
	_, err := s.talk.Write([]byte{'g'})
	if err != nil {
		return fmt.Errorf("cannot release a sandbox: %w", err)
	}
	return errors.Join(s.ready(), s.talk.Close())
}

// Abort ends a sandbox that was not released, and waits for its end.
func (s *Sandbox) Abort() {
	s.talk.Close()
	for {
		if _, err := unix.Wait4(s.PID, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}
