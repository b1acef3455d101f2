package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type podPsOptions struct {
	ids, names, status, latest, noTrunc, noHeading, ns, quiet bool

	filters []string
	format  string
	sort    string
}

func newPodPs(a *app) *cobra.Command {
	o := &podPsOptions{}
	cmd := &cobra.Command{
		Use:               "ps [options]",
		Aliases:           []string{"list", "ls"},
		Short:             "List pods",
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return runPodPs(cmd.Context(), a, o) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.BoolVar(&o.ids, "ctr-ids", false, "show the containers' IDs")
	f.BoolVar(&o.names, "ctr-names", false, "show the containers' names")
	f.BoolVar(&o.status, "ctr-status", false, "show the containers' states")
	f.StringArrayVarP(&o.filters, "filter", "f", nil, "pods for which KEY=VALUE holds: id, name, label, status, network, until, ctr-ids, ctr-names, ctr-number, ctr-status")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVarP(&o.latest, "latest", "l", false, "the pod made last")
	f.BoolVar(&o.ns, "ns", false, "show the namespaces that are shared")
	f.BoolVar(&o.ns, "namespace", false, "the same as --ns")
	_ = f.MarkHidden("namespace")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "print IDs whole")
	f.BoolVar(&o.noHeading, "noheading", false, "leave the line of headings out")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print IDs only")
	f.StringVar(&o.sort, "sort", "created", "created, id, name, number or status")
	completeFilters(cmd, "id", "name", "label", "status", "network", "until", "ctr-ids", "ctr-names", "ctr-number", "ctr-status")
	return cmd
}

// podRow is a pod as templates of pod ps see it.
type podRow struct {
	podJSON
	o       *podPsOptions
	created time.Time
	share   []string
}

// podJSON has podman's keys.
type podJSON struct {
	Cgroup      string
	Containers  []podMemberJSON
	CreatedTime time.Time `json:"Created"`
	FullID      string    `json:"Id"`
	FullInfraID string    `json:"InfraId"`
	Name        string
	NS          string   `json:"Namespace"`
	NetworkList []string `json:"Networks"`
	Status      string
	LabelMap    map[string]string `json:"Labels"`
}

type podMemberJSON struct {
	FullID string `json:"Id"`
	Names  string
	Status string
}

func runPodPs(ctx context.Context, a *app, o *podPsOptions) error {
	if o.quiet && o.format != "" {
		return errors.New("quiet and format cannot be used together")
	}
	if !slices.Contains([]string{"created", "id", "name", "number", "status"}, o.sort) {
		return fmt.Errorf("cannot sort by %q: it is none of created, id, name, number, status", o.sort)
	}
	filter, err := libpod.ParsePodFilters(o.filters)
	if err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	rows, err := o.rows(ctx, rt, filter)
	if err != nil {
		return err
	}
	if o.quiet {
		o.format = "{{.FullID}}" // as podman, which shortens them in tables only
	}
	if report.IsJSON(o.format) {
		list := make([]podJSON, len(rows))
		for i, r := range rows {
			list[i] = r.podJSON
		}
		return report.JSON(a.out, list)
	}
	return report.Write(a.out, rows, report.Options{Format: o.format, Default: o.table(), NoHeading: o.noHeading, Headers: podHeaders()})
}

func (o *podPsOptions) rows(ctx context.Context, rt *libpod.Runtime, filter libpod.PodFilters) ([]podRow, error) {
	all, err := rt.Pods(ctx)
	if err != nil {
		return nil, err
	}
	rows := []podRow{}
	for _, p := range all {
		st, err := p.State(ctx)
		if err != nil {
			return nil, err
		}
		if filter.Match(p, st) {
			rows = append(rows, o.row(p, st))
		}
	}
	if o.latest && len(rows) > 1 {
		rows = rows[len(rows)-1:]
	}
	o.order(rows)
	return rows, nil
}

