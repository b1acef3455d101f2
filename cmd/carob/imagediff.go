package main

import (
	"fmt"
	"slices"

	"github.com/containers/storage/pkg/archive"
	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

func newImageDiff(a *app) *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use:   "diff [options] IMAGE [IMAGE]",
		Short: "Show what an image's last layer changed, or how two images differ",
		Args:  cobra.RangeArgs(1, 2),
		RunE:  func(_ *cobra.Command, args []string) error { return runImageDiff(a, format, args) },

		ValidArgsFunction: a.completeImages,
	}
	cmd.Flags().StringVar(&format, "format", "", "json")
	return cmd
}

func runImageDiff(a *app, format string, names []string) error {
	store, err := a.openImages()
	if err != nil {
		return err
	}
	images, err := lookupAll(store, names)
	if err != nil {
		return err
	}
	var from *image.Image
	if len(images) > 1 {
		from = images[1]
	}
	changes, err := images[0].Changes(from)
	if err != nil {
		return err
	}
	return a.printChanges(changes, format)
}

// ofTheEngine are paths that every run makes or mounts over: no one changed
// them on purpose.
func ofTheEngine(path string) bool {
	switch path {
	case "/dev", "/proc", "/sys", "/run", "/run/notify", "/run/.containerenv", "/run/secrets",
		"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/mtab":
		return true
	}
	return false
}

// printChanges prints what differs between two trees as diff does.
func (a *app) printChanges(changes []archive.Change, format string) error {
	changes = slices.DeleteFunc(changes, func(c archive.Change) bool { return ofTheEngine(c.Path) })
	switch format {
	case "":
		for _, c := range changes {
			if _, err := fmt.Fprintf(a.out, "%s %s\n", c.Kind, c.Path); err != nil {
				return err
			}
		}
		return nil
	case "json":
		var sorted struct {
			Changed []string `json:"changed,omitempty"`
			Added   []string `json:"added,omitempty"`
			Deleted []string `json:"deleted,omitempty"`
		}
		for _, c := range changes {
			switch c.Kind {
			case archive.ChangeModify:
				sorted.Changed = append(sorted.Changed, c.Path)
			case archive.ChangeAdd:
				sorted.Added = append(sorted.Added, c.Path)
			case archive.ChangeDelete:
				sorted.Deleted = append(sorted.Deleted, c.Path)
			}
		}
		return report.JSON(a.out, sorted)
	}
	return fmt.Errorf("cannot print changes as %q: the format is json", format)
}
