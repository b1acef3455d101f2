package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/cgroup"
	"github.com/carob-containers/carob/pkg/image"
)

// version is set by the linker.
var version = "0.1.0-dev"

// command is a line of the command table: the name, and how it is made.
type command struct {
	name string
	make func(*app) *cobra.Command
}

// newRoot builds the tree. When args name a command, only that one gets its
// flags and its children; help, completion and mistakes need all of them.
func newRoot(a *app, args []string) *cobra.Command {
	root := newGlobalRoot(a)
	wanted, _ := firstWord(root, args)
	for _, c := range commands() {
		if c.name == wanted {
			root.AddCommand(c.make(a))
			return root
		}
	}
	for _, c := range commands() {
		root.AddCommand(c.make(a))
	}
	refuseUnknown(root)
	return root
}

// refuseUnknown makes mistakes of those who call cobra's own commands, help
// and completion, errors like any other: cobra prints help for them.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, noSuchCommand
		case "help":
			help := cmd.Run
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = noSuchCommand(found, rest)
				}
				if err == nil {
					help(cmd, args)
				}
				return err
			}
		}
	}
}

// newGlobalRoot is the root with the global flags and no command yet.
func newGlobalRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               "carob [options] command",
		Short:             "Containers and pods without a daemon and without root",
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		TraverseChildren:  true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.Args = cobra.ArbitraryArgs // RunE knows what is wrong with them
	root.RunE = noSuchCommand
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) { a.makesRoom = makesRoom(cmd.Name()) }
	root.SetVersionTemplate("carob version {{.Version}}\n")
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(wrongFlag)
	addGlobalFlags(root, &a.global)
	return root
}

// makesRoom tells of a verb, wherever it stands, that it is one a full disk
// is emptied with.
func makesRoom(verb string) bool {
	return slices.Contains([]string{"down", "prune", "reset", "rm", "rmi"}, verb)
}

// noSuchCommand runs when no command was named, or one that is not there.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.Join(cmd.Help(), fmt.Errorf("missing command '%s COMMAND'", cmd.CommandPath()))
	}
	err := fmt.Errorf("unrecognized command '%s %s'", cmd.CommandPath(), args[0])
	cmd.SuggestionsMinimumDistance = 2 // letters wrong, as cobra itself takes where it asks
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
	}
	return usage(cmd, err)
}

// wrongFlag: of a command that is not there no flag is known, and that is not
// what is wrong with it.
func wrongFlag(cmd *cobra.Command, err error) error {
	if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
		return noSuchCommand(cmd, words)
	}
	return usage(cmd, err)
}

// parent makes a command that only holds others.
func parent(a *app, name, short string, children []command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, RunE: noSuchCommand}
	for _, c := range children {
		cmd.AddCommand(c.make(a))
	}
	return cmd
}

// firstWord is the first argument that is neither a global flag nor its
// value, and what follows it.
func firstWord(root *cobra.Command, args []string) (string, []string) {
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		if len(word) < 2 || word[0] != '-' {
			return word, args
		}
		name, _, hasValue := cutFlag(word)
		f := root.PersistentFlags().Lookup(name)
		if f != nil && f.NoOptDefVal == "" && !hasValue && len(args) > 0 {
			args = args[1:]
		}
	}
	return "", nil
}

func cutFlag(word string) (name, value string, hasValue bool) {
	for len(word) > 0 && word[0] == '-' {
		word = word[1:]
	}
	for i := range word {
		if word[i] == '=' {
			return word[:i], word[i+1:], true
		}
	}
	return word, "", false
}

func addGlobalFlags(root *cobra.Command, g *globalOptions) {
	f := root.PersistentFlags()
	f.StringVar(&g.root, "root", "", "directory of images and containers")
	f.StringVar(&g.runroot, "runroot", "", "directory of what does not outlive a reboot")
	f.StringVar(&g.storageDriver, "storage-driver", "", "storage driver (overlay, vfs)")
	f.Var(each(&g.storageOpts, "stringArray", driverOption), "storage-opt", "option of the storage driver")
	f.Var(&flagValue{set: checkLogLevel, kind: "string", text: "warn"}, "log-level", "debug, info, warn, error, fatal or panic")
	f.Var(one(&g.cgroupManager, "string", parseCgroupManager), "cgroup-manager", "systemd, cgroupfs or disabled")
	f.StringArrayVar(&g.modules, "module", nil, "more of containers.conf: a file, or a name below containers.conf.modules")
	f.StringVar(&g.runtime, "runtime", "", "OCI runtime: a name or a path")
	f.StringArrayVar(&g.runtimeFlags, "runtime-flag", nil, "global flag of the OCI runtime, without its dashes")
	f.StringVar(&g.tmpDir, "tmpdir", "", "directory of sockets and other runtime files")
	f.StringVar(&g.eventsBackend, "events-backend", "", "file, journald or none")
	f.StringArrayVar(&g.hooksDirs, "hooks-dir", nil, "directory of OCI hooks")
	f.StringVar(&g.volumePath, "volumepath", "", "directory of volumes, as long as there are none elsewhere")
	f.StringVar(&g.networkCmdPath, "network-cmd-path", "", "path of slirp4netns")
}

func driverOption(option string) (string, error) { return option, image.CheckDriverOption(option) }

func parseCgroupManager(name string) (string, error) {
	switch name {
	case "", cgroup.Systemd, cgroup.FS, cgroup.None:
		return name, nil
	}
	return "", errors.New("it is none of systemd, cgroupfs, disabled")
}

// checkLogLevel is all there is to --log-level in this program, which does not
// log: only carob-image has libraries that do.
func checkLogLevel(level string) error {
	switch strings.ToLower(level) {
	case "trace", "debug", "info", "warn", "warning", "error", "fatal", "panic":
		return nil
	}
	return errors.New("it is none of trace, debug, info, warn, error, fatal, panic")
}
