package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/libpod/oci"
	"github.com/carob-containers/carob/pkg/sys"
	"github.com/carob-containers/carob/pkg/userns"
)

// ExecOptions say what is run in a container, and how. The zero value runs as
// the container's own process does.
type ExecOptions struct {
	Args       []string
	Env        map[string]string // beside, and over, the container's own
	User       string            // as in run --user; "" the container's
	WorkDir    string            // "" the container's
	Privileged bool              // all capabilities that carob has
	Terminal   bool
	// Detach leaves the process to itself, without streams.
	Detach bool
	// ExtraFiles become the process's descriptors from 3 on.
	ExtraFiles []*os.File
	// Streams are what is joined to the process; Follow and Started have no
	// meaning here. Signals go to the process.
	Streams AttachOptions
}

// Executed tells how an exec ended, when it ended well.
type Executed struct {
	ID       string // its name in events
	Code     int    // the process's exit code
	Detached bool   // the user left; the process goes on
}

// ErrExec marks what keeps a process from being started in a container that
// was found.
var ErrExec = errors.New("cannot exec")

// execError is an ErrExec in podman's words.
type execError struct{ text string }

func (e *execError) Error() string        { return e.text }
func (e *execError) Is(target error) bool { return target == ErrExec }

// Exec runs a process in a running container, beside its own, and returns its
// exit code. What the OCI runtime refused is a *client.Failed with podman's
// exit code.
//
// The runtime is a child of ours, for as long as the process runs, and nobody
// keeps a book on it: of a killed carob nothing remains but the process.
func (c *Container) Exec(ctx context.Context, o *ExecOptions) (*Executed, error) {
	if err := c.refuseInfra("run a command in"); err != nil {
		return nil, err
	}
	st, err := c.State()
	if err != nil {
		return nil, err
	}
	if len(o.Args) == 0 {
		return nil, &execError{"must provide a non-empty command to start an exec session: invalid argument"}
	}
	if st.Status != StateRunning {
		cure := "carob start "
		if st.Status == StatePaused {
			cure = "carob unpause "
		}
		return nil, WithHint(&execError{"cannot exec in container " + c.Name + ": it is " + st.Status +
			": can only create exec sessions on running containers"}, cure+c.Name)
	}
	x := &execution{c: c, o: o, id: newID(), of: st}
	defer x.close()
	if err := x.prepare(); err != nil {
		return nil, err
	}
	c.rt.event(c, "exec", map[string]string{"execID": x.id})
	return x.run(ctx)
}

// execution is one process on its way into a container.
type execution struct {
	c    *Container
	o    *ExecOptions
	id   string
	of   *State // of the container when all began
	oci  *oci.Runtime
	cmd  *exec.Cmd
	log  *os.File // what the runtime complains of
	tty  *execConsole
	junk []func()
}

func (x *execution) close() {
	for _, undo := range x.junk {
		undo()
	}
}

// prepare makes the runtime's command. The description of the process and the
// runtime's log are in memory: nothing needs to be removed after a kill.
func (x *execution) prepare() error {
	var err error
	if x.c.ownsCgroup() && rootless() {
		// Where this fails the runtime says what it may not do.
		_ = userns.LeaveSession(false)
	}
	if x.oci, err = x.c.rt.OCI(); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(x.oci.Root, x.c.ID)); errors.Is(err, os.ErrNotExist) {
		return WithHint(&execError{"cannot exec in container " + x.c.Name + ": the OCI runtime's state was removed from " + x.oci.Root},
			"carob restart "+x.c.Name)
	}
	body, err := x.process(x.of.PID)
	if err != nil {
		return err
	}
	process, err := x.memory("process", body)
	if err != nil {
		return err
	}
	if x.log, err = x.memory("log", nil); err != nil {
		return err
	}
	files := append(append([]*os.File{}, x.o.ExtraFiles...), process, x.log)
	argv := x.oci.Argv(x.c.cgroupManager(x.oci))
	argv = append(argv, "--log", childFD(len(files)-1), "--log-format=json", "exec", "--process", childFD(len(files)-2))
	if n := len(x.o.ExtraFiles); n > 0 {
		argv = append(argv, "--preserve-fds="+strconv.Itoa(n))
	}
	if x.o.Detach {
		argv = append(argv, "--detach")
	}
	if x.o.Terminal {
		if x.tty, err = listenConsole(x.c.RunDir(), "exec-"+x.id[:12]); err != nil {
			return err
		}
		x.junk = append(x.junk, x.tty.close)
		files = append(files, x.tty.dir)
		argv = append(argv, "--console-socket", x.tty.path(uintptr(2+len(files))))
	}
	x.cmd = exec.Command(argv[0], append(argv[1:], x.c.ID)...)
	x.cmd.ExtraFiles, x.cmd.Env = files, x.oci.Env
	// A process group of its own: what is typed on our terminal reaches the
	// process once, through us.
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return nil
}

