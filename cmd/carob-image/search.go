package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/report"
	"github.com/carob-containers/carob/pkg/transfer"
)

type searchOptions struct {
	access
	limit      int
	filters    []string
	format     string
	listTags   bool
	noTrunc    bool
	compatible bool
}

func newSearch(a *app) *cobra.Command {
	var o searchOptions
	cmd := &cobra.Command{
		Use:   "search [options] TERM",
		Short: "Search registries for images",
		Example: `carob search --limit 3 docker.io/busybox
carob search --list-tags quay.io/team/tool`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSearch(cmd.Context(), a, &o, args[0])
		},
	}
	f := cmd.Flags()
	o.addFlags(f)
	f.StringVar(&o.Credentials, "creds", "", "USER[:PASSWORD] for the registry")
	f.IntVar(&o.limit, "limit", 0, "number of results of each registry (default 25)")
	f.StringSliceVarP(&o.filters, "filter", "f", nil, "stars=N, is-official=BOOL or is-automated=BOOL")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVar(&o.listTags, "list-tags", false, "list the tags of the repository")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "print descriptions whole")
	f.BoolVar(&o.compatible, "compatible", false, "add stars, official and automated to the table")
	return cmd
}

// searchRow is a line of the output; stars and flags are text, as in podman.
type searchRow struct {
	Index       string
	Name        string
	Description string
	Stars       int
	Official    string
	Automated   string
	Tag         string
}

// tagsRow is the JSON of --list-tags.
type tagsRow struct {
	Name string
	Tags []string
}

func runSearch(ctx context.Context, a *app, o *searchOptions, term string) error {
	keep, err := searchFilter(o.filters)
	if err != nil {
		return err
	}
	if o.limit < 0 || o.limit > 100 {
		return fmt.Errorf("cannot limit the results to %d: the limit is from 1 to 100", o.limit)
	}
	if err := a.askPassword(ctx, &o.Access); err != nil {
		return err
	}
	limit := o.limit
	if limit == 0 {
		limit = 25
	}
	client, err := a.authClient()
	if err != nil {
		return err
	}
	if o.listTags {
		if len(o.filters) > 0 {
			return errors.New("cannot use --filter together with --list-tags")
		}
		found, err := client.Tags(ctx, term, limit, o.Access)
		if err != nil {
			return err
		}
		return a.printTags(found, o)
	}
	found, err := client.Search(ctx, term, limit, o.Access)
	if err != nil {
		return err
	}
	rows := []searchRow{}
	for _, r := range found {
		if keep(r) {
			rows = append(rows, row(r, o.noTrunc))
		}
	}
	table := "{{.Name}}\t{{.Description}}"
	if o.compatible {
		table += "\t{{.Stars}}\t{{.Official}}\t{{.Automated}}"
	}
	return report.Write(a.out, rows, report.Options{Format: o.format, Default: table})
}

func (a *app) printTags(found []transfer.Found, o *searchOptions) error {
	if report.IsJSON(o.format) {
		all := []tagsRow{}
		for _, r := range found {
			if len(all) == 0 {
				all = append(all, tagsRow{Name: r.Name})
			}
			all[0].Tags = append(all[0].Tags, r.Tag)
		}
		return report.JSON(a.out, all)
	}
	rows := []searchRow{}
	for _, r := range found {
		rows = append(rows, row(r, true))
	}
	return report.Write(a.out, rows, report.Options{Format: o.format, Default: "{{.Name}}\t{{.Tag}}"})
}

func row(r transfer.Found, whole bool) searchRow {
	text := r.Description
	if runes := []rune(text); !whole && len(runes) > 44 {
		text = string(runes[:44]) + "..."
	}
	ok := func(b bool) string {
		if b {
			return "[OK]"
		}
		return ""
	}
	return searchRow{
		Index: r.Index, Name: r.Name, Description: text, Stars: r.Stars,
		Official: ok(r.Official), Automated: ok(r.Automated), Tag: r.Tag,
	}
}

func searchFilter(filters []string) (func(transfer.Found) bool, error) {
	var tests []func(transfer.Found) bool
	for _, f := range filters {
		key, value, has := strings.Cut(f, "=")
		switch key {
		case "stars":
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("cannot filter by %q: the number of stars is missing", f)
			}
			tests = append(tests, func(r transfer.Found) bool { return r.Stars >= n })
		case "is-official", "is-automated":
			want := true
			if has {
				var err error
				if want, err = strconv.ParseBool(value); err != nil {
					return nil, fmt.Errorf("cannot filter by %q: it is neither true nor false", f)
				}
			}
			official := key == "is-official"
			tests = append(tests, func(r transfer.Found) bool {
				return official && r.Official == want || !official && r.Automated == want
			})
		default:
			return nil, fmt.Errorf("cannot filter by %q: filters are stars, is-official, is-automated", f)
		}
	}
	return func(r transfer.Found) bool {
		for _, t := range tests {
			if !t(r) {
				return false
			}
		}
		return true
	}, nil
}
