package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containers/image/v5/directory"
	dockerarchive "github.com/containers/image/v5/docker/archive"
	"github.com/containers/image/v5/oci/layout"
	"github.com/containers/image/v5/pkg/compression"
	"github.com/containers/image/v5/types"
	"github.com/containers/storage/pkg/archive"
	"github.com/containers/storage/pkg/chrootarchive"
	"github.com/containers/storage/pkg/unshare"
)

// Load brings the images of a docker or OCI archive, or of such a directory,
// into the store and returns their names, or IDs where they have none.
// Archives may be compressed with gzip, bzip2, xz or zstd.
func (c *Client) Load(ctx context.Context, path string, a Access) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot load: %w", err)
	}
	defer f.Close()
	names, err := c.LoadFile(ctx, f, a)
	return names, explain("load", path, err)
}

// LoadFrom is Load from a stream, which is kept in a temporary file meanwhile.
func (c *Client) LoadFrom(ctx context.Context, r io.Reader, a Access) ([]string, error) {
	f, err := spool(ctx, r)
	if err != nil {
		return nil, explain("load", "the archive", err)
	}
	defer f.Close()
	names, err := c.LoadFile(ctx, f, a)
	return names, explain("load", "the archive", err)
}

// spool copies a stream to a file without a name.
func spool(ctx context.Context, r io.Reader) (*os.File, error) {
	f, err := tempFile()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, &cancelReader{ctx, r}); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// LoadFile is Load from an open file or directory.
func (c *Client) LoadFile(ctx context.Context, f *os.File, a Access) ([]string, error) {
	sys, err := c.context(a)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p := &pull{Client: c, sys: sys}
	if st.IsDir() {
		return p.loadDir(ctx, f.Name())
	}
	if st.Size() == 0 && st.Mode().IsRegular() {
		return nil, errors.New("the archive is empty")
	}
	if !st.Mode().IsRegular() {
		spooled, err := spool(ctx, f)
		if err != nil {
			return nil, err
		}
		defer spooled.Close()
		f = spooled
	}
	if unpacked, err := unpackWhole(ctx, f); err != nil {
		return nil, err
	} else if unpacked != nil {
		defer unpacked.Close()
		f = unpacked
	}
	// By its descriptor a file may be called anything; the transports' own
	// syntax gives ':' a meaning.
	return p.loadArchive(ctx, pathOf(f))
}

// pathOf is a path that needs no name.
func pathOf(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// unpackWhole copies what is in a compressed archive to a file without a
// name, within the limit: the libraries that read archives know none. It
// returns nil for an archive that is not compressed as a whole.
func unpackWhole(ctx context.Context, f *os.File) (*os.File, error) {
	limit, err := layerLimit()
	if err != nil {
		return nil, err
	}
	packed := &counter{r: &cancelReader{ctx, io.NewSectionReader(f, 0, 1<<62)}}
	decompressor, r, err := compression.DetectCompression(packed)
	if err != nil || decompressor == nil {
		return nil, err
	}
	plain, err := decompressor(r)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	to, err := tempFile()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(to, &guard{r: plain, in: packed, limit: limit}); err != nil {
		to.Close()
		return nil, err
	}
	return to, nil
}

func (p *pull) loadArchive(ctx context.Context, path string) ([]string, error) {
	reader, err := dockerarchive.NewReader(p.sys, path)
	if err == nil {
		defer reader.Close()
		return p.loadDocker(ctx, reader)
	}
	if !errors.Is(err, fs.ErrNotExist) { // there is no manifest.json in it
		return nil, err
	}
	dir, err := os.MkdirTemp(tempDir(), "carob-load-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := unpackArchive(path, dir); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, "oci-layout")); err != nil {
		return nil, errors.New("it is neither a docker archive nor an OCI archive")
	}
	return p.loadLayout(ctx, dir)
}

func unpackArchive(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return chrootarchive.Untar(f, dir, &archive.TarOptions{NoLchown: true, InUserNS: unshare.IsRootless()})
}

func (p *pull) loadDocker(ctx context.Context, reader *dockerarchive.Reader) ([]string, error) {
	images, err := reader.List()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, refs := range images {
		if len(refs) == 0 {
			continue
		}
		id, err := p.archived(ctx, reader, refs[0])
		if err != nil {
			return names, err
		}
		loaded := p.namesOf(refs, id)
		names = append(names, loaded...)
	}
	if len(names) == 0 {
		return nil, errors.New("there is no image in it")
	}
	return names, nil
}

func (p *pull) namesOf(refs []types.ImageReference, id string) []string {
	var names []string
	for _, ref := range refs {
		if named := ref.DockerReference(); named != nil {
			names = append(names, named.String())
		}
	}
	if len(names) == 0 {
		return []string{"sha256:" + id}
	}
	return names
}

func (p *pull) loadDir(ctx context.Context, dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err == nil {
		return p.loadLayout(ctx, dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		return nil, errors.New("it holds neither an OCI layout nor an image saved as a directory")
	}
	ref, err := directory.NewReference(dir)
	if err != nil {
		return nil, err
	}
	return p.loadAs(ctx, ref, localName(dir))
}

func (p *pull) loadLayout(ctx context.Context, dir string) ([]string, error) {
	list, err := layout.List(dir)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("there is no image in it")
	}
	var names []string
	for _, item := range list {
		loaded, err := p.loadAs(ctx, item.Reference, annotatedName(item.ManifestDescriptor))
		if err != nil {
			return names, err
		}
		names = append(names, loaded...)
	}
	return names, nil
}

func (p *pull) loadAs(ctx context.Context, ref types.ImageReference, name string) ([]string, error) {
	id, err := p.copyIn(ctx, ref, name)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = "sha256:" + id
	}
	return []string{name}, nil
}
