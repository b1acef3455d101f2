package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/userns"
)

type unshareOptions struct {
	rootlessNetNS bool
}

func newUnshare(a *app) *cobra.Command {
	o := &unshareOptions{}
	cmd := &cobra.Command{
		Use:   "unshare [options] [COMMAND [ARG...]]",
		Short: "Run a command in the user namespace of the containers",
		Long: "Run a command, by default $SHELL, in the user and mount namespace that carob's commands work in.\n" +
			"There you are root, and the ids of your range in /etc/subuid and /etc/subgid are yours.",
		Example: "carob unshare cat /proc/self/uid_map\ncarob unshare chown 100:100 data",
		RunE:    func(_ *cobra.Command, args []string) error { return runUnshare(a, o, args) },
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVar(&o.rootlessNetNS, "rootless-netns", false, "also join the network namespace of bridge networks")
	return cmd
}

func runUnshare(a *app, o *unshareOptions, args []string) error {
	if !userns.Rootless() {
		return errors.New("cannot unshare: root has no user namespace to go to")
	}
	if o.rootlessNetNS {
		return errors.New("cannot join the network namespace of bridge networks: they come in a later version of carob")
	}
	if err := a.enter(); err != nil {
		return err
	}
	paths, err := image.Locate(a.imageOptions())
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{shell()}
	}
	env := append(os.Environ(), "CONTAINERS_GRAPHROOT="+paths.GraphRoot, "CONTAINERS_RUNROOT="+paths.RunRoot)
	return become(args, env)
}

func shell() string {
	if s := os.Getenv("SHELL"); s != "" {
		return s
	}
	return "/bin/sh"
}

// become executes a program in place of carob. It returns only an error, with
// the exit code that chroot(1) gives it: 127 not found, 126 not executable.
func become(args, env []string) error {
	path, err := exec.LookPath(args[0])
	if err == nil {
		err = syscall.Exec(path, args, env)
	}
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		err = lookup.Err
	}
	code := 126
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		code = 127
	}
	return &exitError{code: code, err: fmt.Errorf("cannot run %s: %w", args[0], err)}
}
