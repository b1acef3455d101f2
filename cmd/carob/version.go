package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/report"
)

// versionData has podman's keys.
type versionData struct {
	APIVersion string
	Version    string
	GoVersion  string
	GitCommit  string
	BuiltTime  string
	Built      int64 // Unix seconds
	OsArch     string
	OS         string `json:"Os"`
}

// versionReport is what templates of version see. There is no server: what
// asks for its version gets this program's. The client's fields may be named
// without it.
type versionReport struct {
	*versionData `json:"-"`
	Client       *versionData
	Server       *versionData `json:",omitempty"`
}

func newVersion(a *app) *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use:   "version [options]",
		Short: "Show the version",
		Args:  cobra.NoArgs,
		RunE:  func(_ *cobra.Command, _ []string) error { return runVersion(a, format) },

		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json or a Go template")
	return cmd
}

func runVersion(a *app, format string) error {
	v := thisVersion()
	if report.IsJSON(format) {
		return report.JSON(a.out, versionReport{Client: v})
	}
	if format != "" {
		return report.Inspect(a.out, []any{&versionReport{versionData: v, Client: v, Server: v}}, format)
	}
	_, err := fmt.Fprintf(a.out, "Client:       carob\nVersion:      %s\nAPI Version:  %s\nGo Version:   %s\n", v.Version, v.APIVersion, v.GoVersion)
	if err == nil && v.GitCommit != "" {
		_, err = fmt.Fprintf(a.out, "Git Commit:   %s\n", v.GitCommit)
	}
	if err == nil {
		_, err = fmt.Fprintf(a.out, "Built:        %s\nOS/Arch:      %s\n", v.BuiltTime, v.OsArch)
	}
	return err
}

func thisVersion() *versionData {
	v := &versionData{
		APIVersion: version, Version: version, GoVersion: runtime.Version(), OsArch: runtime.GOOS + "/" + runtime.GOARCH, OS: runtime.GOOS,
	}
	built := time.Unix(0, 0).UTC()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.GitCommit = s.Value
			case "vcs.time":
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					built = t
				}
			}
		}
	}
	v.Built, v.BuiltTime = built.Unix(), strings.TrimSpace(built.Local().Format(time.ANSIC))
	return v
}
