package main

import (
	"fmt"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

type dfImageRow struct {
	Repository, Tag, ImageID, Created string
	Size, SharedSize, UniqueSize      string
	Containers                        int
}

type dfContainerRow struct {
	ContainerID, Image, Command  string
	LocalVolumes                 int
	Size, Created, Status, Names string
}

type dfVolumeRow struct {
	VolumeName string
	Links      int
	Size       string
}

type dfLeftoverRow struct{ Kind, Path, Size string }

// printAll is df -v: a table of each kind.
func (d *diskUse) printAll(a *app) error {
	for _, t := range []struct {
		title, columns string
		rows           any
	}{
		{"Images", "{{.Repository}}\t{{.Tag}}\t{{.ImageID}}\t{{.Created}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}", d.imageRows()},
		{"Containers", "{{.ContainerID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.Created}}\t{{.Status}}\t{{.Names}}", d.containerRows()},
		{"Local Volumes", "{{.VolumeName}}\t{{.Links}}\t{{.Size}}", d.volumeRows()},
		{"Leftovers", "{{.Kind}}\t{{.Path}}\t{{.Size}}", d.leftoverRows()},
	} {
		if rows, ok := t.rows.([]dfLeftoverRow); ok && len(rows) == 0 {
			continue
		}
		if t.title != "Images" {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s space usage:\n\n", t.title)
		if err := report.Write(a.out, t.rows, report.Options{Default: t.columns}); err != nil {
			return err
		}
	}
	return nil
}

func (d *diskUse) imageRows() []dfImageRow {
	var rows []dfImageRow
	for _, i := range d.images {
		repository, tag := "<none>", "<none>"
		if len(i.Names) > 0 {
			if r, err := image.ParseReference(i.Names[0]); err == nil {
				repository, tag = r.Name(), r.Tag
			}
		}
		shared, unique := d.shares(i)
		rows = append(rows, dfImageRow{
			Repository: repository, Tag: tag, ImageID: report.ShortID(i.ID), Created: strings.TrimSuffix(report.Ago(i.Created), " ago"),
			Size: report.TightSize(i.Size), SharedSize: report.TightSize(shared), UniqueSize: report.TightSize(unique), Containers: i.Containers,
		})
	}
	return rows
}

func (d *diskUse) containerRows() []dfContainerRow {
	var rows []dfContainerRow
	for _, c := range d.containers {
		volumes := 0
		for _, m := range c.Mounts.List {
			if m.Type == spec.MountVolume {
				volumes++
			}
		}
		rows = append(rows, dfContainerRow{
			ContainerID: report.ShortID(c.ID), Image: report.ShortID(c.ImageID), Command: strings.Join(c.Process.Command, " "), LocalVolumes: volumes,
			Size: report.TightSize(c.size), Created: strings.TrimSuffix(report.Ago(c.Created), " ago"), Status: c.state.Status, Names: c.Name,
		})
	}
	return rows
}

func (d *diskUse) volumeRows() []dfVolumeRow {
	var rows []dfVolumeRow
	for _, v := range d.volumes {
		rows = append(rows, dfVolumeRow{v.Name, len(v.Users), report.TightSize(v.size)})
	}
	return rows
}

func (d *diskUse) leftoverRows() []dfLeftoverRow {
	var rows []dfLeftoverRow
	for _, l := range d.leftovers {
		rows = append(rows, dfLeftoverRow{l.What, l.Path, report.TightSize(l.Size)})
	}
	return rows
}
