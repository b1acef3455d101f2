package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/pkg/quadlet"
	"github.com/carob-containers/carob/pkg/quadlet/manage"
	"github.com/carob-containers/carob/pkg/report"
	"github.com/carob-containers/carob/pkg/unitfile"
	"github.com/carob-containers/carob/pkg/userns"
)

// newQuadlet is the parent of the commands for units (docs/quadlet.md). What
// becomes of them is the business of cmd/quadlet.
func newQuadlet(a *app) *cobra.Command {
	return parent(a, "quadlet", "Manage units of containers, pods and what they need", []command{
		{"install", newQuadletInstall},
		{"list", newQuadletList},
		{"print", newQuadletPrint},
		{"rm", newQuadletRm},
	})
}

// quadletPlace is for whom carob was called; QUADLET_UNIT_DIRS is for the
// generator alone.
func quadletPlace() quadlet.Place {
	return quadlet.Place{User: userns.Rootless(), UID: userns.RealUID(), Getenv: func(name string) string {
		if name == "QUADLET_UNIT_DIRS" {
			return ""
		}
		return os.Getenv(name)
	}}
}

func completeQuadlets(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	files, err := quadlet.Files(quadletPlace())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool { return !strings.HasPrefix(name, typed) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

type quadletInstallOptions struct{ reload, replace bool }

func newQuadletInstall(a *app) *cobra.Command {
	o := &quadletInstallOptions{}
	cmd := &cobra.Command{
		Use:   "install [options] UNIT|DIRECTORY|URL [FILE|URL...]",
		Short: "Install a unit, or an application: a directory, or a unit with more files",
		Long: `Install a unit, or an application: a directory, or a unit with more files. What is installed as an
application is replaced and removed as a whole.

A file whose name ends with .quadlets holds several units: lines of three dashes stand between them, and each has a
comment # FileName=NAME.`,
		Example: `carob quadlet install web.container
carob quadlet install ./shop
carob quadlet install web.container web.env
carob quadlet install shop.quadlets
carob quadlet install https://example.com/web.container`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runQuadletInstall(cmd.Context(), a, o, args) },
	}
	cmd.Flags().BoolVar(&o.reload, "reload-systemd", true, "have systemd make the services")
	cmd.Flags().BoolVarP(&o.replace, "replace", "r", false, "put the new one in the place of what is installed")
	return cmd
}

func runQuadletInstall(ctx context.Context, a *app, o *quadletInstallOptions, args []string) error {
	bundle, err := a.quadletBundle(ctx, args)
	if err != nil {
		return err
	}
	paths, err := manage.Install(quadletPlace(), bundle, o.replace)
	if err != nil {
		return fmt.Errorf("cannot install %s: %w", args[0], err)
	}
	for _, p := range paths {
		fmt.Fprintln(a.out, p)
	}
	return reloadUnits(ctx, o.reload)
}

// quadletBundle reads what is to be installed. A unit with more files is an
// application named after the unit.
func (a *app) quadletBundle(ctx context.Context, args []string) (*manage.Bundle, error) {
	if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
		b, err := manage.ReadDir(args[0])
		if err != nil {
			return nil, err
		}
		return b, a.addFiles(ctx, b, args[1:])
	}
	b := &manage.Bundle{}
	if err := a.addFiles(ctx, b, args); err != nil {
		return nil, err
	}
	first := b.Files[0].Name
	if !quadlet.IsUnit(first) {
		return nil, fmt.Errorf("cannot install %s: it is no unit: a name that ends with .container, .pod, .volume, .network, .kube, .image, .build or .artifact", first)
	}
	if len(b.Files) > 1 {
		name := quadletSource(args[0])
		b.App = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return b, nil
}

// addFiles adds what the caller has named, of files with several units each.
func (a *app) addFiles(ctx context.Context, b *manage.Bundle, from []string) error {
	for _, f := range from {
		body, err := a.readQuadletFile(ctx, f)
		if err != nil {
			return err
		}
		files := []manage.File{{Name: quadletSource(f), Body: body}}
		if strings.HasSuffix(f, manage.SplitSuffix) {
			if files, err = manage.Split(f, body); err != nil {
				return fmt.Errorf("cannot install %s: %w", f, err)
			}
		}
		b.Files = append(b.Files, files...)
	}
	return nil
}

// quadletSource is the name of a file, also of one that a URL names.
func quadletSource(from string) string {
	if u, err := url.Parse(from); isWebAddress(from) && err == nil {
		return path.Base(u.Path)
	}
	return filepath.Base(from)
}

func isWebAddress(from string) bool {
	return strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://")
}

func (a *app) readQuadletFile(ctx context.Context, from string) ([]byte, error) {
	if !isWebAddress(from) {
		body, err := manage.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("cannot install %s: %w", from, err)
		}
		return body, nil
	}
	if _, err := url.Parse(from); err != nil {
		return nil, fmt.Errorf("cannot install %s: %w", from, err)
	}
	reply, err := a.askKube(ctx, &kube.Request{Fetch: from}) // the program that can fetch
	if err != nil {
		return nil, err
	}
	return reply.YAML, nil
}

