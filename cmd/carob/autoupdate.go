package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type autoUpdateOptions struct {
	libpod.AutoUpdateOptions
	format string
}

func newAutoUpdate(a *app) *cobra.Command {
	o := &autoUpdateOptions{}
	cmd := &cobra.Command{
		Use:   "auto-update [options]",
		Short: "Update containers whose images have changed, by restarting their systemd units",
		Long: `Update running containers that want it: their label io.containers.autoupdate is registry, when the
image is to be looked for in its registry, or local, when it is enough that its name means another
image here. A newer image is pulled and the systemd unit that has made the container is restarted,
so it has to make the container anew: see carob-generate-systemd(1), --new.

A restart that fails is done again with the former image. For that to work the unit has to notice:
best when the program in the container says when it is ready (--sdnotify=container or healthy).`,
		Example: `carob run -d --label io.containers.autoupdate=registry --name web docker.io/library/nginx
carob auto-update --dry-run --format '{{.Image}} {{.Updated}}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAutoUpdate(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.AuthFile, "authfile", os.Getenv("REGISTRY_AUTH_FILE"), "file with the credentials for registries")
	f.BoolVar(&o.DryRun, "dry-run", false, "only look for newer images: what would be updated is pending")
	f.StringVar(&o.format, "format", "", "json or a Go template")
	f.BoolVar(&o.Rollback, "rollback", true, "go back to the former image if the restart fails")
	f.VarPF(maybe(&o.TLSVerify, "bool", parseBool), "tls-verify", "", "require HTTPS and check certificates (default true)").NoOptDefVal = "true"
	return cmd
}

// updateRow has podman's keys.
type updateRow struct {
	Unit          string
	Container     string
	ContainerName string
	ContainerID   string
	Image         string
	Policy        string
	Updated       string
}

func runAutoUpdate(ctx context.Context, a *app, o *autoUpdateOptions) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	done, err := rt.AutoUpdate(ctx, o.AutoUpdateOptions)
	rows := []updateRow{}
	for _, d := range done {
		rows = append(rows, updateRow{d.Unit, d.ID[:12] + " (" + d.Name + ")", d.Name, d.ID, d.Image, d.Policy, d.Updated})
	}
	var failed []error
	if err != nil {
		failed = flatten(err)
	}
	err = report.Write(a.out, rows, report.Options{
		Format: o.format, Default: "{{.Unit}}\t{{.Container}}\t{{.Image}}\t{{.Policy}}\t{{.Updated}}",
	})
	if err != nil {
		failed = append(failed, err)
	}
	return a.lastOf(failed)
}
