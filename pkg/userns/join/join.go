// Package join makes a carob command enter the keeper's user and mount
// namespace before the Go runtime starts, and is the body of the keeper
// itself, of pods' sandboxes and of dozing monitors. Linking it is enough: the
// work is done by a C constructor, drawn in join.c, keeper.c, sandbox.c and doze.c. Only package userns
// and those below it read what it found.
package join

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#include "join.h"
*/
import "C"

import "syscall"

// KeeperEnv is the environment variable that turns this program into a
// keeper: "SOCKET NAMESPACE", two descriptor numbers; NAMESPACE is -1 where a
// new user namespace shall be made.
const KeeperEnv = "_CAROB_KEEPER"

// SandboxEnv turns this program into a pod's sandbox: "SOCKET RECORD ROOT USERNS",
// four descriptor numbers; USERNS is -1 where no user namespace is to be
// joined. HostnameEnv is the name it gives its UTS namespace.
const (
	SandboxEnv  = "_CAROB_SANDBOX"
	HostnameEnv = "_CAROB_HOSTNAME"
)

// SmallEnv keeps glibc from registering a part of the process's memory with
// the kernel, so that it can be given up; see rest in keeper.c.
const SmallEnv = "GLIBC_TUNABLES=glibc.pthread.rseq=0"

// Steps of a keeper's making, as told by it; see keeper.c.
const (
	StepMade          = 1
	StepReady         = 2
	StepUserFailed    = -1
	StepMountFailed   = -2
	StepJoinFailed    = -3
	StepForkFailed    = -4
	StepMessageLength = 12 // three C ints: step, pid, errno
)

// State tells what the constructor did.
type State struct {
	Joined   bool          // we are inside the keeper's namespaces
	UID, GID int           // effective ids before that
	Found    bool          // a record of a live keeper was there
	Err      syscall.Errno // why it could not be joined, if Found and not Joined
}

// Result returns what happened before Go started.
func Result() State {
	r := C.carob_join
	return State{
		Joined: r.joined != 0,
		UID:    int(r.uid),
		GID:    int(r.gid),
		Found:  r.found != 0,
		Err:    syscall.Errno(r.err),
	}
}
