package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containers/image/v5/copy"
	"github.com/containers/image/v5/docker/reference"
	"github.com/containers/image/v5/manifest"
	"github.com/containers/image/v5/pkg/compression"
	"github.com/containers/image/v5/transports/alltransports"
	"github.com/containers/image/v5/types"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/carob-containers/carob/pkg/image"
)

// PushOptions say how an image goes out.
type PushOptions struct {
	Access
	Format           string // "oci", "v2s2", "v2s1"; "" as it is
	Compression      string // of layers: "gzip", "zstd", "zstd:chunked"; "" as it is, or gzip
	CompressionLevel *int
	ForceCompression bool
	// Compress makes a directory keep its layers compressed; nil as the
	// transport does by itself.
	Compress         *bool
	RemoveSignatures bool
	// SigstoreKey is a sigstore private key file to sign with.
	SigstoreKey string
	Passphrase  []byte
	Retries     uint
	RetryDelay  time.Duration
}

// Push copies an image of the store to destination, which may be a name in a
// registry or TRANSPORT:DETAILS; "" is the image's own name. It returns the
// digest of the manifest as it was written.
func (c *Client) Push(ctx context.Context, name, destination string, o PushOptions) (digest.Digest, error) {
	sys, err := c.context(o.Access)
	if err != nil {
		return "", err
	}
	img, as, err := c.store.LookupName(name)
	if err != nil {
		return "", err
	}
	if destination == "" {
		if destination = as; as == "" {
			return "", &hinted{fmt.Errorf("cannot push %s: it says no registry", name), "name the destination too"}
		}
	}
	dest, err := parseDestination(destination)
	if err != nil {
		return "", err
	}
	p := &pull{Client: c, sys: sys, o: PullOptions{Retries: o.Retries, RetryDelay: o.RetryDelay}}
	d, err := p.withRetries(ctx, func() (string, error) {
		d, err := c.copyOut(ctx, sys, img, as, dest, o)
		return d.String(), err
	})
	return digest.Digest(d), explain("push", destination, err)
}

func parseDestination(name string) (types.ImageReference, error) {
	if alltransports.TransportFromImageName(name) != nil {
		ref, err := alltransports.ParseImageName(name)
		if err != nil {
			return nil, fmt.Errorf("cannot push to %s: %w", name, err)
		}
		return ref, nil
	}
	ref, err := alltransports.ParseImageName("docker://" + name)
	if err != nil {
		return nil, fmt.Errorf("cannot push to %s: %w", name, err)
	}
	return ref, nil
}

// copyOut copies an image of the store to dest.
func (c *Client) copyOut(ctx context.Context, sys *types.SystemContext, img *image.Image, as string, dest types.ImageReference, o PushOptions) (digest.Digest, error) {
	opts, err := copyOptions(sys, o)
	if err != nil {
		return "", err
	}
	opts.ReportWriter, opts.MaxParallelDownloads = c.progress, c.Parallel
	// Signatures were checked when the image came here.
	pc, err := policy(sys)
	if err != nil {
		return "", err
	}
	defer pc.Destroy()
	if strings.Contains(as, "@") {
		as = "" // the image is found by its ID; a digest may be the list's
	}
	src, err := c.stored(as, img.ID)
	if err != nil {
		return "", err
	}
	raw, err := copy.Image(ctx, pc, dest, src, opts)
	if err != nil {
		return "", err
	}
	return manifest.Digest(raw)
}

func copyOptions(sys *types.SystemContext, o PushOptions) (*copy.Options, error) {
	out := *sys
	opts := &copy.Options{
		SourceCtx: sys, DestinationCtx: &out, RemoveSignatures: o.RemoveSignatures,
		SignBySigstorePrivateKeyFile: o.SigstoreKey, SignSigstorePrivateKeyPassphrase: o.Passphrase,
	}
	var err error
	if opts.ForceManifestMIMEType, err = manifestFormat(o.Format); err != nil {
		return nil, err
	}
	if o.Compression != "" {
		algorithm, err := compression.AlgorithmByName(o.Compression)
		if err != nil || o.Compression == "xz" || o.Compression == "bzip2" {
			return nil, fmt.Errorf("cannot compress with %q: it is none of gzip, zstd, zstd:chunked", o.Compression)
		}
		out.CompressionFormat = &algorithm
	}
	out.CompressionLevel = o.CompressionLevel
	if o.ForceCompression {
		if o.Compression == "" {
			return nil, errors.New("cannot use --force-compression without --compression-format")
		}
		opts.ForceCompressionFormat = true
	}
	if o.Compress != nil {
		out.DirForceCompress, out.DirForceDecompress = *o.Compress, !*o.Compress
	}
	return opts, nil
}

func manifestFormat(name string) (string, error) {
	switch name {
	case "":
		return "", nil
	case "oci":
		return v1.MediaTypeImageManifest, nil
	case "v2s2", "docker":
		return manifest.DockerV2Schema2MediaType, nil
	case "v2s1":
		return manifest.DockerV2Schema1SignedMediaType, nil
	}
	return "", fmt.Errorf("cannot write a manifest of format %q: it is none of oci, v2s2, v2s1", name)
}

// tagOf is a name as archives take it: with a tag, without a digest; nil when
// there is no tag.
func tagOf(name string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s as an image name: %w", name, err)
	}
	if _, digested := named.(reference.Digested); digested {
		return nil, nil
	}
	tagged, _ := reference.TagNameOnly(named).(reference.NamedTagged)
	return tagged, nil
}
