package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/userns"
	"github.com/carob-containers/carob/pkg/userns/join"
)

// enter enters the user's namespaces. On the way in it may start this program
// anew, so a command calls it before it changes anything.
func (a *app) enter() error {
	if join.Result().Joined {
		// We are inside already, and Enter only says so in the environment,
		// without which the store of root would be located.
		return userns.Enter(userns.Options{})
	}
	paths, err := image.Locate(a.imageOptions())
	if err != nil {
		return err
	}
	state := filepath.Join(paths.GraphRoot, "carob")
	return userns.Enter(userns.Options{
		StateDir: state, Candidates: func() []int { return libpod.Monitors(state) }, Warn: a.warn,
	})
}

// open enters the user's namespaces and opens the state.
func (a *app) open(_ context.Context) (*libpod.Runtime, error) {
	if a.rt != nil {
		return a.rt, nil
	}
	err := a.enter()
	if err != nil {
		return nil, err
	}
	a.keepDescriptors()
	conf, err := a.engineConfig()
	if err != nil {
		return nil, err
	}
	run := a.global.tmpDir
	if run == "" {
		if run, err = userns.RuntimeDir(); err != nil {
			return nil, err
		}
	}
	monitor, err := helperProgram("carob-monitor")
	if err != nil {
		return nil, err
	}
	a.rt, err = libpod.Open(libpod.Options{
		Image: a.imageOptions(), RunDir: run, RuntimeFlags: a.global.runtimeFlags,
		OCIRuntime: conf.OCIRuntime(a.global.runtime), CgroupManager: cmp.Or(a.global.cgroupManager, conf.Engine.CgroupManager), Monitor: monitor, PullImage: a.pullImage, Self: a.selfArgv(),
	})
	return a.rt, err
}

func (a *app) imageOptions() image.Options {
	g := a.global
	return image.Options{GraphRoot: g.root, RunRoot: g.runroot, Driver: g.storageDriver, DriverOptions: g.storageOpts}
}

// selfArgv is this program with the same global flags.
func (a *app) selfArgv() []string {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return append([]string{self}, a.globalArgs()...)
}

// globalArgs are the global flags as given, for carob's other programs.
func (a *app) globalArgs() []string {
	g := a.global
	var args []string
	for _, f := range []struct{ flag, value string }{
		{"--root", g.root}, {"--runroot", g.runroot}, {"--storage-driver", g.storageDriver}, {"--tmpdir", g.tmpDir},
		{"--runtime", g.runtime}, {"--cgroup-manager", g.cgroupManager},
	} {
		if f.value != "" {
			args = append(args, f.flag, f.value)
		}
	}
	for _, o := range g.storageOpts {
		args = append(args, "--storage-opt", o)
	}
	for _, o := range g.runtimeFlags {
		args = append(args, "--runtime-flag", o)
	}
	return args
}

// pullImage lets carob-image pull: what speaks to registries is not linked
// into carob, whose start it would slow down.
func (a *app) pullImage(ctx context.Context, ref string, o libpod.PullOptions) (string, error) {
	program, err := helperProgram("carob-image")
	if err != nil {
		return "", err
	}
	args := append(a.globalArgs(), "pull")
	for _, f := range []struct{ flag, value string }{
		{"--policy", o.Policy}, {"--platform", o.Platform}, {"--arch", o.Arch}, {"--os", o.OS}, {"--variant", o.Variant},
		{"--authfile", o.AuthFile}, {"--signature-policy", o.SigPolicy},
	} {
		if f.value != "" {
			args = append(args, f.flag, f.value)
		}
	}
	if o.Quiet {
		args = append(args, "--quiet")
	}
	if o.TLSVerify != nil {
		args = append(args, fmt.Sprintf("--tls-verify=%t", *o.TLSVerify))
	}
	args = append(args, o.Args...)
	return a.runPull(ctx, program, append(args, "--iidfile", "/proc/self/fd/3", "--", ref))
}

// runPull runs carob-image with descriptor 3 for the ID: standard output is
// for what the container will say, and a prompt for the registry needs a
// terminal, which standard error may be.
func (a *app) runPull(ctx context.Context, program string, args []string) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = a.in, a.err, a.err, []*os.File{w}
	err = cmd.Start()
	w.Close() // it is the child's now
	if err != nil {
		return "", err
	}
	id, readErr := io.ReadAll(r)
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", &exitError{code: 125} // it has said why
	}
	if err := errors.Join(err, readErr); err != nil {
		return "", err
	}
	if len(id) == 0 {
		return "", errors.New("cannot pull: no image ID was given")
	}
	return string(id), nil
}

// helperProgram finds a program of carob's own: beside this one, or in
// ../libexec/carob of it.
func helperProgram(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(self)
	for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, "..", "libexec", "carob", name)} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("cannot find %s beside %s or in ../libexec/carob: carob is not completely installed", name, self)
}

func (a *app) warn(line string) { fmt.Fprintf(a.err, "Warning: %s\n", line) }

// keepDescriptors keeps what this process has inherited from being handed on
// to monitors and network helpers, which live on: whoever reads from a pipe
// of the caller's would wait for them. What is meant to go inside
// (--preserve-fds) is handed on by name, see preserved.
func (a *app) keepDescriptors() {
	if a.kept {
		return
	}
	a.kept = true
	for fd := uintptr(firstGiven); isGiven(fd); fd++ {
		a.given++
	}
	_ = unix.CloseRange(firstGiven, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // before Linux 5.11 they leak
}

// firstGiven is the first descriptor behind the standard streams.
const firstGiven = 3

// isGiven tells whether fd was open when this program began: what carob opens
// itself is marked close-on-exec.
func isGiven(fd uintptr) bool {
	flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// preserved are the n file descriptors from 3 on that the caller wants handed
// inside.
func (a *app) preserved(n uint) ([]*os.File, error) {
	a.keepDescriptors()
	if n > a.given {
		return nil, fmt.Errorf("cannot hand file descriptor %d inside: it is not open", firstGiven+a.given)
	}
	files := make([]*os.File, n)
	for i := range files {
		files[i] = os.NewFile(uintptr(firstGiven+i), fmt.Sprint("descriptor ", firstGiven+i))
	}
	return files, nil
}
