package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	dockerarchive "github.com/containers/image/v5/docker/archive"
	manifests "github.com/containers/image/v5/image"
	"github.com/containers/image/v5/manifest"
	"github.com/containers/image/v5/pkg/blobinfocache/none"
	"github.com/containers/image/v5/types"
	"github.com/containers/storage"
	graphdriver "github.com/containers/storage/drivers"
	"github.com/containers/storage/pkg/archive"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Staging: containers/image hands a whole layer to the store, which unpacks it
// under the lock that every run needs, so one big pull stops all runs. Here
// the layers are unpacked beforehand, several at once, into staging
// directories that no lock guards; then each becomes a layer by a rename.
// When containers/image copies the image after that, it finds all its layers
// in place and adds configuration, manifest, signatures and name.
//
//	nothing is in the store -> staged, invisible -> all layers, no image -> image
//
// A failure before the renames removes the staging directories. What a
// SIGKILL leaves is an unlocked staging directory (image.Store.CleanLeftovers)
// or, for the milliseconds between rename and copy, layers without an image.

// parallelLayers is the number of layers under way at once, for sources that
// allow more than one.
const parallelLayers = 6

// layer is one layer of an image to be.
type layer struct {
	blob   types.BlobInfo
	diffID digest.Digest
	id     string // chain ID, as containers/image names layers
	parent string
	copyOf string // a layer with the same content under other parents

	staged *graphdriver.DriverWithDifferOutput
}

