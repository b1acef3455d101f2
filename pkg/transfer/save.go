package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containers/image/v5/directory"
	dockerarchive "github.com/containers/image/v5/docker/archive"
	"github.com/containers/image/v5/docker/reference"
	ociarchive "github.com/containers/image/v5/oci/archive"
	"github.com/containers/image/v5/oci/layout"
	"github.com/containers/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/image"
)

// Formats of Save.
const (
	DockerArchive = "docker-archive"
	OCIArchive    = "oci-archive"
	DockerDir     = "docker-dir"
	OCIDir        = "oci-dir"
)

// SaveOptions say what is written.
type SaveOptions struct {
	Format string
	// Tags are further names for the only image of an archive.
	Tags     []string
	Compress *bool // layers of a directory
	// Uncompressed leaves the layers of OCI archives and directories as tars.
	Uncompressed bool
	Access
}

// Save writes images to path: several only into a docker archive.
func (c *Client) Save(ctx context.Context, names []string, path string, o SaveOptions) error {
	sys, err := c.context(o.Access)
	if err != nil {
		return err
	}
	found := make([]saved, len(names))
	for i, name := range names {
		if found[i].img, found[i].as, err = c.store.LookupName(name); err != nil {
			return err
		}
	}
	if len(found) > 1 && o.Format != DockerArchive {
		return fmt.Errorf("cannot save several images as %s: only %s holds more than one", o.Format, DockerArchive)
	}
	_, statErr := os.Lstat(path)
	if o.Format == DockerArchive {
		err = c.saveArchive(ctx, sys, found, path, o)
	} else {
		err = c.saveOne(ctx, sys, found[0], path, o)
	}
	if err != nil {
		if errors.Is(statErr, os.ErrNotExist) {
			err = errors.Join(err, os.RemoveAll(path))
		}
		return explain("save", names[0], err)
	}
	return nil
}

// saved is an image and the name it was asked for by.
type saved struct {
	img *image.Image
	as  string
}

func (c *Client) saveOne(ctx context.Context, sys *types.SystemContext, s saved, path string, o SaveOptions) error {
	if len(o.Tags) > 0 {
		return fmt.Errorf("%s holds one name only", o.Format)
	}
	var dest types.ImageReference
	var err error
	po := PushOptions{Format: "oci", Compress: o.Compress}
	if o.Uncompressed {
		sys.OCIAcceptUncompressedLayers = true
	}
	switch o.Format {
	case OCIArchive:
		dest, err = ociarchive.NewReference(path, s.as)
	case OCIDir:
		dest, err = layout.NewReference(path, s.as)
	case DockerDir:
		po.Format = "v2s2"
		dest, err = directory.NewReference(path)
		if err == nil {
			err = os.MkdirAll(path, 0o755)
		}
	default:
		err = o.unknown()
	}
	if err != nil {
		return err
	}
	_, err = c.copyOut(ctx, sys, s.img, s.as, dest, po)
	return err
}

func (o SaveOptions) unknown() error {
	return fmt.Errorf("unknown format %q: it is none of %s, %s, %s, %s", o.Format, DockerArchive, OCIArchive, OCIDir, DockerDir)
}

// saveArchive writes a docker archive: every image once, with all the names
// it was asked for by.
func (c *Client) saveArchive(ctx context.Context, sys *types.SystemContext, found []saved, path string, o SaveOptions) (err error) {
	var order []*image.Image
	tags := map[string][]reference.NamedTagged{}
	add := func(img *image.Image, name string) error {
		if name == "" {
			return nil
		}
		tag, err := tagOf(name)
		if err == nil && tag != nil {
			tags[img.ID] = append(tags[img.ID], tag)
		}
		return err
	}
	seen := map[string]bool{}
	for _, s := range found {
		if !seen[s.img.ID] {
			seen[s.img.ID] = true
			order = append(order, s.img)
		}
		if err := add(s.img, s.as); err != nil {
			return err
		}
	}
	for _, name := range o.Tags {
		if err := add(found[0].img, c.fullTag(name)); err != nil {
			return err
		}
	}
	w, err := dockerarchive.NewWriter(sys, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, img := range order {
		dest, err := w.NewReference(nil)
		if err != nil {
			return err
		}
		out := *sys
		out.DockerArchiveAdditionalTags = tags[img.ID]
		if _, err := c.copyOut(ctx, &out, img, "", dest, PushOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// fullTag is a further name as it is in the store, or as a local one.
func (c *Client) fullTag(name string) string {
	if _, as, err := c.store.LookupName(name); err == nil && as != "" {
		return as
	}
	if ref, err := image.ParseReference(name); err == nil && ref.IsShort() {
		return ref.On("localhost").String()
	}
	return name
}

// SaveTo is Save into a stream, such as standard output.
func (c *Client) SaveTo(ctx context.Context, names []string, w io.Writer, o SaveOptions) (err error) {
	switch o.Format {
	case DockerArchive, OCIArchive:
	case OCIDir, DockerDir:
		return fmt.Errorf("cannot save as %s to a stream: it is a directory", o.Format)
	default:
		return o.unknown()
	}
	dir, err := os.MkdirTemp(tempDir(), "carob-save-")
	if err != nil {
		return fmt.Errorf("cannot make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		return fmt.Errorf("cannot make a fifo: %w", err)
	}
	copied := make(chan error, 1)
	go func() { copied <- copyFrom(fifo, w) }()
	saveErr := c.Save(ctx, names, fifo, o)
	// A reader that was never written to waits in open; this ends its wait.
	if f, err := os.OpenFile(fifo, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
		f.Close()
	}
	return errors.Join(saveErr, <-copied)
}

func copyFrom(fifo string, w io.Writer) error {
	f, err := os.Open(fifo)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	if err != nil {
		// The writer holds the fifo open for reading too and would wait for
		// ever; let it end.
		_, _ = io.Copy(io.Discard, f)
	}
	return err
}
