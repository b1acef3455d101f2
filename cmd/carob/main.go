// Command carob runs containers and pods for an unprivileged user.
//
// This file is the way in: it finds the one command that was asked for and
// builds only that, because building all of them costs more than the
// shortest of them takes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, argv []string) int {
	a := newApp()
	root := newRoot(a, argv[1:])
	root.SetArgs(argv[1:])
	return a.exitCode(root.ExecuteContext(ctx))
}
