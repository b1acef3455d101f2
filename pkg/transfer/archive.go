package transfer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containers/image/v5/directory"
	dockerarchive "github.com/containers/image/v5/docker/archive"
	"github.com/containers/image/v5/docker/reference"
	ociarchive "github.com/containers/image/v5/oci/archive"
	"github.com/containers/image/v5/oci/layout"
	istorage "github.com/containers/image/v5/storage"
	"github.com/containers/image/v5/transports/alltransports"
	"github.com/containers/image/v5/types"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// fromTransport pulls what TRANSPORT:DETAILS names, other than a registry's.
func (p *pull) fromTransport(ctx context.Context, name string) ([]string, error) {
	ref, err := alltransports.ParseImageName(name)
	if err != nil {
		return nil, err
	}
	switch ref.Transport().Name() {
	case dockerarchive.Transport.Name(), ociarchive.Transport.Name():
		return p.fromArchive(ctx, ref)
	case istorage.Transport.Name():
		id, err := p.fromStorage(ctx, name, ref)
		return []string{id}, err
	}
	as, err := p.nameFor(ref)
	if err != nil {
		return nil, err
	}
	id, err := p.copyIn(ctx, ref, as)
	return []string{id}, err
}

// fromArchive pulls from a file, which may be compressed as a whole.
func (p *pull) fromArchive(ctx context.Context, ref types.ImageReference) ([]string, error) {
	transport := ref.Transport()
	path, rest, named := strings.Cut(ref.StringWithinTransport(), ":")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked, err := unpackWhole(ctx, f)
	if err != nil {
		return nil, err
	}
	if unpacked != nil {
		defer unpacked.Close()
		within := pathOf(unpacked)
		if named {
			within += ":" + rest
		}
		if ref, err = transport.ParseReference(within); err != nil {
			return nil, err
		}
	}
	if transport.Name() == dockerarchive.Transport.Name() {
		return p.fromDockerArchive(ctx, ref)
	}
	as, err := p.nameFor(ref)
	if err != nil {
		return nil, err
	}
	id, err := p.copyIn(ctx, ref, as)
	return []string{id}, err
}

// nameFor is the name an image gets that came from ref; "" for none.
func (p *pull) nameFor(ref types.ImageReference) (string, error) {
	switch ref.Transport().Name() {
	case ociarchive.Transport.Name():
		d, err := ociarchive.LoadManifestDescriptorWithContext(p.sys, ref)
		if err != nil {
			return "", err
		}
		return annotatedName(d), nil
	case layout.Transport.Name():
		d, err := layout.LoadManifestDescriptor(ref)
		if err == nil {
			if name := annotatedName(d); strings.Contains(name, "/") {
				return name, nil
			}
		}
		path, _, _ := strings.Cut(ref.StringWithinTransport(), ":")
		return localName(path), nil
	case directory.Transport.Name():
		return localName(ref.StringWithinTransport()), nil
	}
	if named := ref.DockerReference(); named != nil {
		return named.String(), nil
	}
	return "", nil
}

// annotatedName is the name an OCI index gives an image. A bare one is of this
// machine.
func annotatedName(d v1.Descriptor) string {
	name := d.Annotations[v1.AnnotationRefName]
	if full := d.Annotations["io.containerd.image.name"]; full != "" {
		name = full
	}
	if name == "" {
		return ""
	}
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		return ""
	}
	if domain, _, found := strings.Cut(name, "/"); !found || !strings.ContainsAny(domain, ".:") && domain != "localhost" {
		return "localhost/" + name
	}
	return name
}

// localName makes a name from a path, as far as one can be made.
func localName(path string) string {
	name := "localhost/" + strings.TrimPrefix(filepath.ToSlash(filepath.Clean(path)), "/")
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		name = "localhost/" + strings.ToLower(filepath.Base(path))
	}
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		return ""
	}
	return name
}

// fromDockerArchive pulls all images of a docker save file, or the one ref
// names, with all their tags.
func (p *pull) fromDockerArchive(ctx context.Context, ref types.ImageReference) ([]string, error) {
	reader, ref, err := dockerarchive.NewReaderForReference(p.sys, ref)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	images := [][]types.ImageReference{{ref}}
	if !namesOne(ref) {
		if images, err = reader.List(); err != nil {
			return nil, err
		}
	}
	var ids []string
	for _, refs := range images {
		if len(refs) == 0 {
			continue
		}
		id, err := p.archived(ctx, reader, refs[0])
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("there is no image in it")
	}
	return ids, nil
}

// namesOne tells whether ref says which image of the archive: PATH:NAME or PATH:@N.
func namesOne(ref types.ImageReference) bool {
	return strings.Contains(ref.StringWithinTransport(), ":")
}

// archived copies one image of an archive and gives it all its tags.
func (p *pull) archived(ctx context.Context, reader *dockerarchive.Reader, ref types.ImageReference) (string, error) {
	tags, err := reader.ManifestTagsForReference(ref)
	if err != nil {
		return "", err
	}
	if named := ref.DockerReference(); named != nil && len(tags) == 0 {
		tags = []string{named.String()}
	}
	first := ""
	if len(tags) > 0 {
		first = tags[0]
	}
	id, err := p.copyIn(ctx, ref, first)
	if err != nil || len(tags) < 2 {
		return id, err
	}
	names := []string{}
	for _, tag := range tags[1:] {
		named, err := reference.ParseNormalizedNamed(tag)
		if err != nil {
			return id, fmt.Errorf("cannot use tag %s: %w", tag, err)
		}
		names = append(names, reference.TagNameOnly(named).String())
	}
	if err := p.store.Storage().AddNames(id, names); err != nil {
		return id, fmt.Errorf("cannot name image %s: %w", id, err)
	}
	return id, nil
}

// fromStorage finds an image that is here already, or copies it from another
// store: containers-storage:[DRIVER@GRAPHROOT+RUNROOT]NAME.
func (p *pull) fromStorage(ctx context.Context, name string, ref types.ImageReference) (string, error) {
	inner := strings.TrimPrefix(name, istorage.Transport.Name()+":")
	if !strings.HasPrefix(inner, "[") {
		img, err := p.store.Lookup(strings.TrimPrefix(inner, "@"))
		if err != nil {
			return "", err
		}
		return img.ID, nil
	}
	as := ""
	if named := ref.DockerReference(); named != nil {
		as = named.String()
	}
	return p.copyIn(ctx, ref, as)
}
