package main

import (
	"errors"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

// imageData is what inspect shows of an image, with podman's keys.
type imageData struct {
	ID           string             `json:"Id"`
	Digest       string             `json:"Digest"`
	RepoTags     []string           `json:"RepoTags"`
	RepoDigests  []string           `json:"RepoDigests"`
	Parent       string             `json:"Parent"`
	Comment      string             `json:"Comment"`
	Created      *time.Time         `json:"Created"`
	Config       *v1.ImageConfig    `json:"Config"`
	Version      string             `json:"Version"`
	Author       string             `json:"Author"`
	Architecture string             `json:"Architecture"`
	OS           string             `json:"Os"`
	Size         int64              `json:"Size"`
	VirtualSize  int64              `json:"VirtualSize"`
	GraphDriver  imageDriver        `json:"GraphDriver"`
	RootFS       imageRootFS        `json:"RootFS"`
	Labels       map[string]string  `json:"Labels"`
	Annotations  map[string]string  `json:"Annotations"`
	ManifestType string             `json:"ManifestType"`
	User         string             `json:"User"`
	History      []v1.History       `json:"History"`
	NamesHistory []string           `json:"NamesHistory"`
	HealthCheck  *image.Healthcheck `json:"Healthcheck,omitempty"`
}

type imageDriver struct {
	Name string
	Data map[string]string
}

type imageRootFS struct {
	Type   string
	Layers []string
}

func newImageInspect(a *app) *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use:   "inspect [options] IMAGE [IMAGE...]",
		Short: "Show the configuration of images",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return runImageInspect(a, format, args) },

		ValidArgsFunction: a.completeImages,
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json or a Go template")
	return cmd
}

func runImageInspect(a *app, format string, names []string) error {
	store, err := a.openImages()
	if err != nil {
		return err
	}
	objects := []any{}
	var failed []error
	for _, name := range names {
		data, err := inspectImage(store, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		objects = append(objects, data)
	}
	// What was found is shown even when something was not.
	if err := report.Inspect(a.out, objects, format); err != nil {
		return err
	}
	return a.lastOf(failed)
}

// inspectImage is the image half of inspect. It fails with
// *image.NotFoundError where there is no such image.
func inspectImage(store *image.Store, name string) (*imageData, error) {
	i, err := store.Lookup(name)
	if err != nil {
		return nil, err
	}
	config, err := i.Config()
	if err != nil {
		return nil, err
	}
	size, err := i.Size()
	if err != nil {
		return nil, err
	}
	driver, err := i.DriverData()
	if err != nil {
		return nil, err
	}
	_, kind, err := i.Manifest()
	if err != nil {
		return nil, err
	}
	annotations, err := i.Annotations()
	if err != nil {
		return nil, err
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	data := &imageData{
		ID: i.ID, Digest: i.Digest.String(), RepoTags: i.RepoTags(), RepoDigests: i.RepoDigests(),
		Comment: comment(config, kind), Created: config.Created, Config: &config.Config.ImageConfig,
		Version: config.DockerVersion, Author: config.Author, Architecture: config.Architecture, OS: config.OS,
		Size: size, VirtualSize: size, GraphDriver: imageDriver{store.Paths().Driver, driver},
		RootFS: imageRootFS{Type: config.RootFS.Type, Layers: []string{}}, Labels: config.Config.Labels, Annotations: annotations,
		ManifestType: kind, User: config.Config.User, History: config.History, NamesHistory: i.OldNames,
		HealthCheck: config.Config.Healthcheck,
	}
	for _, d := range config.RootFS.DiffIDs {
		data.RootFS.Layers = append(data.RootFS.Layers, d.String())
	}
	data.Parent, err = parentOf(store, i)
	return data, err
}

// comment is where podman looks for it: OCI configurations have none but that
// of their first step.
func comment(c *image.Config, manifestType string) string {
	if manifestType == v1.MediaTypeImageManifest && len(c.History) > 0 {
		return c.History[0].Comment
	}
	return c.Comment
}

func parentOf(store *image.Store, i *image.Image) (string, error) {
	list, err := store.List()
	if err != nil {
		return "", err
	}
	for _, item := range list.Items {
		if item.ID == i.ID {
			if parent := item.Parent(); parent != nil {
				return parent.ID, nil
			}
		}
	}
	return "", nil
}

// isNoImage tells whether err is about an image that is not here.
func isNoImage(err error) bool {
	var missing *image.NotFoundError
	var invalid *image.InvalidReferenceError
	return errors.As(err, &missing) || errors.As(err, &invalid)
}
