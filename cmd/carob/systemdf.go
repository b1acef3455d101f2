package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

type systemDFOptions struct {
	format  string
	verbose bool
}

func newSystemDF(a *app) *cobra.Command {
	o := &systemDFOptions{}
	cmd := &cobra.Command{
		Use:   "df [options]",
		Short: "Show what images, containers and volumes take on disk",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.verbose && o.format != "" {
				return errors.New("cannot combine --format and --verbose flags")
			}
			return runSystemDF(cmd.Context(), a, o)
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "", "json or a Go template")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show every image, container and volume")
	return cmd
}

// dfRow is a line of the summary. JSON has podman's keys.
type dfRow struct {
	Type           string
	Total          int
	Active         int
	RawSize        int64
	RawReclaimable int64
	TotalCount     int
	Size           string
	Reclaimable    string
}

func newDFRow(kind string, total, active int, size, free int64) dfRow {
	percent := int64(0)
	if size > 0 {
		percent = (free*100 + size/2) / size
	}
	return dfRow{
		Type: kind, Total: total, Active: active, RawSize: size, RawReclaimable: free, TotalCount: total,
		Size: report.TightSize(size), Reclaimable: fmt.Sprintf("%s (%d%%)", report.TightSize(free), percent),
	}
}

func runSystemDF(ctx context.Context, a *app, o *systemDFOptions) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	d, err := readDF(ctx, rt)
	if err != nil {
		return err
	}
	if o.verbose {
		return d.printAll(a)
	}
	rows := []dfRow{d.imageSum(), d.containerSum(), d.volumeSum()}
	if left := d.leftoverSum(); left.Total > 0 {
		rows = append(rows, left)
	}
	return report.Write(a.out, rows, report.Options{
		Format: o.format, Default: "{{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
	})
}

// diskUse is all that df looks at.
type diskUse struct {
	images     []*image.Item
	layerUsers map[string]int // images that have a layer
	containers []dfContainer
	volumes    []dfVolume
	leftovers  []libpod.Leftover
}

type dfContainer struct {
	*libpod.Container
	state *libpod.State
	size  int64
}

type dfVolume struct {
	*libpod.Volume
	size int64
}

func readDF(ctx context.Context, rt *libpod.Runtime) (*diskUse, error) {
	d := &diskUse{layerUsers: map[string]int{}}
	store, err := rt.Images()
	if err != nil {
		return nil, err
	}
	list, err := store.List()
	if err != nil {
		return nil, err
	}
	d.images = list.Items
	for _, i := range d.images {
		for _, l := range i.Chain() {
			d.layerUsers[l.ID]++
		}
	}
	if err := d.readContainers(ctx, rt); err != nil {
		return nil, err
	}
	volumes, err := rt.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		d.volumes = append(d.volumes, dfVolume{v, v.Size()})
	}
	d.leftovers, err = rt.Leftovers(ctx, true)
	return d, err
}

func (d *diskUse) readContainers(ctx context.Context, rt *libpod.Runtime) error {
	all, err := rt.Containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		st, err := c.State()
		var gone *libpod.NoContainerError
		if errors.As(err, &gone) {
			continue
		}
		if err != nil {
			return err
		}
		sizes, err := c.Sizes()
		if err != nil {
			return err
		}
		d.containers = append(d.containers, dfContainer{c, st, sizes.RW})
	}
	return nil
}

// shared and unique are the bytes of an image's layers that other images
// have too, and that only it has.
func (d *diskUse) shares(i *image.Item) (shared, unique int64) {
	for _, l := range i.Chain() {
		if d.layerUsers[l.ID] > 1 {
			shared += l.Size
		}
	}
	return shared, max(i.Size-shared, 0)
}

// imageSum counts a layer once, however many images have it.
func (d *diskUse) imageSum() dfRow {
	var size, free int64
	active := 0
	seen := map[string]bool{}
	for _, i := range d.images {
		_, unique := d.shares(i)
		size += unique
		for _, l := range i.Chain() {
			if d.layerUsers[l.ID] > 1 && !seen[l.ID] {
				seen[l.ID] = true
				size += l.Size
			}
		}
		if i.Containers > 0 {
			active++
		} else {
			free += unique
		}
	}
	return newDFRow("Images", len(d.images), active, size, free)
}

func (d *diskUse) containerSum() dfRow {
	var size, free int64
	active := 0
	for _, c := range d.containers {
		size += c.size
		if c.state.Live() {
			active++
		} else {
			free += c.size
		}
	}
	return newDFRow("Containers", len(d.containers), active, size, free)
}

func (d *diskUse) volumeSum() dfRow {
	var size, free int64
	active := 0
	for _, v := range d.volumes {
		size += v.size
		if len(v.Users) > 0 {
			active++
		} else {
			free += v.size
		}
	}
	return newDFRow("Local Volumes", len(d.volumes), active, size, free)
}

func (d *diskUse) leftoverSum() dfRow {
	var size int64
	for _, l := range d.leftovers {
		size += l.Size
	}
	return newDFRow("Leftovers", len(d.leftovers), 0, size, size)
}
