package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containers/storage"
	"github.com/opencontainers/go-digest"
)

// NotFoundError is an image the store does not have.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string { return e.Name + ": image not known" }

// AmbiguousError is an ID prefix, or a part of a name, that several images share.
type AmbiguousError struct {
	Name string
	IDs  []string
}

func (e *AmbiguousError) Error() string {
	short := make([]string, len(e.IDs))
	for i, id := range e.IDs {
		short[i] = id[:min(12, len(id))]
	}
	return fmt.Sprintf("cannot choose an image for %s: it fits %s", e.Name, strings.Join(short, ", "))
}

// Hint says how to be clear.
func (e *AmbiguousError) Hint() string { return "give more of the ID, or the full name" }

// Lookup finds an image by ID, by name, by a short name that registries.conf
// completes, by digest, by the beginning of its ID, or by the end of its
// repository, in this order. A name with tag and digest is found by the
// digest. Errors are *NotFoundError, *AmbiguousError and *InvalidReferenceError.
func (s *Store) Lookup(name string) (*Image, error) {
	all, err := s.store.Images()
	if err != nil {
		return nil, readError(err)
	}
	found, _, err := s.find(all, name)
	if err != nil {
		return nil, err
	}
	return s.image(found), nil
}

// LookupName is Lookup that also tells under which of the image's names it
// was found; "" when that was an ID or a digest alone.
func (s *Store) LookupName(name string) (*Image, string, error) {
	all, err := s.store.Images()
	if err != nil {
		return nil, "", readError(err)
	}
	found, as, err := s.find(all, name)
	if err != nil {
		return nil, "", err
	}
	return s.image(found), as, nil
}

func (s *Store) find(all []storage.Image, name string) (*storage.Image, string, error) {
	bare := strings.TrimPrefix(name, "sha256:")
	if isID(bare) {
		for i := range all {
			if all[i].ID == bare {
				return &all[i], "", nil
			}
		}
		if bare != name {
			if found := byDigest(all, "", digest.Digest(name)); found != nil {
				return found, "", nil
			}
		}
		return nil, "", &NotFoundError{name}
	}
	ref, parseErr := ParseReference(name)
	if parseErr == nil {
		found, as, err := s.findNamed(all, ref)
		if found != nil || err != nil {
			return found, as, err
		}
	}
	found, err := byPrefix(all, name, bare)
	if found != nil || err != nil {
		return found, "", err
	}
	if parseErr != nil {
		return nil, "", parseErr
	}
	if ref.IsShort() && ref.Digest == "" {
		return bySuffix(all, name, ref.Tagged())
	}
	return nil, "", &NotFoundError{name}
}

func (s *Store) findNamed(all []storage.Image, ref Reference) (*storage.Image, string, error) {
	candidates, err := s.candidates(ref)
	if err != nil {
		return nil, "", err
	}
	for _, c := range candidates {
		if c.Digest != "" {
			if found := byDigest(all, c.Name(), c.Digest); found != nil {
				return found, c.Name() + "@" + c.Digest.String(), nil
			}
			continue
		}
		full := c.String()
		for i := range all {
			if slices.Contains(all[i].Names, full) {
				return &all[i], full, nil
			}
		}
	}
	return nil, "", nil
}

// byDigest finds the image with this manifest digest, and with a name in the
// repository when one is given.
func byDigest(all []storage.Image, repository string, d digest.Digest) *storage.Image {
	for i := range all {
		if !slices.Contains(all[i].Digests, d) {
			continue
		}
		if repository == "" || slices.ContainsFunc(all[i].Names, func(n string) bool {
			r, err := ParseReference(n)
			return err == nil && r.Name() == repository
		}) {
			return &all[i]
		}
	}
	return nil
}

func byPrefix(all []storage.Image, name, prefix string) (*storage.Image, error) {
	if prefix == "" || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil, nil
	}
	var found []int
	for i := range all {
		if strings.HasPrefix(all[i].ID, prefix) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &all[found[0]], nil
	}
	e := &AmbiguousError{Name: name}
	for _, i := range found {
		e.IDs = append(e.IDs, all[i].ID)
	}
	return nil, e
}

// bySuffix finds quay.io/team/tool:latest as "tool", when only one image fits.
func bySuffix(all []storage.Image, name string, ref Reference) (*storage.Image, string, error) {
	var found *storage.Image
	var as string
	ids := []string{}
	for i := range all {
		for _, n := range all[i].Names {
			r, err := ParseReference(n)
			if err != nil || r.Tag != ref.Tag || !strings.HasSuffix("/"+r.Name(), "/"+ref.Path) {
				continue
			}
			if found == nil || found.ID != all[i].ID {
				found, as = &all[i], n
				ids = append(ids, all[i].ID)
			}
		}
	}
	switch len(ids) {
	case 0:
		return nil, "", &NotFoundError{name}
	case 1:
		return found, as, nil
	}
	return nil, "", &AmbiguousError{name, ids}
}

// isID tells whether s is a full image ID: 64 lower case hex digits.
func isID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
