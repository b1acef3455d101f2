package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

type imagesOptions struct {
	all, digests, noHeading, noTrunc, quiet, history bool

	filters []string
	format  string
	sort    string
}

func newImages(a *app) *cobra.Command {
	var o imagesOptions
	cmd := &cobra.Command{
		Use:   "images [options] [IMAGE]",
		Short: "List images",
		Example: `carob images --digests
carob images --filter dangling=true -q
carob images --format '{{.Repository}}:{{.Tag}} {{.Size}}' busybox`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runImages(a, &o, args) },

		ValidArgsFunction: a.completeImages,
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "show steps on the way to other images too")
	f.BoolVar(&o.digests, "digests", false, "show digests")
	f.StringArrayVarP(&o.filters, "filter", "f", nil, "images for which KEY=VALUE holds")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVarP(&o.noHeading, "noheading", "n", false, "leave the line of headings out")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "print IDs whole")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print IDs only")
	f.StringVar(&o.sort, "sort", "created", "created, id, repository, size or tag")
	f.BoolVar(&o.history, "history", false, "show the names images had")
	completeFilters(cmd, "after", "before", "containers", "dangling", "digest", "id", "intermediate", "label", "manifest",
		"readonly", "reference", "since", "until")
	completeWords(cmd, "sort", "created", "id", "repository", "size", "tag")
	return cmd
}

// imageRow is a line of the listing: one of an image's names.
type imageRow struct {
	Repository, Tag, ID, Digest string
	CreatedSince, CreatedAt     string
	Created                     string
	Size                        string
	VirtualSize                 int64 // bytes
	History                     string
	Containers                  int
	ReadOnly, Dangling          bool
	IsManifestList              bool
	Labels                      map[string]string
	Names, RepoTags             []string
	RepoDigests                 []string
	ParentId                    string
	SharedSize                  int // 0: podman counts it in system df only

	id      string
	created time.Time
	size    int64
}

// imageJSON is an image as --format json has it.
type imageJSON struct {
	ID          string            `json:"Id"`
	ParentID    string            `json:"ParentId"`
	RepoTags    []string          `json:"RepoTags"`
	RepoDigests []string          `json:"RepoDigests"`
	Size        int64             `json:"Size"`
	SharedSize  int               `json:"SharedSize"`
	VirtualSize int64             `json:"VirtualSize"`
	Labels      map[string]string `json:"Labels"`
	Containers  int               `json:"Containers"`
	ReadOnly    bool              `json:"ReadOnly,omitempty"`
	Dangling    bool              `json:"Dangling,omitempty"`
	Arch        string            `json:"Arch"`
	OS          string            `json:"Os"`
	IsManifest  bool              `json:"IsManifestList,omitempty"`
	Names       []string          `json:"Names,omitempty"`
	Digest      string            `json:"Digest"`
	History     []string          `json:"History,omitempty"`
	Created     int64             `json:"Created"` // seconds since 1970
	CreatedAt   time.Time         `json:"CreatedAt"`
}

// Id is the whole ID.
func (r imageRow) Id() string { return r.id }

// CreatedTime is another name of CreatedAt, as podman has it.
func (r imageRow) CreatedTime() string { return r.CreatedAt }

// IsReadOnly is another name of ReadOnly.
func (r imageRow) IsReadOnly() bool { return r.ReadOnly }

func runImages(a *app, o *imagesOptions, args []string) error {
	if o.quiet && o.format != "" {
		return errors.New("cannot use --quiet together with --format")
	}
	if !slices.Contains([]string{"created", "id", "repository", "size", "tag"}, o.sort) {
		return fmt.Errorf("cannot sort by %q: it is none of created, id, repository, size, tag", o.sort)
	}
	store, err := a.openImages()
	if err != nil {
		return err
	}
	items, err := o.items(store, args)
	if err != nil {
		return err
	}
	if report.IsJSON(o.format) && !o.quiet {
		return a.imagesJSON(o, items)
	}
	rows := []imageRow{}
	for _, i := range items {
		rows = append(rows, o.rows(i)...)
	}
	o.order(rows)
	if o.quiet {
		return a.imageIDs(rows)
	}
	return report.Write(a.out, rows, report.Options{
		Format: o.format, Default: o.table(), NoHeading: o.noHeading,
		Headers: map[string]string{"ID": "IMAGE ID", "CreatedSince": "CREATED", "History": "HISTORY"},
	})
}

