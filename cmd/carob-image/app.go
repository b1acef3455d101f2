package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containers/storage/pkg/unshare"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/config"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/transfer"
	"github.com/carob-containers/carob/pkg/userns"
	"github.com/carob-containers/carob/pkg/userns/join"
)

// version is set by the linker.
var version = "0.1.0-dev"

// app is what every command gets: the streams and the global options.
type app struct {
	in  *os.File
	out io.Writer
	err *os.File

	images        image.Options
	logLevel      string
	tmpDir        string
	eventsBackend string
	modules       []string
	conf          *config.Config // set by config
	umask         int            // the caller's, set by client
}

func newApp() *app { return &app{in: os.Stdin, out: os.Stdout, err: os.Stderr} }

// hinted is an error that knows its cure.
type hinted interface{ Hint() string }

// exitCode prints err as users see it and returns carob's code for its own
// failures.
func (a *app) exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(a.err, "Error: %s\n", strings.TrimRight(err.Error(), "\n"))
	var h hinted
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(a.err, "Hint: %s\n", h.Hint())
	}
	return 125
}

func usage(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())
}

// newRoot is the part of carob's command tree that lives in this program.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               "carob [options] command",
		Short:             "Move images between here and elsewhere",
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		TraverseChildren:  true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.useGlobalFlags() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(usage)
	addGlobalFlags(root, a)
	images := &cobra.Command{Use: "image", Short: "Manage images"}
	for _, c := range []func(*app) *cobra.Command{newPull, newPush, newLoad, newSave, newImport, newSearch} {
		root.AddCommand(c(a))
		images.AddCommand(c(a))
	}
	root.AddCommand(images, newLogin(a), newLogout(a))
	return root
}

// addGlobalFlags takes all of carob's global flags. Those that say how
// containers run have nothing to do here, but may stand before any command.
func addGlobalFlags(root *cobra.Command, a *app) {
	f := root.PersistentFlags()
	f.StringVar(&a.images.GraphRoot, "root", "", "directory of images and containers")
	f.StringVar(&a.images.RunRoot, "runroot", "", "directory of what does not outlive a reboot")
	f.StringVar(&a.images.Driver, "storage-driver", "", "storage driver (overlay, vfs)")
	f.StringArrayVar(&a.images.DriverOptions, "storage-opt", nil, "option of the storage driver")
	f.StringVar(&a.logLevel, "log-level", "warn", "debug, info, warn, error, fatal or panic")
	f.String("cgroup-manager", "", "systemd, cgroupfs or disabled")
	f.StringArrayVar(&a.modules, "module", nil, "more of containers.conf: a file, or a name below containers.conf.modules")
	f.String("runtime", "", "OCI runtime: a name or a path")
	f.StringArray("runtime-flag", nil, "global flag of the OCI runtime, without its dashes")
	f.StringVar(&a.tmpDir, "tmpdir", "", "directory of sockets and other runtime files")
	f.StringVar(&a.eventsBackend, "events-backend", "", "file, journald or none")
	f.StringArray("hooks-dir", nil, "directory of OCI hooks")
	f.String("volumepath", "", "directory of volumes, as long as there are none elsewhere")
	f.String("network-cmd-path", "", "path of slirp4netns")
}

// useGlobalFlags sets the log level, which is for the libraries: carob itself
// does not log.
func (a *app) useGlobalFlags() error {
	for _, o := range a.images.DriverOptions {
		if err := image.CheckDriverOption(o); err != nil {
			return fmt.Errorf("cannot use --storage-opt: %w", err)
		}
	}
	level, err := logrus.ParseLevel(a.logLevel)
	if err != nil {
		return fmt.Errorf("cannot use log level %q: it is none of debug, info, warn, error, fatal, panic", a.logLevel)
	}
	logrus.SetLevel(level)
	return nil
}

// enter enters the user's namespaces. On the way in it may start this program
// anew, so a command calls it before it changes anything.
func (a *app) enter() error {
	if join.Result().Joined {
		// We are inside already, and Enter only says so in the environment,
		// without which the store of root would be located.
		return userns.Enter(userns.Options{})
	}
	paths, err := image.Locate(a.images)
	if err != nil {
		return err
	}
	return userns.Enter(userns.Options{
		StateDir: filepath.Join(paths.GraphRoot, "carob"),
		Warn:     func(line string) { fmt.Fprintf(a.err, "Warning: %s\n", line) },
	})
}

// client opens the store inside the user's namespaces.
func (a *app) client(quiet bool) (*transfer.Client, error) {
	if err := a.enter(); err != nil {
		return nil, err
	}
	// Layers are there for containers, of any user: the caller's umask is for the
	// caller's files.
	a.umask = syscall.Umask(0o022)
	conf, err := a.config()
	if err != nil {
		return nil, err
	}
	store, err := image.Open(a.images)
	if err != nil {
		return nil, err
	}
	if err := giveRuntimeDir(); err != nil {
		return nil, err
	}
	if err := a.tellUnused(conf); err != nil {
		return nil, err
	}
	var progress io.Writer = a.err
	if quiet {
		progress = nil
	}
	client := transfer.New(store, progress, a.err, version)
	if n := conf.Engine.ImageParallelCopies; n != nil {
		client.Parallel = *n
	}
	return client, nil
}

// giveRuntimeDir names the runtime directory where the session did not (cron,
// su): that is where the libraries look for credentials and keep them. The
// store has been opened before, by a rule of its own.
func giveRuntimeDir() error {
	if os.Getenv("XDG_RUNTIME_DIR") != "" || unshare.GetRootlessUID() == 0 {
		return nil
	}
	dir, err := userns.RuntimeDir()
	if err != nil {
		return err
	}
	return os.Setenv("XDG_RUNTIME_DIR", filepath.Dir(dir))
}
