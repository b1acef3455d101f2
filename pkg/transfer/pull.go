package transfer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/containers/image/v5/copy"
	"github.com/containers/image/v5/docker"
	"github.com/containers/image/v5/docker/reference"
	manifests "github.com/containers/image/v5/image"
	"github.com/containers/image/v5/manifest"
	"github.com/containers/image/v5/pkg/shortnames"
	istorage "github.com/containers/image/v5/storage"
	"github.com/containers/image/v5/transports/alltransports"
	"github.com/containers/image/v5/types"
	"github.com/opencontainers/go-digest"

	"github.com/carob-containers/carob/pkg/image"
)

// When an image is pulled.
const (
	PullAlways  = "always"
	PullMissing = "missing"
	PullNewer   = "newer"
	PullNever   = "never"
)

// PullOptions say how an image comes here.
type PullOptions struct {
	Access
	Policy  string // "" is PullAlways
	AllTags bool
	// Look brings nothing: the ID is that of the image here which the registry
	// has, too, or "" when it has another one.
	Look       bool
	Retries    uint          // after the first attempt
	RetryDelay time.Duration // 0: 1, 2, 4 ... seconds
}

// Pull brings the images name stands for into the store and returns their
// IDs: one, or all of an archive or of a repository (AllTags).
func (c *Client) Pull(ctx context.Context, name string, o PullOptions) ([]string, error) {
	sys, err := c.context(o.Access)
	if err != nil {
		return nil, err
	}
	p := &pull{Client: c, sys: sys, o: o}
	if t := alltransports.TransportFromImageName(name); t != nil && t.Name() != docker.Transport.Name() {
		if o.AllTags {
			return nil, fmt.Errorf("cannot pull all tags of %s: it is not in a registry", name)
		}
		ids, err := p.fromTransport(ctx, name)
		return ids, explain("pull", name, err)
	}
	name = strings.TrimPrefix(name, "docker://")
	if o.AllTags {
		return p.allTags(ctx, name)
	}
	id, err := p.fromRegistry(ctx, name)
	if err != nil {
		return nil, err
	}
	return []string{id}, nil
}

// pull is one Pull under way.
type pull struct {
	*Client
	sys *types.SystemContext
	o   PullOptions
}

// fromRegistry pulls one image by a name that may be short.
func (p *pull) fromRegistry(ctx context.Context, name string) (string, error) {
	local, err := p.local(name)
	if err != nil {
		return "", err
	}
	switch p.o.Policy {
	case PullNever:
		if local == nil {
			return "", &image.NotFoundError{Name: name}
		}
		return local.ID, nil
	case PullMissing:
		if local != nil {
			return local.ID, nil
		}
	}
	candidates, err := p.resolve(name)
	if err != nil {
		if p.o.Policy == PullNewer && local != nil {
			return local.ID, nil
		}
		return "", err
	}
	id, err := p.firstOf(ctx, name, candidates, local)
	if err != nil && p.o.Policy == PullNewer && local != nil && ctx.Err() == nil {
		// An old image is better than none.
		return local.ID, nil
	}
	return id, err
}

// local is the image of that name here, nil when there is none or when it is
// for another platform than the one asked for.
func (p *pull) local(name string) (*image.Image, error) {
	img, err := p.store.Lookup(name)
	var missing *image.NotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if p.sys.OSChoice == "" && p.sys.ArchitectureChoice == "" && p.sys.VariantChoice == "" {
		return img, nil
	}
	config, err := img.Config()
	if err != nil || !p.matches(config) {
		return nil, nil
	}
	return img, nil
}

func (p *pull) matches(c *image.Config) bool {
	fits := func(asked, has string) bool { return asked == "" || asked == has }
	return fits(p.sys.OSChoice, c.OS) && fits(p.sys.ArchitectureChoice, c.Architecture) && fits(p.sys.VariantChoice, c.Variant)
}

func (p *pull) resolve(name string) (*shortnames.Resolved, error) {
	ref, err := image.ParseReference(name)
	if err != nil {
		return nil, err
	}
	if ref.Tag != "" && ref.Digest != "" {
		// The digest says more than the tag, and registries take one of them.
		ref.Tag = ""
	}
	resolved, err := shortnames.Resolve(p.sys, ref.String())
	if err != nil {
		return nil, &hinted{fmt.Errorf("cannot pull %s: %w", name, line{err}), "give the full name, such as docker.io/library/" + ref.Path}
	}
	if text := resolved.Description(); text != "" {
		p.step("%s", text)
	}
	return resolved, nil
}

// firstOf tries the candidates in turn.
func (p *pull) firstOf(ctx context.Context, name string, resolved *shortnames.Resolved, local *image.Image) (string, error) {
	var errs []error
	for i := range resolved.PullCandidates {
		candidate := &resolved.PullCandidates[i]
		full := candidate.Value.String()
		p.step("Trying to pull %s...", full)
		id, err := p.withRetries(ctx, func() (string, error) { return p.one(ctx, candidate.Value, local) })
		if err == nil {
			return id, candidate.Record()
		}
		if ctx.Err() != nil {
			return "", explain("pull", full, ctx.Err())
		}
		errs = append(errs, explain("pull", full, err))
	}
	if len(errs) == 1 {
		return "", errs[0]
	}
	all := make([]string, len(errs))
	for i, err := range errs {
		all[i] = strings.TrimPrefix(err.Error(), "cannot pull ")
	}
	return "", fmt.Errorf("cannot pull %s: %s", name, strings.Join(all, "; "))
}