// stage puts the layers of the chosen image into the store. What it cannot
// deal with it leaves to containers/image.
func (c *Client) stage(ctx context.Context, sys *types.SystemContext, src types.ImageSource, chosen *manifests.UnparsedImage) error {
	driver, err := c.store.Storage().GraphDriver()
	if err != nil {
		return err
	}
	if _, ok := driver.(graphdriver.DriverWithDiffer); !ok {
		return nil // vfs
	}
	if err := c.sweep(); err != nil {
		return err
	}
	layers, err := c.plan(ctx, sys, src, chosen)
	if err != nil || layers == nil {
		return err
	}
	unlock, err := c.lockDigests(ctx, layers)
	if err != nil {
		return err
	}
	defer unlock()
	defer c.dropStaged(layers)
	if err := c.unpackMissing(ctx, src, layers); err != nil {
		return err
	}
	for i := range layers {
		if err := c.apply(&layers[i]); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes, once and before the first layer of ours, what killed pulls
// have left.
func (c *Client) sweep() error {
	if c.swept {
		return nil
	}
	c.swept = true
	_, err := c.store.CleanStaging()
	return err
}

// plan lists the layers with their names in the store; nil when the image is
// of a kind that is not staged.
func (c *Client) plan(ctx context.Context, sys *types.SystemContext, src types.ImageSource, chosen *manifests.UnparsedImage) ([]layer, error) {
	raw, kind, err := chosen.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	kind = manifest.NormalizedMIMEType(kind)
	if kind != manifest.DockerV2Schema2MediaType && kind != "application/vnd.oci.image.manifest.v1+json" {
		return nil, nil
	}
	m, err := manifest.FromBlob(raw, kind)
	if err != nil {
		return nil, err
	}
	img, err := manifests.FromUnparsedImage(ctx, sys, chosen)
	if err != nil {
		return nil, err
	}
	config, err := img.OCIConfig(ctx)
	if err != nil {
		return nil, err
	}
	if updated, err := src.LayerInfosForCopy(ctx, nil); err != nil || updated != nil {
		return nil, err
	}
	infos := m.LayerInfos()
	if len(infos) != len(config.RootFS.DiffIDs) {
		return nil, nil // an artifact, or one containers/image will refuse
	}
	layers := make([]layer, len(infos))
	parent := ""
	for i, info := range infos {
		diffID := config.RootFS.DiffIDs[i]
		if info.EmptyLayer || len(info.URLs) > 0 || info.Digest.Algorithm() != digest.Canonical ||
			diffID.Validate() != nil || diffID.Algorithm() != digest.Canonical || !ordinary(info.MediaType) {
			return nil, nil
		}
		id := diffID.Encoded()
		if parent != "" {
			id = digest.FromString(parent + "+" + id).Encoded()
		}
		layers[i] = layer{blob: info.BlobInfo, diffID: diffID, id: id, parent: parent}
		parent = id
	}
	return layers, nil
}

// ordinary tells whether a media type is that of a plain, maybe compressed
// tar: neither encrypted nor foreign.
func ordinary(mediaType string) bool {
	return slices.Contains([]string{
		manifest.DockerV2Schema2LayerMediaType, manifest.DockerV2SchemaLayerMediaTypeUncompressed,
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
	}, mediaType)
}

// lockDigests takes the store's lock of every layer that is not there yet, so
// that two pulls of one image load it once. The order of the digests keeps
// two pulls from waiting for each other.
func (c *Client) lockDigests(ctx context.Context, layers []layer) (func(), error) {
	var want []digest.Digest
	for i := range layers {
		if !c.present(layers[i].id) {
			want = append(want, layers[i].diffID)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	var held []sync.Locker
	unlock := func() {
		for _, l := range held {
			l.Unlock()
		}
	}
	for _, d := range want {
		l, err := c.store.Storage().GetDigestLock(d)
		if err == nil {
			err = lockContext(ctx, l)
		}
		if err != nil {
			unlock()
			return nil, err
		}
		held = append(held, l)
	}
	return unlock, nil
}

// lockContext gives up waiting when ctx ends; the lock is let go as soon as
// it comes then.
func lockContext(ctx context.Context, l sync.Locker) error {
	got := make(chan struct{})
	go func() {
		l.Lock()
		close(got)
	}()
	select {
	case <-got:
		return nil
	case <-ctx.Done():
		go func() {
			<-got
			l.Unlock()
		}()
		return ctx.Err()
	}
}

func (c *Client) present(layerID string) bool {
	_, err := c.store.Storage().Layer(layerID)
	return err == nil
}

// unpackMissing stages every layer the store does not have.
func (c *Client) unpackMissing(ctx context.Context, src types.ImageSource, layers []layer) error {
	limit, err := layerLimit()
	if err != nil {
		return err
	}
	limit.packed = archiveSize(src.Reference())
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1)
	if src.HasThreadSafeGetBlob() {
		group.SetLimit(parallelLayers)
		if c.Parallel > 0 {
			group.SetLimit(int(c.Parallel))
		}
	}
	board := newBoard(ctx, c.progress)
	for i := range layers {
		l := &layers[i]
		if c.present(l.id) {
			board.skipped(l.blob.Digest)
			continue
		}
		if same, err := c.store.Storage().LayersByUncompressedDigest(l.diffID); err == nil && len(same) > 0 {
			l.copyOf = same[0].ID
		}
		group.Go(func() error { return c.unpack(ctx, src, l, limit, board) })
	}
	err = group.Wait()
	board.wait()
	return err
}

// archiveSize is that of an archive of docker save, 0 for another source: its
// layers may be compressed in it, but containers/image hands them out unpacked.
func archiveSize(ref types.ImageReference) int64 {
	if ref.Transport().Name() != dockerarchive.Transport.Name() {
		return 0
	}
	path, _, _ := strings.Cut(ref.StringWithinTransport(), ":")
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (c *Client) unpack(ctx context.Context, src types.ImageSource, l *layer, limit limit, board *board) (err error) {
	blob, size, err := c.open(ctx, src, l)
	if err != nil {
		return err
	}
	defer blob.Close()
	bar := board.start(l.blob.Digest, size)
	defer func() { bar.end(err) }()
	u := &unpacker{blob: &cancelReader{ctx, bar.reader(blob)}, digest: l.blob.Digest, diffID: l.diffID, limit: limit}
	if l.copyOf != "" {
		u.digest = ""
	}
	out, err := c.store.Storage().PrepareStagedLayer(nil, u)
	if out != nil && out.Target != "" {
		l.staged = out // also a broken one: it has to be removed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *Client) open(ctx context.Context, src types.ImageSource, l *layer) (io.ReadCloser, int64, error) {
	if l.copyOf != "" {
		plain := archive.Uncompressed
		tar, err := c.store.Storage().Diff("", l.copyOf, &storage.DiffOptions{Compression: &plain})
		return tar, -1, err
	}
	return src.GetBlob(ctx, l.blob, none.NoCache)
}

// cancelReader ends with its context.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// apply turns a staged layer into one of the store.
func (c *Client) apply(l *layer) error {
	if l.staged == nil {
		return nil
	}
	_, err := c.store.Storage().ApplyStagedLayer(storage.ApplyStagedLayerOptions{
		ID: l.id, ParentLayer: l.parent, DiffOutput: l.staged,
	})
	if err != nil {
		return fmt.Errorf("cannot store layer %s: %w", l.blob.Digest, err)
	}
	// The store renamed the tree away and left the directory around it.
	if err := os.Remove(filepath.Dir(l.staged.Target)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l.staged = nil
	return nil
}

// dropStaged removes what was unpacked and not applied.
func (c *Client) dropStaged(layers []layer) {
	for i := range layers {
		if l := &layers[i]; l.staged != nil {
			// The directory's lock goes with us; what could not be removed
			// is found as a leftover.
			_ = c.store.Storage().CleanupStagedLayer(l.staged)
			l.staged = nil
		}
	}
}
