package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

type historyOptions struct {
	format           string
	human, noTrunc   bool
	quiet, noHeading bool
}

func newHistory(a *app) *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use:   "history [options] IMAGE",
		Short: "Show the steps an image was made in",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return runHistory(a, &o, args[0]) },

		ValidArgsFunction: a.completeImages,
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVarP(&o.human, "human", "H", true, "print sizes and times for people")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "print everything whole")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print IDs only")
	f.BoolVarP(&o.noHeading, "noheading", "n", false, "leave the line of headings out")
	return cmd
}

// historyRow is a step as a line of the table.
type historyRow struct {
	ID, Created, CreatedAt, CreatedSince, CreatedBy, Size, Comment string

	Tags []string // podman prints none either
}

// historyJSON is a step as podman's --format json has it.
type historyJSON struct {
	ID        string    `json:"id"`
	Exact     time.Time `json:"created"`
	CreatedBy string    `json:"CreatedBy"`
	Size      int64     `json:"size"`
	Comment   string    `json:"comment,omitempty"`
	Created   string    `json:"Created"`
}

func runHistory(a *app, o *historyOptions, name string) error {
	store, err := a.openImages()
	if err != nil {
		return err
	}
	img, err := store.Lookup(name)
	if err != nil {
		return err
	}
	steps, err := img.History()
	if err != nil {
		return err
	}
	if report.IsJSON(o.format) {
		return a.historyJSON(steps)
	}
	rows := make([]historyRow, len(steps))
	for n, step := range steps {
		rows[n] = o.row(step)
	}
	if o.quiet {
		for _, r := range rows {
			fmt.Fprintln(a.out, r.ID)
		}
		return nil
	}
	return report.Write(a.out, rows, report.Options{
		Format: o.format, NoHeading: o.noHeading,
		Default: "{{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
	})
}

func (o *historyOptions) row(step image.HistoryItem) historyRow {
	created := time.Time{}
	if step.Created != nil {
		created = *step.Created
	}
	r := historyRow{
		ID: step.ID, Created: created.Format(time.RFC3339), CreatedAt: created.UTC().Truncate(time.Second).String(),
		CreatedSince: report.Ago(created), CreatedBy: step.CreatedBy, Size: fmt.Sprint(step.Size), Comment: step.Comment,
	}
	if o.human {
		r.Created, r.Size = r.CreatedSince, report.Size(step.Size)
	}
	if !o.noTrunc {
		if step.ID != "<missing>" {
			r.ID = report.ShortID(step.ID)
		}
		by := []rune(strings.ReplaceAll(r.CreatedBy, "\t", " "))
		if len(by) > 45 {
			r.CreatedBy = string(by[:42]) + "..."
		}
	}
	return r
}

func (a *app) historyJSON(steps []image.HistoryItem) error {
	all := make([]historyJSON, len(steps))
	for n, step := range steps {
		j := historyJSON{ID: step.ID, CreatedBy: step.CreatedBy, Size: step.Size, Comment: step.Comment}
		if step.Created != nil {
			j.Exact, j.Created = *step.Created, step.Created.Format(time.RFC3339)
		}
		all[n] = j
	}
	return report.JSON(a.out, all)
}
