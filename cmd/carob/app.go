package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/pkg/config"
)

// app is what every command gets: the streams and the global options.
type app struct {
	in  *os.File
	out io.Writer
	err io.Writer

	global    globalOptions
	rt        *libpod.Runtime // set by open
	umask     fs.FileMode     // the caller's, set by open
	conf      *config.Config  // set by config
	makesRoom bool            // the command is one of those on a full disk
	kept      bool            // keepDescriptors was called
	given     uint            // descriptors that this process was given, from firstGiven on without a gap
}

type globalOptions struct {
	root, runroot, storageDriver string
	storageOpts                  []string
	cgroupManager                string
	runtime                      string
	runtimeFlags                 []string
	tmpDir                       string
	eventsBackend                string
	hooksDirs                    []string
	volumePath                   string
	networkCmdPath               string
	modules                      []string
}

func newApp() *app {
	return &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
}

// exitError ends carob with a code of its own; an empty message prints nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// hinted is an error that knows its cure. Anything in libpod or pkg may
// implement it; the hint is printed on a line of its own.
type hinted interface{ Hint() string }

// exitCode prints err, if any, as users see it and returns carob's exit code:
// 125 for carob's own failures, as podman has it, or the code err carries.
func (a *app) exitCode(err error) int {
	if err == nil {
		return 0
	}
	code := 125
	var failed *client.Failed
	if errors.As(err, &failed) {
		code = failed.Code
	}
	var ee *exitError
	if errors.As(err, &ee) {
		code = ee.code
		if ee.err == nil {
			return code
		}
	}
	text := strings.TrimRight(err.Error(), "\n")
	if errors.Is(err, context.Canceled) { // by a signal
		text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
	}
	fmt.Fprintf(a.err, "Error: %s\n", text)
	var h hinted
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(a.err, "Hint: %s\n", h.Hint())
	}
	return code
}

// usage makes a wrong call an error that names the command's help.
func usage(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())
}
