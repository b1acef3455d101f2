package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/termio"
)

// newVolume is the parent of the volume commands.
func newVolume(a *app) *cobra.Command {
	return parent(a, "volume", "Manage volumes", volumeCommands())
}

func volumeCommands() []command {
	return []command{
		{"create", newVolumeCreate},
		{"exists", newVolumeExists},
		{"export", newVolumeExport},
		{"import", newVolumeImport},
		{"inspect", newVolumeInspect},
		{"ls", newVolumeList},
		{"mount", newVolumeMount},
		{"prune", newVolumePrune},
		{"rm", newVolumeRm},
		{"unmount", newVolumeUnmount},
	}
}

func (a *app) completeVolumes(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(cmd.Context(), typed, volumeNames)
}

// volumeNames are those of all volumes.
func volumeNames(ctx context.Context, rt *libpod.Runtime) ([]string, error) {
	all, err := rt.Volumes(ctx)
	names := make([]string, len(all))
	for n, v := range all {
		names[n] = v.Name
	}
	return names, err
}

type volumeCreateOptions struct {
	driver       string
	labels, opts []string
	ignore       bool
	uid, gid     int
}

func newVolumeCreate(a *app) *cobra.Command {
	o := &volumeCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create [options] [NAME]",
		Short: "Make a volume",
		Example: `carob volume create data
carob volume create --label app=web --opt type=tmpfs --opt o=size=64m,uid=1000 scratch
carob volume create --driver image --opt image=busybox tools`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runVolumeCreate(cmd.Context(), a, cmd, o, args) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.driver, "driver", "d", "local", "local or image")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "NAME=VALUE, a label")
	f.StringArrayVarP(&o.opts, "opt", "o", nil, "NAME=VALUE, an option of the driver: type, device, o, copy, nocopy; image")
	f.BoolVar(&o.ignore, "ignore", false, "a volume that is there already is no error")
	f.IntVar(&o.uid, "uid", 0, "user id that owns the volume")
	f.IntVar(&o.gid, "gid", 0, "group id that owns the volume")
	return cmd
}

func runVolumeCreate(ctx context.Context, a *app, cmd *cobra.Command, o *volumeCreateOptions, args []string) error {
	v := &spec.Volume{Driver: o.driver, Options: words(o.opts), Labels: words(o.labels)}
	if len(args) > 0 {
		v.Name = args[0]
	}
	if cmd.Flags().Changed("uid") {
		v.UID = &o.uid
	}
	if cmd.Flags().Changed("gid") {
		v.GID = &o.gid
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	err = rt.CreateVolume(ctx, v)
	if err != nil && !(o.ignore && errors.Is(err, store.ErrExists)) {
		return err
	}
	_, err = fmt.Fprintln(a.out, v.Name)
	return err
}

// words reads NAME=VALUE and NAME.
func words(list []string) map[string]string {
	m := map[string]string{}
	for _, w := range list {
		name, value, _ := strings.Cut(w, "=")
		m[name] = value
	}
	return m
}

func newVolumeExists(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exists VOLUME",
		Short: "Tell by the exit code whether a volume is there (1: it is not)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			v, err := rt.Volume(cmd.Context(), args[0])
			var none *libpod.NoVolumeError
			if errors.As(err, &none) || err == nil && v.Name != args[0] {
				return &exitError{code: 1}
			}
			return err
		},
		ValidArgsFunction: a.completeVolumes,
	}
}

func newVolumeExport(a *app) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "export [options] VOLUME",
		Short: "Write the content of a volume as a tar",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVolumeExport(cmd.Context(), a, output, args[0])
		},
		ValidArgsFunction: a.completeVolumes,
	}
	cmd.Flags().StringVarP(&output, "output", "o", "/dev/stdout", "file to write to")
	return cmd
}

func runVolumeExport(ctx context.Context, a *app, output, name string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	if _, err := rt.Volume(ctx, name); err != nil {
		return err
	}
	if output == "/dev/stdout" || output == "-" {
		if out, ok := a.out.(*os.File); ok && termio.IsTerminal(out) {
			return errors.New("cannot export: the archive would go to a terminal; use --output FILE or a pipe")
		}
		return rt.ExportVolume(ctx, name, a.out)
	}
	f, err := os.OpenFile(output, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666&^a.umask)
	if err != nil {
		return fmt.Errorf("cannot export volume %s: %w", name, err)
	}
	err = errors.Join(rt.ExportVolume(ctx, name, f), f.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("cannot export volume %s: %w", name, err), os.Remove(output))
	}
	return nil
}

func newVolumeImport(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "import VOLUME FILE",
		Short: "Unpack a tar, or with - standard input, into a volume",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVolumeImport(cmd.Context(), a, args[0], args[1])
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.completeVolumes(cmd, args, typed)
		},
	}
}

func runVolumeImport(ctx context.Context, a *app, name, file string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	var in io.Reader = a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("cannot import into volume %s: %w", name, err)
		}
		defer f.Close()
		in = f
	}
	if err := rt.ImportVolume(ctx, name, in); err != nil {
		return fmt.Errorf("cannot import into volume %s: %w", name, err)
	}
	return nil
}

func newVolumeMount(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "mount VOLUME [VOLUME...]",
		Short: "Mount volumes and print where (for ordinary users inside carob unshare)",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachVolume(cmd.Context(), args, func(rt *libpod.Runtime, name string) (string, error) {
				return rt.MountVolume(cmd.Context(), name)
			})
		},
		ValidArgsFunction: a.completeVolumes,
	}
}

func newVolumeUnmount(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "unmount VOLUME [VOLUME...]",
		Aliases: []string{"umount"},
		Short:   "Undo volume mount",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachVolume(cmd.Context(), args, func(rt *libpod.Runtime, name string) (string, error) {
				return name, rt.UnmountVolume(cmd.Context(), name)
			})
		},
		ValidArgsFunction: a.completeVolumes,
	}
}

// eachVolume calls act for every name and prints what it returns.
func (a *app) eachVolume(ctx context.Context, names []string, act func(*libpod.Runtime, string) (string, error)) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		line, err := act(rt, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintln(a.out, line)
	}
	return a.lastOf(failed)
}
