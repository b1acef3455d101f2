package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
)

// SpawnOptions says how to start a monitor.
type SpawnOptions struct {
	Program string // path of carob-monitor
	Dir     string // the container's directory, holding monitor.ConfigFile
	// Record is the container's record file, locked with monitor.LockRecord.
	// The lock lives as long as any copy of this open file: the caller closes
	// its own once Spawn has returned.
	Record *os.File
	Stdio  *[3]*os.File // the monitor's 0, 1 and 2; nil: /dev/null. For log driver passthrough
	Extra  []*os.File   // from fd 5 on; Config.PreserveFDs of them go inside
	Env    []string     // nil: the caller's
	Adopt  bool         // take over a container whose monitor died

	// Attach and ClaimRemove are said before the monitor looks at the
	// container, so that no byte of output can be missed: as if Conn.Attach
	// and Conn.ClaimRemove had been called, and answered the same way.
	Attach      byte
	ClaimRemove bool
}

// Spawn starts a monitor in a session of its own and returns the connection
// to it. The monitor lives in the namespaces of the calling thread, so a
// caller that has locked itself to a thread with a mount namespace of its
// own passes that on.
func Spawn(ctx context.Context, o SpawnOptions) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket for the monitor: %w", err)
	}
	defer unix.Close(pair[1])
	c, err := newConn(pair[0], 0)
	if err != nil {
		return nil, err
	}
	err = errors.Join(c.firstWords(o), c.fork(o, pair[1]))
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Conn) firstWords(o SpawnOptions) error {
	var err error
	if o.ClaimRemove {
		err = c.ClaimRemove()
	}
	if o.Attach != 0 {
		err = errors.Join(err, c.Attach(o.Attach))
	}
	return err
}

func (c *Conn) fork(o SpawnOptions, theirs int) error {
	files := make([]uintptr, monitor.RecordFD+1, monitor.RecordFD+1+len(o.Extra))
	if o.Stdio != nil {
		for i, f := range o.Stdio {
			files[i] = f.Fd()
		}
	} else {
		null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("cannot open /dev/null: %w", err)
		}
		defer unix.Close(null)
		files[0], files[1], files[2] = uintptr(null), uintptr(null), uintptr(null)
	}
	files[monitor.LauncherFD], files[monitor.RecordFD] = uintptr(theirs), o.Record.Fd()
	for _, f := range o.Extra {
		files = append(files, f.Fd())
	}
	env := o.Env
	if env == nil {
		env = os.Environ()
	}
	env = append(env, goRuntimeEnv...)
	// ForkExec forks the calling thread; it starts no goroutine that could
	// run in other namespaces.
	pid, err := syscall.ForkExec(o.Program, o.argv(), &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("cannot start the monitor %s: %w", o.Program, err)
	}
	c.pid = pid
	return nil
}

// goRuntimeEnv makes the monitor's Go runtime small: memory for one processor
// instead of for each the host has, and no huge pages in its heap. The
// monitor does not pass it on.
var goRuntimeEnv = []string{"GOMAXPROCS=1", "GODEBUG=disablethp=1"}

func (o *SpawnOptions) argv() []string {
	if o.Adopt {
		return []string{"carob-monitor", "--adopt", o.Dir}
	}
	return []string{"carob-monitor", o.Dir}
}