// quadletData is a unit as quadlet list shows it, with podman's fields.
type quadletData struct{ Name, UnitName, Path, Status, App, Pod string }

type quadletListOptions struct {
	filters   []string
	format    string
	noHeading bool
}

func newQuadletList(a *app) *cobra.Command {
	o := &quadletListOptions{}
	cmd := &cobra.Command{
		Use:     "list [options]",
		Aliases: []string{"ls"},
		Short:   "List installed units and how their services do",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runQuadletList(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.filters, "filter", "f", nil, "units for which KEY=VALUE holds: name, status, pod, with * in VALUE for anything")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVarP(&o.noHeading, "noheading", "n", false, "leave the line of headings out")
	return cmd
}

func runQuadletList(ctx context.Context, a *app, o *quadletListOptions) error {
	rows, err := a.quadlets(ctx)
	if err != nil {
		return err
	}
	shown := make([]quadletData, 0, len(rows))
	for _, row := range rows {
		keep, err := matchQuadlet(row, o.filters)
		if err != nil {
			return err
		}
		if keep {
			shown = append(shown, row)
		}
	}
	return report.Write(a.out, shown, report.Options{
		Format: o.format, NoHeading: o.noHeading,
		Default: "{{.Name}}\t{{.UnitName}}\t{{.Path}}\t{{.Status}}\t{{.App}}\t{{.Pod}}",
		Headers: map[string]string{"UnitName": "UNIT NAME", "Path": "PATH ON DISK", "App": "APPLICATION"},
	})
}

// matchQuadlet: of filters with one key one must hold, and of every key one.
func matchQuadlet(row quadletData, filters []string) (bool, error) {
	held := map[string]bool{}
	for _, f := range filters {
		key, pattern, ok := strings.Cut(f, "=")
		value, known := map[string]string{"name": row.Name, "status": row.Status, "pod": row.Pod}[key]
		if !ok || !known {
			return false, fmt.Errorf("cannot use the filter %q: name=VALUE, status=VALUE or pod=VALUE is wanted", f)
		}
		if key == "pod" { // its unit, or the name of that without .pod
			pattern, value = strings.TrimSuffix(pattern, ".pod"), strings.TrimSuffix(value, ".pod")
		}
		// The status has a slash, which * does not stand for.
		match, err := path.Match(strings.ReplaceAll(pattern, "/", " "), strings.ReplaceAll(value, "/", " "))
		if err != nil {
			return false, fmt.Errorf("cannot use the filter %q: %w", f, err)
		}
		held[key] = held[key] || match
	}
	for _, ok := range held {
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// quadlets are all units, by name. Those that cannot be read have no service,
// and a warning tells why.
func (a *app) quadlets(ctx context.Context) ([]quadletData, error) {
	p := quadletPlace()
	files, err := quadlet.Files(p)
	if err != nil {
		return nil, err
	}
	set, err := quadlet.Load(p)
	if err != nil {
		for _, e := range flatten(err) {
			a.warn(e.Error())
		}
	}
	for _, w := range set.Warnings {
		a.warn(w)
	}
	var rows []quadletData
	for _, name := range slices.Sorted(maps.Keys(files)) {
		row := quadletData{Name: name, Path: files[name], App: manage.AppOf(p, files[name]), Status: "Not loaded"}
		if u := set.Find(name); u != nil {
			row.UnitName, row.Pod = u.Service+".service", u.Pod()
		}
		rows = append(rows, row)
	}
	states, err := unitStates(ctx, rows)
	if err != nil {
		a.warn(err.Error())
	}
	for i := range rows {
		if state := states[rows[i].UnitName]; state != "" {
			rows[i].Status = state
		} else if err != nil {
			rows[i].Status = "unknown"
		}
	}
	return rows, nil
}

func newQuadletPrint(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "print UNIT",
		Short:             "Print the file of a unit",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeQuadlets,
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := quadlet.Files(quadletPlace())
			if err != nil {
				return err
			}
			file, ok := files[args[0]]
			if !ok {
				return noQuadlet(args[0])
			}
			body, err := unitfile.ReadText(file)
			if err != nil {
				return fmt.Errorf("cannot print unit %s: %w", args[0], err)
			}
			_, err = a.out.Write(body)
			return err
		},
	}
}

func noQuadlet(name string) error {
	return fmt.Errorf("cannot find unit %s: no such Quadlet; carob quadlet list shows what is installed", name)
}

type quadletRmOptions struct{ all, force, ignore, reload, recursive bool }

func newQuadletRm(a *app) *cobra.Command {
	o := &quadletRmOptions{}
	cmd := &cobra.Command{
		Use:   "rm [options] UNIT|APPLICATION [UNIT|APPLICATION...]",
		Short: "Remove installed units; with one of an application goes all of it",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == !o.all {
				return usage(cmd, errors.New("provide one or more names or use --all"))
			}
			return runQuadletRm(cmd.Context(), a, o, args)
		},
		ValidArgsFunction: completeQuadlets,
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "all units in the directory of one's own")
	f.BoolVarP(&o.force, "force", "f", false, "stop services that run first")
	f.BoolVarP(&o.ignore, "ignore", "i", false, "a unit that is not there is no error")
	f.BoolVar(&o.recursive, "recursive", true, "with =false, removing an application is an error")
	f.BoolVar(&o.reload, "reload-systemd", true, "have systemd forget the services")
	return cmd
}