// childFD names descriptor 3+n of a child to itself.
func childFD(n int) string { return "/proc/self/fd/" + strconv.Itoa(3+n) }

func (x *execution) memory(name string, body []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot exec in container %s: %w", x.c.Name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	x.junk = append(x.junk, func() { f.Close() })
	_, err = f.Write(body)
	return f, err
}

func (x *execution) run(ctx context.Context) (*Executed, error) {
	streams, err := x.connect()
	if err != nil {
		return nil, err
	}
	defer streams.close()
	if err := x.start(); err != nil {
		return nil, fmt.Errorf("cannot exec in container %s: %w", x.c.Name, err)
	}
	streams.begin()
	ended := make(chan error, 1)
	go func() { ended <- x.cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return x.end(streams, err)
		case <-streams.left:
			return &Executed{ID: x.id, Detached: true}, x.leave(streams)
		case sig := <-x.o.Streams.Signals:
			_ = x.cmd.Process.Signal(sig) // the runtime hands it on
		case <-ctx.Done():
			_ = x.cmd.Process.Signal(syscall.SIGTERM)
			return nil, context.Cause(ctx)
		}
	}
}

// end is when the runtime has ended: with the process, or once a detached one
// runs.
func (x *execution) end(streams *execStreams, err error) (*Executed, error) {
	if x.o.Detach && err == nil && x.tty != nil {
		return &Executed{ID: x.id}, x.leave(streams)
	}
	if !x.o.Detach {
		streams.drain()
	}
	return x.outcome(err)
}

// leave gives the terminal to somebody who holds it until the process ends:
// without that the process would be hung up.
func (x *execution) leave(streams *execStreams) error {
	master := streams.master()
	if master == nil {
		return nil
	}
	cmd := exec.Command(x.c.rt.opts.Monitor, "--hold")
	cmd.Stdin, cmd.Dir, cmd.SysProcAttr = master, "/", &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

// start forks the runtime, in a place where it does not see a cgroup tree
// that it would refuse. runc begins in the root file system's directory, which
// for a container with ids of its own is in its monitor's mount namespace only.
func (x *execution) start() error {
	if x.oci.Name == "runc" && x.c.Isolation.Mapping != nil && !x.of.Orphan {
		return sys.AtMounts(x.of.MonitorPID, x.cmd.Start)
	}
	return besideCgroups(x.oci, x.cmd.Start)
}

// wordless is how crun exits, without a word, when the process was killed, as
// all others of a container that ends, before it had become the user's.
const wordless = 255

// outcome tells the process's exit code from the runtime's failures.
func (x *execution) outcome(err error) (*Executed, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	code := exitStatus(x.cmd.ProcessState)
	if code != 0 {
		if failed, text := monitor.RuntimeError(x.oci.Name, x.logPath()); text != "" {
			return nil, &client.Failed{Code: failed, Text: text}
		}
	}
	if code == wordless && startTime(x.of.PID) != x.of.PIDStart {
		return nil, &client.Failed{Code: 128 + int(syscall.SIGKILL),
			Text: "cannot exec in container " + x.c.Name + ": it ended before the process had begun"}
	}
	x.c.rt.event(x.c, "exec_died", map[string]string{"execID": x.id, "exitCode": strconv.Itoa(code)})
	return &Executed{ID: x.id, Code: code}, nil
}

func (x *execution) logPath() string { return fmt.Sprintf("/proc/self/fd/%d", x.log.Fd()) }

func exitStatus(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}