func (o *podPsOptions) row(p *libpod.Pod, st *libpod.PodState) podRow {
	r := podRow{o: o, created: p.Created, share: p.Share}
	r.CreatedTime, r.FullID, r.FullInfraID, r.Name, r.Status = p.Created, p.ID, p.Infra, p.Name, st.Status
	r.LabelMap, r.NetworkList, r.Containers = p.Labels, []string{}, []podMemberJSON{}
	if r.LabelMap == nil {
		r.LabelMap = map[string]string{}
	}
	for _, m := range st.Members {
		r.Containers = append(r.Containers, podMemberJSON{m.ID, m.Name, m.State.Status})
	}
	return r
}

func (o *podPsOptions) order(rows []podRow) {
	slices.SortStableFunc(rows, func(a, b podRow) int {
		switch o.sort {
		case "id":
			return cmp.Compare(a.FullID, b.FullID)
		case "name":
			return cmp.Compare(a.Name, b.Name)
		case "number":
			return cmp.Compare(len(a.Containers), len(b.Containers))
		case "status":
			return cmp.Compare(a.Status, b.Status)
		}
		return b.created.Compare(a.created) // the latest first, as podman has it
	})
}

func (o *podPsOptions) table() string {
	table := "{{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.InfraID}}"
	if o.ns {
		table += "\t{{.SharedNamespaces}}"
	}
	for _, c := range []struct {
		on     bool
		column string
	}{{o.ids, "ContainerIds"}, {o.names, "ContainerNames"}, {o.status, "ContainerStatuses"}} {
		if c.on {
			table += "\t{{." + c.column + "}}"
		}
	}
	if !o.ids && !o.names && !o.status {
		table += "\t{{.NumberOfContainers}}"
	}
	return table
}

func podHeaders() map[string]string {
	return map[string]string{
		"ID": "POD ID", "Id": "POD ID", "InfraID": "INFRA ID", "NumberOfContainers": "# OF CONTAINERS", "SharedNamespaces": "NAMESPACES",
		"ContainerIds": "IDS", "ContainerNames": "NAMES", "ContainerStatuses": "STATUS",
	}
}

func (r podRow) short(id string) string {
	if r.o.noTrunc {
		return id
	}
	return report.ShortID(id)
}

func (r podRow) members(word func(podMemberJSON) string) string {
	words := make([]string, len(r.Containers))
	for i, c := range r.Containers {
		words[i] = word(c)
	}
	return strings.Join(words, ",")
}

// The methods are what templates may name.

func (r podRow) ID() string                 { return r.short(r.FullID) }
func (r podRow) Id() string                 { return r.short(r.FullID) } //nolint:revive // podman's spelling
func (r podRow) InfraID() string            { return r.short(r.FullInfraID) }
func (r podRow) InfraId() string            { return r.short(r.FullInfraID) } //nolint:revive // podman's spelling
func (r podRow) Created() string            { return report.Ago(r.created) }
func (r podRow) NumberOfContainers() string { return strconv.Itoa(len(r.Containers)) }
func (r podRow) SharedNamespaces() string   { return strings.Join(r.share, ",") }
func (r podRow) Networks() string           { return strings.Join(r.NetworkList, ",") }
func (r podRow) Namespace() string          { return r.NS }
func (r podRow) ContainerIds() string { //nolint:revive // podman's spelling
	return r.members(func(c podMemberJSON) string { return r.short(c.FullID) })
}
func (r podRow) ContainerNames() string {
	return r.members(func(c podMemberJSON) string { return c.Names })
}
func (r podRow) ContainerStatuses() string {
	return r.members(func(c podMemberJSON) string { return c.Status })
}

// Labels prints all labels, Label one.
func (r podRow) Labels() string {
	words := make([]string, 0, len(r.LabelMap))
	for key, value := range r.LabelMap {
		words = append(words, key+"="+value)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}
func (r podRow) Label(name string) string { return r.LabelMap[name] }