func (p *pull) withRetries(ctx context.Context, do func() (string, error)) (string, error) {
	for try := uint(0); ; try++ {
		id, err := do()
		if err == nil || try >= p.o.Retries || !passing(err) {
			return id, err
		}
		delay := p.o.RetryDelay
		if delay == 0 {
			delay = time.Second << try
		}
		p.step("Trying again in %s: %v", delay, line{err})
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// one pulls the image with this full name.
func (p *pull) one(ctx context.Context, named reference.Named, local *image.Image) (string, error) {
	ref, err := docker.NewReference(reference.TagNameOnly(named))
	if err != nil {
		return "", err
	}
	if p.o.Policy == PullNewer && local != nil || p.o.Look {
		remote, err := docker.GetDigest(ctx, p.sys, ref)
		if err != nil {
			return "", err
		}
		if local != nil && slices.Contains(local.Digests, remote) {
			return local.ID, nil
		}
	}
	if p.o.Look {
		return "", nil
	}
	return p.copyIn(ctx, ref, reference.TagNameOnly(named).String())
}

func (p *pull) allTags(ctx context.Context, name string) ([]string, error) {
	if p.o.Policy == PullNever {
		return nil, errors.New("cannot pull all tags with the policy never")
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("cannot pull %s: %w", name, err)
	}
	if !reference.IsNameOnly(named) {
		return nil, fmt.Errorf("cannot pull all tags of %s: it has a tag or a digest", name)
	}
	ref, err := docker.NewReference(reference.TagNameOnly(named))
	if err != nil {
		return nil, err
	}
	tags, err := docker.GetRepositoryTags(ctx, p.sys, ref)
	if err != nil {
		return nil, explain("pull", name, err)
	}
	var ids []string
	for _, tag := range tags {
		id, err := p.fromRegistry(ctx, named.Name()+":"+tag)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// copyIn copies the image at ref into the store under name ("" for none) and
// returns its ID.
func (p *pull) copyIn(ctx context.Context, ref types.ImageReference, name string) (string, error) {
	pc, err := policy(p.sys)
	if err != nil {
		return "", err
	}
	defer pc.Destroy()
	src, err := ref.NewImageSource(ctx, p.sys)
	if err != nil {
		return "", err
	}
	// copy.Image closes src; until it has it, we do.
	open := true
	defer func() {
		if open {
			src.Close()
		}
	}()
	p.step("Getting image source signatures")
	chosen, err := p.choose(ctx, src)
	if err != nil {
		return "", err
	}
	dest, err := p.destination(ctx, chosen, name)
	if err != nil {
		return "", err
	}
	// No byte of an image the policy refuses is unpacked.
	if _, err := pc.IsRunningImageAllowed(ctx, chosen); err != nil {
		return "", fmt.Errorf("the signature policy refuses it: %w", err)
	}
	if err := p.stage(ctx, p.sys, src, chosen); err != nil {
		return "", err
	}
	p.step("Writing manifest to image destination")
	open = false
	var result types.ImageReference
	_, err = copy.Image(ctx, pc, dest, opened{ref, src}, &copy.Options{
		SourceCtx: p.sys, DestinationCtx: p.sys,
		// The choice of manifest.List.ChooseInstance.
		PreferGzipInstances:     types.OptionalBoolFalse,
		ReportResolvedReference: &result,
	})
	if err != nil {
		return "", err
	}
	_, img, err := istorage.ResolveReference(result)
	if err != nil {
		return "", err
	}
	p.warnPlatform(img.ID)
	return img.ID, nil
}

// opened is a reference whose source is open already, which saves asking the
// registry for everything twice.
type opened struct {
	types.ImageReference
	src types.ImageSource
}

func (o opened) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return o.src, nil
}

// choose is the image for the wanted platform.
func (p *pull) choose(ctx context.Context, src types.ImageSource) (*manifests.UnparsedImage, error) {
	top := manifests.UnparsedInstance(src, nil)
	raw, kind, err := top.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	var chosen *digest.Digest
	if manifest.MIMETypeIsMultiImage(kind) {
		list, err := manifest.ListFromBlob(raw, kind)
		if err != nil {
			return nil, err
		}
		d, err := list.ChooseInstance(p.sys)
		if err != nil {
			return nil, err
		}
		chosen = &d
		top = manifests.UnparsedInstance(src, chosen)
	}
	return top, nil
}

// destination is the image's place in the store. One without a name goes by
// its ID, which is the digest of its configuration.
func (p *pull) destination(ctx context.Context, chosen *manifests.UnparsedImage, name string) (types.ImageReference, error) {
	if name != "" {
		return p.stored(name, "")
	}
	raw, kind, err := chosen.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	m, err := manifest.FromBlob(raw, kind)
	if err != nil {
		return nil, err
	}
	return p.stored("", m.ConfigInfo().Digest.Encoded())
}

// warnPlatform tells when an image is not for the platform it will run on, or
// that was asked for.
func (p *pull) warnPlatform(id string) {
	img, err := p.store.Lookup(id)
	if err != nil {
		return
	}
	c, err := img.Config()
	if err != nil || c.OS == "" || c.Architecture == "" {
		return
	}
	wantOS, wantArch := runtime.GOOS, runtime.GOARCH
	if p.sys.OSChoice != "" {
		wantOS = p.sys.OSChoice
	}
	if p.sys.ArchitectureChoice != "" {
		wantArch = p.sys.ArchitectureChoice
	}
	if c.OS != wantOS || c.Architecture != wantArch {
		p.warn("WARNING: image platform (%s/%s) does not match the expected platform (%s/%s)", c.OS, c.Architecture, wantOS, wantArch)
	}
}
