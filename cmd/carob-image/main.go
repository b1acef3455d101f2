// Command carob-image moves images between the store and registries, archives
// and other places. carob becomes this program for pull, push, load, save,
// import, login, logout and search, and runs it to pull what a container
// needs: what speaks to registries costs more to start than a container.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/containers/storage/pkg/reexec"

	_ "github.com/carob-containers/carob/pkg/userns/join" // enters the user's namespaces before Go starts
)

func main() {
	if reexec.Init() {
		return // containers/storage has started us to unpack a layer
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	a := newApp()
	root := newRoot(a)
	root.SetArgs(os.Args[1:])
	code := a.exitCode(root.ExecuteContext(ctx))
	stop()
	os.Exit(code)
}
