package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containers/image/v5/docker"
	"github.com/containers/image/v5/docker/reference"
	"github.com/containers/image/v5/pkg/sysregistriesv2"
	"golang.org/x/sync/errgroup"
)

// Found is one result of a search.
type Found struct {
	Index       string // registry
	Name        string
	Description string
	Stars       int
	Official    bool
	Automated   bool
	Tag         string // of a listing of tags
}

// parallelSearches is how many registries are asked at once.
const parallelSearches = 6

// Search asks a registry, or all search registries, for repositories. limit is
// the number of results of each registry.
func (c *Client) Search(ctx context.Context, term string, limit int, a Access) ([]Found, error) {
	sys, err := c.context(a)
	if err != nil {
		return nil, err
	}
	var registries []string
	if first, rest, ok := strings.Cut(term, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		registries, term = []string{first}, rest
	} else if registries, err = sysregistriesv2.UnqualifiedSearchRegistries(sys); err != nil {
		return nil, err
	}
	if len(registries) == 0 {
		return nil, &hinted{fmt.Errorf("cannot search for %s: no registry was named, and registries.conf has none to search", term), "name one: carob search docker.io/" + term}
	}
	results := make([][]Found, len(registries))
	errs := make([]error, len(registries))
	var group errgroup.Group
	group.SetLimit(parallelSearches)
	for i, registry := range registries {
		group.Go(func() error {
			all, err := docker.SearchRegistry(ctx, sys, registry, term, limit)
			errs[i] = explain("search", registry+"/"+term, err)
			results[i] = convert(registry, all, limit)
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	var out []Found
	failed := 0
	for i := range registries {
		out = append(out, results[i]...)
		if errs[i] != nil {
			failed++
		}
	}
	if failed == len(registries) {
		return nil, errors.Join(errs...)
	}
	for _, err := range errs {
		if err != nil {
			c.warn("Warning: %v", err)
		}
	}
	return out, nil
}

func convert(registry string, all []docker.SearchResult, limit int) []Found {
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	out := make([]Found, len(all))
	for i, r := range all {
		name := r.Name
		if registry == "docker.io" && !strings.Contains(name, "/") {
			name = "library/" + name
		}
		out[i] = Found{
			Index: registry, Name: registry + "/" + name, Description: strings.Join(strings.Fields(r.Description), " "),
			Stars: r.StarCount, Official: r.IsOfficial, Automated: r.IsAutomated,
		}
	}
	return out
}

// Tags lists the tags of a repository.
func (c *Client) Tags(ctx context.Context, name string, limit int, a Access) ([]Found, error) {
	sys, err := c.context(a)
	if err != nil {
		return nil, err
	}
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(name, "docker://"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the tags of %s: %w", name, err)
	}
	if first, _, ok := strings.Cut(name, "/"); !ok || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return nil, fmt.Errorf("cannot list the tags of %s: the name must begin with a registry", name)
	}
	ref, err := docker.NewReference(reference.TagNameOnly(reference.TrimNamed(named)))
	if err != nil {
		return nil, err
	}
	tags, err := docker.GetRepositoryTags(ctx, sys, ref)
	if err != nil {
		return nil, explain("list the tags of", name, err)
	}
	if limit > 0 && len(tags) > limit {
		tags = tags[:limit]
	}
	out := make([]Found, len(tags))
	for i, tag := range tags {
		out[i] = Found{Index: reference.Domain(named), Name: named.Name(), Tag: tag}
	}
	return out, nil
}