func runQuadletRm(ctx context.Context, a *app, o *quadletRmOptions, args []string) error {
	p := quadletPlace()
	files, err := quadlet.Files(p)
	if err != nil {
		return err
	}
	if o.all {
		args = ownUnits(p, files)
	}
	gone := map[string]bool{}
	var failed []error
	for _, name := range args {
		if gone[name] {
			continue // with its application
		}
		names, err := a.removeQuadlet(ctx, o, files, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, n := range names {
			gone[n] = true
			fmt.Fprintln(a.out, n)
		}
	}
	if len(gone) > 0 {
		if err := reloadUnits(ctx, o.reload); err != nil {
			failed = append(failed, err)
		}
	}
	return a.lastOf(failed)
}

func ownUnits(p quadlet.Place, files map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(files[name], p.ConfigDir()+"/") {
			names = append(names, name)
		}
	}
	return names
}

// removeQuadlet removes a unit or an application and returns the names of the
// units that are gone.
func (a *app) removeQuadlet(ctx context.Context, o *quadletRmOptions, files map[string]string, name string) ([]string, error) {
	if name == "" {
		return nil, noQuadlet(`""`)
	}
	p := quadletPlace()
	names := []string{name}
	app := manage.AppOf(p, files[name])
	if files[name] == "" {
		app = name
	}
	if app != "" {
		var err error
		if names, err = manage.Members(p, app); err != nil {
			return nil, err
		}
	}
	switch {
	case len(names) == 0 && o.ignore:
		return nil, nil
	case len(names) == 0:
		return nil, noQuadlet(name)
	case app != "" && !o.recursive:
		return nil, fmt.Errorf("cannot remove %s: it belongs to the application %s, and --recursive is false", name, app)
	}
	if err := a.stopServices(ctx, p, names, files, o.force); err != nil {
		return nil, fmt.Errorf("cannot remove %s: %w", name, err)
	}
	if err := manage.Remove(p, files[names[0]]); err != nil {
		return nil, fmt.Errorf("cannot remove %s: %w", name, err)
	}
	return names, nil
}
