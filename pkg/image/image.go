package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/containers/storage"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is one image of the store.
type Image struct {
	ID       string
	Names    []string // full names with tag or digest; empty: dangling
	Digest   digest.Digest
	Digests  []digest.Digest
	TopLayer string // "" for an image without layers
	Created  time.Time
	ReadOnly bool // in an additional store
	// OldNames are names it had, newest first.
	OldNames []string

	store *Store
	raw   *storage.Image
}

// Config is the configuration blob of an image: application/vnd.oci.image.config.v1+json,
// and the fields docker's application/vnd.docker.container.image.v1+json has beyond it.
type Config struct {
	Created       *time.Time   `json:"created,omitempty"`
	Author        string       `json:"author,omitempty"`
	Comment       string       `json:"comment,omitempty"`
	Architecture  string       `json:"architecture"`
	Variant       string       `json:"variant,omitempty"`
	OS            string       `json:"os"`
	OSVersion     string       `json:"os.version,omitempty"`
	OSFeatures    []string     `json:"os.features,omitempty"`
	DockerVersion string       `json:"docker_version,omitempty"`
	Parent        string       `json:"parent,omitempty"`
	Config        Run          `json:"config"`
	RootFS        v1.RootFS    `json:"rootfs"`
	History       []v1.History `json:"history,omitempty"`
}

// Run says how containers of an image run.
type Run struct {
	v1.ImageConfig
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
	OnBuild     []string     `json:"OnBuild,omitempty"`
	Shell       []string     `json:"Shell,omitempty"`
	StopTimeout *int         `json:"StopTimeout,omitempty"` // seconds
}

// Healthcheck is docker's HEALTHCHECK.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"` // NONE, CMD ..., CMD-SHELL ...
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

func (s *Store) image(raw *storage.Image) *Image {
	return &Image{
		ID: raw.ID, Names: raw.Names, Digest: raw.Digest, Digests: raw.Digests, TopLayer: raw.TopLayer,
		Created: raw.Created, ReadOnly: raw.ReadOnly, OldNames: raw.NamesHistory,
		store: s, raw: raw,
	}
}

// Images lists all images of the store in no particular order.
func (s *Store) Images() ([]*Image, error) {
	all, err := s.store.Images()
	if err != nil {
		return nil, readError(err)
	}
	out := make([]*Image, len(all))
	for i := range all {
		out[i] = s.image(&all[i])
	}
	return out, nil
}

// Dangling tells whether the image has no name.
func (i *Image) Dangling() bool { return len(i.Names) == 0 }

// ErrNoConfig is an image whose configuration cannot be read: a manifest
// list, an artifact, or a schema 1 image.
var ErrNoConfig = errors.New("it has no configuration")

// Config reads the image's configuration from the store.
func (i *Image) Config() (*Config, error) {
	raw, err := i.RawConfig()
	if err != nil {
		return nil, err
	}
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("cannot read the configuration of image %s: %w", i.ID, err)
	}
	return &c, nil
}

