package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/config"
	"github.com/carob-containers/carob/pkg/eventlog"
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
	// What we make is there for containers, of any user: the caller's umask is for
	// the caller's files.
	a.umask = fs.FileMode(syscall.Umask(0o022))
	a.keepDescriptors()
	conf, err := a.engineConfig()
	if err != nil {
		return nil, err
	}
	opts, err := a.runtimeOptions(conf)
	if err != nil {
		return nil, err
	}
	if a.rt, err = libpod.Open(opts); err != nil {
		return nil, err
	}
	conf.Tell(opts.RunDir, a.warn)
	return a.rt, nil
}

// runtimeOptions are what the global flags say, and where they are silent
// containers.conf.
func (a *app) runtimeOptions(conf *config.Config) (o libpod.Options, err error) {
	g, e := a.global, conf.Engine
	o = libpod.Options{
		Image: a.imageOptions(), RunDir: cmp.Or(g.tmpDir, e.TmpDir), RuntimeFlags: g.runtimeFlags,
		OCIRuntime: conf.OCIRuntime(g.runtime), CgroupManager: g.cgroupManager, CgroupPreferred: e.CgroupManager,
		PullImage: a.pullImage, Self: a.selfArgv(), Warn: a.warn,
		VolumeDir: cmp.Or(g.volumePath, e.VolumePath), EventFile: e.EventsLogfilePath,
		HelperDirs: e.HelperBinariesDir.Values, SlirpPath: cmp.Or(g.networkCmdPath, e.NetworkCmdPath),
		HookDirs: e.HooksDir.Values, CreateFlags: createFlags(conf), MakesRoom: a.makesRoom,
	}
	if len(g.hooksDirs) > 0 {
		o.HookDirs = g.hooksDirs
	}
	if o.EventBackend, err = eventlog.Choose(g.eventsBackend, e.EventsLogger); err != nil {
		return o, err
	}
	if o.EventMax, err = eventMax(e.EventsLogfileMaxSize); err != nil {
		return o, err
	}
	if o.RunDir == "" {
		if o.RunDir, err = userns.RuntimeDir(); err != nil {
			return o, err
		}
	}
	o.Monitor, err = helperProgram("carob-monitor")
	return o, err
}

// eventMax is the size at which the file of events is begun anew; 0 is never.
func eventMax(text string) (int64, error) {
	if text == "" {
		return eventlog.DefaultMax, nil
	}
	n, err := spec.ParseSize(text)
	if err != nil {
		return 0, fmt.Errorf("cannot use events_logfile_max_size %q of containers.conf: %w", text, err)
	}
	return n, nil
}

// createFlags are flags of the OCI runtime's create that containers.conf asks for.
func createFlags(conf *config.Config) []string {
	var flags []string
	if no := conf.Engine.NoPivotRoot; no != nil && *no {
		flags = append(flags, "--no-pivot")
	}
	if keyring := conf.Containers.Keyring; keyring != nil && !*keyring {
		flags = append(flags, "--no-new-keyring")
	}
	return flags
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
		{"--runtime", g.runtime}, {"--cgroup-manager", g.cgroupManager}, {"--events-backend", g.eventsBackend},
		{"--volumepath", g.volumePath}, {"--network-cmd-path", g.networkCmdPath},
	} {
		if f.value != "" {
			args = append(args, f.flag, f.value)
		}
	}
	for _, o := range g.storageOpts {
		args = append(args, "--storage-opt", o)
	}
	for _, dir := range g.hooksDirs {
		args = append(args, "--hooks-dir", dir)
	}
	for _, o := range g.runtimeFlags {
		args = append(args, "--runtime-flag", o)
	}
	for _, m := range g.modules {
		args = append(args, "--module", m)
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
	paths, files, err := inheritedFiles(o.Auth, []byte(o.Credentials))
	if err != nil {
		return "", fmt.Errorf("cannot hand on the credentials for image %s: %w", ref, err)
	}
	for _, f := range files {
		defer f.Close()
	}
	args := append(a.globalArgs(), "pull")
	for _, f := range []struct{ flag, value string }{
		{"--policy", o.Policy}, {"--platform", o.Platform}, {"--arch", o.Arch}, {"--os", o.OS}, {"--variant", o.Variant},
		{"--authfile", cmp.Or(paths[0], o.AuthFile)}, {"--creds-file", paths[1]}, {"--signature-policy", o.SigPolicy},
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
	return a.runPull(ctx, program, append(args, "--iidfile", "/proc/self/fd/3", "--", ref), files)
}

// inheritedFiles holds secrets in files for carob-image to inherit, behind
// descriptor 3, on which it tells an ID. An empty secret has no file and no path.
func inheritedFiles(secrets ...[]byte) (paths []string, files []*os.File, err error) {
	paths = make([]string, len(secrets))
	for i, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		f, err := inMemory(secret)
		if err != nil {
			return nil, nil, err
		}
		paths[i] = fmt.Sprint("/proc/self/fd/", 4+len(files))
		files = append(files, f)
	}
	return paths, files, nil
}

// inMemory is a file that is in no directory: nothing is left of it, however
// this process ends.
func inMemory(body []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("carob", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memfd")
	if _, err := f.Write(body); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// runPull runs carob-image with descriptor 3 for the ID, and files behind it: standard output is
// for what the container will say, and a prompt for the registry needs a
// terminal, which standard error may be.
func (a *app) runPull(ctx context.Context, program string, args []string, files []*os.File) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT} // nobody is left who wants the image
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = a.in, a.err, a.err, append([]*os.File{w}, files...)
	err = cmd.Start()
	w.Close() // it is the child's now
	if err != nil {
		return "", err
	}
	id, readErr := io.ReadAll(r)
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return "", &exitError{code: 125} // it has said why
	}
	if exit != nil {
		return "", fmt.Errorf("cannot pull image %s: %s ended: %w", args[len(args)-1], program, err)
	}
	if err := errors.Join(err, readErr); err != nil {
		return "", err
	}
	if len(id) == 0 && !slices.Contains(args, "--look") {
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
