package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/containers/storage"
	graphdriver "github.com/containers/storage/drivers"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/carob-containers/carob/pkg/image"
)

// ImportOptions say what the image made from a tar is like.
type ImportOptions struct {
	Name              string // "" for none
	Changes           []string
	Message           string
	OS, Arch, Variant string // "" the host's
}

// Import makes an image with one layer from a tar, which may be compressed:
// a path, a URL, or "-" for stdin. It returns the image's ID.
func (c *Client) Import(ctx context.Context, source string, stdin io.Reader, o ImportOptions) (string, error) {
	config := importConfig(source, o)
	for _, change := range o.Changes {
		if err := image.ApplyChange(&config.Config, change); err != nil {
			return "", err
		}
	}
	name, err := importName(o.Name)
	if err != nil {
		return "", err
	}
	r, err := openSource(ctx, source, stdin)
	if err != nil {
		return "", explain("import", source, err)
	}
	defer r.Close()
	layerID, size, err := c.importLayer(ctx, r)
	if err != nil {
		return "", explain("import", source, err)
	}
	config.RootFS.DiffIDs = []digest.Digest{digest.NewDigestFromEncoded(digest.Canonical, layerID)}
	id, err := c.recordImage(config, layerID, size, name)
	return id, explain("import", source, err)
}

func importName(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	ref, err := image.ParseReference(name)
	if err != nil {
		return "", err
	}
	if ref.Digest != "" {
		return "", fmt.Errorf("cannot import as %s: the digest is not for the asker to choose", name)
	}
	if ref.IsShort() {
		ref = ref.On("localhost")
	}
	return ref.Tagged().String(), nil
}

func importConfig(source string, o ImportOptions) *image.Config {
	now := time.Now().UTC()
	if source == "-" {
		source = "stdin"
	}
	or := func(a, b string) string {
		if a == "" {
			return b
		}
		return a
	}
	return &image.Config{
		Created: &now, OS: or(o.OS, runtime.GOOS), Architecture: or(o.Arch, runtime.GOARCH), Variant: o.Variant,
		RootFS: v1.RootFS{Type: "layers"},
		History: []v1.History{{
			Created: &now, CreatedBy: "import " + source, Comment: or(o.Message, "imported from tarball"),
		}},
	}
}

func openSource(ctx context.Context, source string, stdin io.Reader) (io.ReadCloser, error) {
	switch {
	case source == "-":
		return io.NopCloser(stdin), nil
	case strings.HasPrefix(source, "http://"), strings.HasPrefix(source, "https://"):
		return fetch(ctx, source)
	}
	return os.Open(source)
}

func fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	return resp.Body, nil
}

// importLayer unpacks the tar into a layer, whose ID is the digest of the
// tar, and returns that and the tar's size.
func (c *Client) importLayer(ctx context.Context, r io.Reader) (id string, size int64, err error) {
	limit, err := layerLimit()
	if err != nil {
		return "", 0, err
	}
	driver, err := c.store.Storage().GraphDriver()
	if err != nil {
		return "", 0, err
	}
	if _, ok := driver.(graphdriver.DriverWithDiffer); !ok {
		return c.importLayerLocked(ctx, r, limit)
	}
	if err := c.sweep(); err != nil {
		return "", 0, err
	}
	u := &unpacker{blob: &cancelReader{ctx, r}, limit: limit}
	out, err := c.store.Storage().PrepareStagedLayer(nil, u)
	l := layer{staged: out}
	defer func() {
		if l.staged != nil {
			err = errors.Join(err, c.store.Storage().CleanupStagedLayer(l.staged))
		}
	}()
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	if err != nil {
		return "", 0, err
	}
	l.id, size = out.UncompressedDigest.Encoded(), out.Size
	if c.present(l.id) {
		return l.id, size, nil
	}
	return l.id, size, c.apply(&l)
}

// importLayerLocked is importLayer for drivers that cannot stage: the tar is
// unpacked to a file to learn its digest, then into the layer.
func (c *Client) importLayerLocked(ctx context.Context, r io.Reader, limit limit) (string, int64, error) {
	compressed := &counter{r: &cancelReader{ctx, r}}
	plain, closePlain, err := decompress(compressed)
	if err != nil {
		return "", 0, err
	}
	defer closePlain()
	f, err := tempFile()
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	sum := digest.Canonical.Digester()
	size, err := io.Copy(io.MultiWriter(f, sum.Hash()), &guard{r: plain, in: compressed, limit: limit})
	if err != nil {
		return "", 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	id := sum.Digest().Encoded()
	if c.present(id) {
		return id, size, nil
	}
	_, _, err = c.store.Storage().PutLayer(id, "", nil, "", false, &storage.LayerOptions{
		OriginalDigest: sum.Digest(), OriginalSize: &size, UncompressedDigest: sum.Digest(),
	}, f)
	return id, size, err
}

// recordImage writes configuration and manifest of an image with one layer.
func (c *Client) recordImage(config *image.Config, layerID string, size int64, name string) (string, error) {
	configRaw, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	configDigest := digest.FromBytes(configRaw)
	manifestRaw, err := json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: configDigest, Size: int64(len(configRaw))},
		Layers: []v1.Descriptor{{
			MediaType: v1.MediaTypeImageLayer, Digest: config.RootFS.DiffIDs[0], Size: size,
		}},
	})
	if err != nil {
		return "", err
	}
	d := digest.FromBytes(manifestRaw)
	var names []string
	if name != "" {
		names = []string{name}
	}
	img, err := c.store.Storage().CreateImage(configDigest.Encoded(), nil, layerID, "{}", &storage.ImageOptions{
		CreationDate: *config.Created,
		BigData: []storage.ImageBigDataOption{
			{Key: configDigest.String(), Data: configRaw, Digest: configDigest},
			{Key: "manifest-" + d.String(), Data: manifestRaw, Digest: d},
			{Key: storage.ImageDigestBigDataKey, Data: manifestRaw, Digest: d},
		},
	})
	if err != nil {
		return "", err
	}
	// AddNames takes a name from the image that had it; CreateImage refuses.
	if len(names) > 0 {
		if err := c.store.Storage().AddNames(img.ID, names); err != nil {
			return "", err
		}
	}
	return img.ID, nil
}
