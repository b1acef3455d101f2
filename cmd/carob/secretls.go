package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/report"
)

// secretRow is a line of the listing.
type secretRow struct {
	ID, Name, Driver, CreatedAt, UpdatedAt string
	Labels                                 map[string]string
}

type secretListOptions struct {
	filters          []string
	format           string
	noHeading, quiet bool
}

func newSecretList(a *app) *cobra.Command {
	o := &secretListOptions{}
	cmd := &cobra.Command{
		Use:     "ls [options]",
		Aliases: []string{"list"},
		Short:   "List secrets",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runSecretList(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.filters, "filter", "f", nil, "secrets for which name=..., id=... or label=... holds")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVarP(&o.noHeading, "noheading", "n", false, "leave the line of headings out")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print IDs only")
	return cmd
}

func runSecretList(ctx context.Context, a *app, o *secretListOptions) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := rt.Secrets(ctx)
	if err != nil {
		return err
	}
	rows := []secretRow{}
	for _, s := range list {
		ok, err := secretMatches(s, o.filters)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if o.quiet {
			fmt.Fprintln(a.out, s.ID)
			continue
		}
		rows = append(rows, secretRow{s.ID, s.Name, s.Driver, report.Ago(s.Created), report.Ago(s.Updated), s.Labels})
	}
	if o.quiet {
		return nil
	}
	return report.Write(a.out, rows, report.Options{
		Format: o.format, Default: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}", NoHeading: o.noHeading,
		Headers: map[string]string{"CreatedAt": "CREATED", "UpdatedAt": "UPDATED"},
	})
}

// secretMatches: of several filters of one key any may hold, and every key
// must.
func secretMatches(s *spec.StoredSecret, filters []string) (bool, error) {
	held := map[string]bool{}
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		ok := false
		switch key {
		case "name":
			re, err := regexp.Compile(value)
			if err != nil {
				return false, fmt.Errorf("cannot use filter %q: %w", f, err)
			}
			ok = re.MatchString(s.Name)
		case "id":
			ok = strings.HasPrefix(s.ID, value)
		case "label":
			name, want, has := strings.Cut(value, "=")
			have, there := s.Labels[name]
			ok = there && (!has || have == want)
		default:
			return false, fmt.Errorf("cannot use filter %q: secrets have name, id and label", f)
		}
		held[key] = held[key] || ok
	}
	for _, ok := range held {
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// secretData is a secret as inspect shows it, with podman's keys.
type secretData struct {
	ID         string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Spec       secretSpec
	SecretData string `json:"SecretData,omitempty"`
}

type secretSpec struct {
	Name   string
	Driver secretDriver
	Labels map[string]string
}

type secretDriver struct {
	Name    string
	Options map[string]string
}

type secretInspectOptions struct {
	format       string
	pretty, show bool
}

func newSecretInspect(a *app) *cobra.Command {
	o := &secretInspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect [options] SECRET [SECRET...]",
		Short: "Show secrets, but not their data",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runSecretInspect(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeSecrets,
	}
	f := cmd.Flags()
	f.StringVarP(&o.format, "format", "f", "", "json or a Go template")
	f.BoolVar(&o.pretty, "pretty", false, "print in a form for people")
	f.BoolVar(&o.show, "showsecret", false, "show the data too")
	return cmd
}

func runSecretInspect(ctx context.Context, a *app, o *secretInspectOptions, args []string) error {
	if o.pretty && o.format != "" {
		return errors.New("--pretty and --format contradict each other")
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	objects := []any{}
	var failed []error
	for _, name := range args {
		d, err := o.look(ctx, rt, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		objects = append(objects, d)
	}
	if o.pretty {
		for _, d := range objects {
			printSecret(a, d.(secretData))
		}
	} else if len(objects) > 0 || o.format == "" {
		if err := report.Inspect(a.out, objects, o.format); err != nil {
			return err
		}
	}
	return a.lastOf(failed)
}

func (o *secretInspectOptions) look(ctx context.Context, rt *libpod.Runtime, name string) (secretData, error) {
	s, err := rt.Secret(ctx, name)
	if err != nil {
		return secretData{}, fmt.Errorf("inspecting secret %s: %w", name, err)
	}
	d := secretData{
		ID: s.ID, CreatedAt: s.Created, UpdatedAt: s.Updated,
		Spec: secretSpec{Name: s.Name, Driver: secretDriver{s.Driver, s.Options}, Labels: words(nil)},
	}
	if s.Labels != nil {
		d.Spec.Labels = s.Labels
	}
	if o.show {
		data, err := rt.SecretData(s)
		if err != nil {
			return d, err
		}
		d.SecretData = string(data)
	}
	return d, nil
}

func printSecret(a *app, d secretData) {
	fmt.Fprintf(a.out, "ID:              %s\nName:            %s\n", d.ID, d.Spec.Name)
	for name, value := range d.Spec.Labels {
		fmt.Fprintf(a.out, " - %s=%s\n", name, value)
	}
	fmt.Fprintf(a.out, "Driver:          %s\nCreated at:      %s\nUpdated at:      %s\n", d.Spec.Driver.Name, d.CreatedAt, d.UpdatedAt)
	if d.SecretData != "" {
		fmt.Fprintf(a.out, "Secret:          %s\n", d.SecretData)
	}
}