func (o *imagesOptions) items(store *image.Store, args []string) ([]*image.Item, error) {
	list, err := store.List()
	if err != nil {
		return nil, err
	}
	filters := o.filters
	if len(args) > 0 {
		filters = append(slices.Clone(filters), "reference="+args[0])
	}
	filter, err := image.ParseFilter(list, filters)
	if err != nil {
		return nil, err
	}
	asked := func(f string) bool { return strings.HasPrefix(f, "intermediate") || strings.HasPrefix(f, "dangling") }
	hide := !o.all && !slices.ContainsFunc(filters, asked)
	var out []*image.Item
	for _, i := range list.Items {
		ok, err := filter.Match(i)
		if err != nil {
			return nil, err
		}
		if ok && !(hide && i.Intermediate()) {
			out = append(out, i)
		}
	}
	// Images of one second keep one order from call to call.
	slices.SortFunc(out, func(a, b *image.Item) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func (o *imagesOptions) table() string {
	columns := []string{"{{.Repository}}", "{{.Tag}}"}
	if o.digests {
		columns = append(columns, "{{.Digest}}")
	}
	columns = append(columns, "{{.ID}}", "{{.CreatedSince}}", "{{.Size}}")
	if o.history {
		columns = append(columns, "{{.History}}")
	}
	return strings.Join(columns, "\t")
}

func (o *imagesOptions) rows(i *image.Item) []imageRow {
	id := report.ShortID(i.ID)
	if o.noTrunc {
		id = "sha256:" + i.ID
	}
	history := strings.Join(i.OldNames, ", ")
	if history == "" {
		history = "<none>"
	}
	base := imageRow{
		ID: id, Digest: i.Digest.String(), CreatedSince: report.Ago(i.Created), Created: report.Ago(i.Created),
		CreatedAt: i.Created.Format("2006-01-02 15:04:05 -0700 MST"), Size: report.Size(i.Size), VirtualSize: i.Size,
		History: history, Containers: i.Containers, ReadOnly: i.ReadOnly, Dangling: i.Dangling(),
		Names: i.Names, RepoTags: i.RepoTags(), RepoDigests: i.RepoDigests(), id: i.ID, created: i.Created, size: i.Size,
		Repository: "<none>", Tag: "<none>",
	}
	if wantsMore(o.format) {
		base.addMore(i)
	}
	if i.Dangling() {
		return []imageRow{base}
	}
	var rows []imageRow
	seen := map[[2]string]bool{}
	for _, name := range i.Names {
		row := base
		if r, err := image.ParseReference(name); err == nil {
			row.Repository, row.Tag = r.Name(), r.Tag
			if row.Tag == "" {
				row.Tag = "<none>"
			}
		}
		if key := [2]string{row.Repository, row.Tag}; !seen[key] {
			seen[key] = true
			rows = append(rows, row)
		}
	}
	return rows
}

// wantsMore tells whether a template names what has to be read image by image.
func wantsMore(format string) bool {
	return strings.Contains(format, "Label") || strings.Contains(format, "Parent") ||
		strings.Contains(format, "Manifest") || strings.Contains(format, "json")
}

func (r *imageRow) addMore(i *image.Item) {
	if config, err := i.Config(); err == nil {
		r.Labels = config.Config.Labels
	}
	if parent := i.Parent(); parent != nil {
		r.ParentId = parent.ID
	}
	r.IsManifestList = i.IsList()
}

func (o *imagesOptions) order(rows []imageRow) {
	slices.SortStableFunc(rows, func(a, b imageRow) int {
		switch o.sort {
		case "id":
			return cmp.Compare(a.ID, b.ID)
		case "repository":
			return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Tag, b.Tag))
		case "size":
			return cmp.Compare(a.size, b.size)
		case "tag":
			return cmp.Compare(a.Tag, b.Tag)
		}
		return b.created.Compare(a.created)
	})
}

// imageIDs prints every ID once.
func (a *app) imageIDs(rows []imageRow) error {
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		if _, err := fmt.Fprintln(a.out, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// imagesJSON prints an image once for each of its names, as the table does and
// as podman's readers expect.
func (a *app) imagesJSON(o *imagesOptions, items []*image.Item) error {
	all := []imageJSON{}
	for _, i := range items {
		j := imageJSON{
			ID: i.ID, RepoTags: i.RepoTags(), RepoDigests: i.RepoDigests(), Size: i.Size, VirtualSize: i.Size,
			Containers: i.Containers, ReadOnly: i.ReadOnly, Dangling: i.Dangling(), IsManifest: i.IsList(),
			Names: i.Names, Digest: i.Digest.String(), History: i.OldNames,
			Created: i.Created.Unix(), CreatedAt: i.Created.UTC().Truncate(time.Second),
		}
		if config, err := i.Config(); err == nil {
			j.Labels, j.Arch, j.OS = config.Config.Labels, config.Architecture, config.OS
		}
		if parent := i.Parent(); parent != nil {
			j.ParentID = parent.ID
		}
		for range o.rows(i) {
			all = append(all, j)
		}
	}
	return report.JSON(a.out, all)
}
