package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

// mountRow is an image and where it is mounted.
type mountRow struct {
	ID           string   `json:"id"`
	Repositories []string `json:"Repositories"`
	Path         string   `json:"mountpoint"`
}

func newImageMount(a *app) *cobra.Command {
	all, format := false, ""
	cmd := &cobra.Command{
		Use:   "mount [options] [IMAGE...]",
		Short: "Mount images to look at, or list those that are mounted",
		Long: `Mount images read-only and print where. The mounts are in the namespace of the
user's containers: look at them from a shell of carob unshare.`,
		RunE: func(_ *cobra.Command, args []string) error { return runImageMount(a, all, format, args) },

		ValidArgsFunction: a.completeImages,
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "mount all images")
	cmd.Flags().StringVar(&format, "format", "", "json, for the list")
	return cmd
}

func runImageMount(a *app, all bool, format string, names []string) error {
	if format != "" && format != "json" {
		return fmt.Errorf("cannot print the mounts as %q: the format is json", format)
	}
	if all && len(names) > 0 {
		return errors.New("cannot use --all together with images")
	}
	store, err := a.openImages()
	if err != nil {
		return err
	}
	if len(names) == 0 && !all {
		return a.listImageMounts(store, format)
	}
	images, err := chosenImages(store, all, names)
	if err != nil {
		return err
	}
	rows := []mountRow{}
	for _, i := range images {
		path, err := i.Mount()
		if err != nil {
			return err
		}
		a.imageEvent("mount", i.ID, "")
		rows = append(rows, mountRow{i.ID, i.Names, path})
	}
	if format == "json" {
		return report.JSON(a.out, rows)
	}
	if len(rows) == 1 {
		_, err := fmt.Fprintln(a.out, rows[0].Path)
		return err
	}
	return a.printImageMounts(rows)
}

func chosenImages(store *image.Store, all bool, names []string) ([]*image.Image, error) {
	if all {
		return store.Images()
	}
	return lookupAll(store, names)
}

func (a *app) listImageMounts(store *image.Store, format string) error {
	images, err := store.Images()
	if err != nil {
		return err
	}
	rows := []mountRow{}
	for _, i := range images {
		path, err := i.MountPoint()
		if err != nil {
			return err
		}
		if path != "" {
			rows = append(rows, mountRow{i.ID, i.Names, path})
		}
	}
	if format == "json" {
		return report.JSON(a.out, rows)
	}
	return a.printImageMounts(rows)
}

func (a *app) printImageMounts(rows []mountRow) error {
	type line struct{ Name, Path string }
	lines := []line{}
	for _, r := range rows {
		name := report.ShortID(r.ID)
		if len(r.Repositories) > 0 {
			name = r.Repositories[0]
		}
		lines = append(lines, line{name, r.Path})
	}
	return report.Write(a.out, lines, report.Options{Default: "{{.Name}}\t{{.Path}}", NoHeading: true})
}

func newImageUnmount(a *app) *cobra.Command {
	var all, force bool
	cmd := &cobra.Command{
		Use:     "unmount [options] IMAGE [IMAGE...]",
		Aliases: []string{"umount"},
		Short:   "Unmount images",
		Args: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage(cmd, errors.New("either images or --all must be given"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return runImageUnmount(a, all, force, args) },

		ValidArgsFunction: a.completeImages,
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "unmount all images")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "unmount what was mounted more than once")
	return cmd
}

func runImageUnmount(a *app, all, force bool, names []string) error {
	store, err := a.openImages()
	if err != nil {
		return err
	}
	images, err := chosenImages(store, all, names)
	if err != nil {
		return err
	}
	for _, i := range images {
		err := i.Unmount(force)
		if errors.Is(err, image.ErrNotMounted) {
			continue // as it was wanted
		}
		if err != nil {
			return err
		}
		a.imageEvent("unmount", i.ID, "")
		fmt.Fprintln(a.out, i.ID)
	}
	return nil
}
