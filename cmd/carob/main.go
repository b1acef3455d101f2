// Command carob runs containers and pods for an unprivileged user.
//
// This file is the way in: it finds the one command that was asked for and
// builds only that, because building all of them costs more than the
// shortest of them takes.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/containers/storage/pkg/reexec"

	_ "github.com/carob-containers/carob/pkg/userns/join" // enters the user's namespaces before Go starts
)

func main() {
	if reexec.Init() {
		return // containers/storage has started us for a task of its own
	}
	if os.Getenv("PATH") == "" { // a service or a login may have none: then programs are where execvp(3) looks, and where root's are
		os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	if program, argv := imageProgram(os.Args); program != "" {
		execImageProgram(program, argv)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, argv []string) int {
	a := newApp()
	root := newRoot(a, argv[1:])
	root.SetArgs(argv[1:])
	err := root.ExecuteContext(ctx)
	if a.rt != nil {
		err = errors.Join(err, a.rt.Settle())
	}
	return a.exitCode(err)
}
