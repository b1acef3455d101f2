package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/termio"
)

type cpOptions struct {
	libpod.CopyOptions
	flags *pflag.FlagSet
}

func newCp(a *app) *cobra.Command {
	o := &cpOptions{}
	cmd := &cobra.Command{
		Use:   "cp [options] [CONTAINER:]SOURCE [CONTAINER:]DESTINATION",
		Short: "Copy files between containers and the host",
		Long: "Copy a file or a directory. SOURCE/. copies what is in a directory. In place of the host's path,\n" +
			"- reads a tar from standard input, or writes one to standard output.",
		Example: "carob cp web:/etc/nginx/nginx.conf .\ncarob cp site/. web:/usr/share/nginx/html\ncarob cp web:/var/log - | tar t",
		Args:    cobra.ExactArgs(2),
		RunE:    func(cmd *cobra.Command, args []string) error { return runCp(cmd.Context(), a, o, args[0], args[1]) },

		ValidArgsFunction: a.completeContainers,
	}
	f := cmd.Flags()
	o.flags = f
	f.BoolVarP(&o.Archive, "archive", "a", true, "give what comes into a container to the container's user; =false keeps owners as numbers")
	f.BoolVar(&o.Overwrite, "overwrite", false, "let directories take the place of other files, and the reverse")
	return cmd
}

func runCp(ctx context.Context, a *app, o *cpOptions, source, destination string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if err := a.chownByConfig(o); err != nil {
		return err
	}
	from, err := place(ctx, rt, source)
	if err != nil {
		return err
	}
	to, err := place(ctx, rt, destination)
	if err != nil {
		return err
	}
	if from.Container == nil && to.Container == nil {
		return fmt.Errorf("cannot copy %q to %q: at least one of them must be in a container (CONTAINER:PATH)", source, destination)
	}
	switch {
	case source == "-":
		return rt.CopyIn(ctx, a.in, to, o.CopyOptions)
	case destination == "-":
		if out, ok := a.out.(*os.File); ok && termio.IsTerminal(out) {
			return errors.New("cannot write an archive to a terminal: redirect the output")
		}
		return rt.CopyOut(ctx, from, a.out)
	}
	return rt.Copy(ctx, from, to, o.CopyOptions)
}

// chownByConfig takes chown_copied_files where --archive says nothing.
func (a *app) chownByConfig(o *cpOptions) error {
	conf, err := a.config()
	if err == nil && conf.Engine.ChownCopiedFiles != nil && !o.flags.Changed("archive") {
		o.Archive = *conf.Engine.ChownCopiedFiles
	}
	return err
}

// place reads CONTAINER:PATH, or a path of the host, which begins with / or .
// if it has a colon.
func place(ctx context.Context, rt *libpod.Runtime, word string) (libpod.Place, error) {
	name, path, found := strings.Cut(word, ":")
	if !found || name == "" || strings.HasPrefix(word, "/") || strings.HasPrefix(word, ".") {
		path, err := absolute(word)
		return libpod.Place{Path: path}, err
	}
	c, err := rt.Container(ctx, name)
	if err != nil {
		return libpod.Place{}, err
	}
	if path == "" {
		return libpod.Place{}, fmt.Errorf("cannot copy %q: it names no path in the container", word)
	}
	return libpod.Place{Container: c, Path: path}, nil
}

// absolute keeps what a path ends with: "/" and "/." have a meaning.
func absolute(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	switch {
	case path == "." || strings.HasSuffix(path, "/."):
		return abs + "/.", nil
	case strings.HasSuffix(path, "/"):
		return abs + "/", nil
	}
	return abs, nil
}