// RawConfig gives the bytes of the configuration blob.
func (i *Image) RawConfig() ([]byte, error) {
	raw, err := i.bigData("sha256:" + i.ID)
	if err == nil {
		return raw, nil
	}
	manifest, _, err := i.Manifest()
	if err != nil {
		return nil, err
	}
	var m struct {
		Config struct {
			Digest digest.Digest `json:"digest"`
		} `json:"config"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("cannot read the manifest of image %s: %w", i.ID, err)
	}
	if m.Config.Digest == "" {
		return nil, fmt.Errorf("cannot read the configuration of image %s: %w", i.ID, ErrNoConfig)
	}
	return i.bigData(m.Config.Digest.String())
}

// Manifest gives the bytes of the image's manifest and their media type.
func (i *Image) Manifest() (raw []byte, mediaType string, err error) {
	raw, err = i.bigData("manifest-" + i.Digest.String())
	if err != nil {
		raw, err = i.bigData("manifest")
	}
	if err != nil {
		return nil, "", err
	}
	return raw, manifestType(raw), nil
}

// manifestType is the media type a manifest states, or the one its shape tells.
func manifestType(raw []byte) string {
	var m struct {
		MediaType     string          `json:"mediaType"`
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     json.RawMessage `json:"manifests"`
	}
	_ = json.Unmarshal(raw, &m) // a broken one has no type
	switch {
	case m.MediaType != "":
		return m.MediaType
	case m.SchemaVersion == 1:
		return "application/vnd.docker.distribution.manifest.v1+prettyjws"
	case m.Manifests != nil:
		return v1.MediaTypeImageIndex
	case m.SchemaVersion == 2:
		return v1.MediaTypeImageManifest
	}
	return ""
}

// Annotations are those of an OCI manifest.
func (i *Image) Annotations() (map[string]string, error) {
	raw, _, err := i.Manifest()
	if err != nil {
		return nil, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("cannot read the manifest of image %s: %w", i.ID, err)
	}
	return m.Annotations, nil
}

func (i *Image) bigData(key string) ([]byte, error) {
	raw, err := i.store.store.ImageBigData(i.ID, key)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the configuration of image %s: %w", i.ID, ErrNoConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s of image %s: %w", key, i.ID, err)
	}
	return raw, nil
}

// Size is the bytes of all layers, unpacked, and of the image's own data.
func (i *Image) Size() (int64, error) {
	n, err := i.store.store.ImageSize(i.ID)
	if err != nil {
		return 0, fmt.Errorf("cannot measure image %s: %w", i.ID, err)
	}
	return n, nil
}

// RepoTags are the names with a tag.
func (i *Image) RepoTags() []string {
	tags := []string{}
	for _, n := range i.Names {
		if !strings.Contains(n, "@") {
			tags = append(tags, n)
		}
	}
	return tags
}

// RepoDigests are repository@digest for every repository the image has a name in.
func (i *Image) RepoDigests() []string {
	out, seen := []string{}, map[string]bool{}
	for _, n := range i.Names {
		r, err := ParseReference(n)
		if err != nil {
			continue
		}
		for _, d := range i.Digests {
			if name := r.Name() + "@" + d.String(); !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// HistoryItem is one step of an image's making.
type HistoryItem struct {
	ID        string // of the image this step is the top of; "<missing>" for none here
	Created   *time.Time
	CreatedBy string
	Comment   string
	Size      int64 // bytes of the layer, 0 for a step without one
}

// History lists the steps, newest first.
func (i *Image) History() ([]HistoryItem, error) {
	config, err := i.Config()
	if err != nil {
		return nil, err
	}
	snap, err := i.store.snapshot()
	if err != nil {
		return nil, err
	}
	tops := map[string]*storage.Image{}
	for n := range snap.Images {
		tops[snap.Images[n].TopLayer] = &snap.Images[n]
	}
	tops[i.TopLayer] = i.raw
	layers := layersByID(snap.Layers)
	layer := layers[i.TopLayer]
	var out []HistoryItem
	for n := len(config.History) - 1; n >= 0; n-- {
		h := config.History[n]
		item := HistoryItem{ID: "<missing>", Created: h.Created, CreatedBy: h.CreatedBy, Comment: h.Comment}
		if layer != nil {
			if top := tops[layer.ID]; top != nil {
				item.ID = top.ID
				delete(tops, layer.ID)
			}
			if !h.EmptyLayer {
				item.Size = max(layer.UncompressedSize, 0)
				layer = layers[layer.Parent]
			}
		}
		out = append(out, item)
	}
	return out, nil
}

func (s *Store) snapshot() (storage.MultiListResult, error) {
	snap, err := s.store.MultiList(storage.MultiListOptions{Images: true, Layers: true})
	if err != nil {
		return snap, readError(err)
	}
	return snap, nil
}

func layersByID(layers []storage.Layer) map[string]*storage.Layer {
	m := make(map[string]*storage.Layer, len(layers))
	for i := range layers {
		m[layers[i].ID] = &layers[i]
	}
	return m
}
