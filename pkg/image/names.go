package image

import (
	"fmt"
	"slices"
)

// FullName completes a name one gives to an image: short ones are localhost's,
// and the tag is latest when there is none.
func FullName(name string) (string, error) {
	r, err := ParseReference(name)
	if err != nil {
		return "", err
	}
	if r.Digest != "" {
		return "", fmt.Errorf("cannot name an image %s: a digest cannot be chosen", name)
	}
	if r.IsShort() {
		r = r.On("localhost")
	}
	return r.Tagged().String(), nil
}

// Tag gives the image another name, which another image may lose by it.
func (i *Image) Tag(name string) error {
	full, err := FullName(name)
	if err != nil {
		return err
	}
	if err := i.store.store.AddNames(i.ID, []string{full}); err != nil {
		return fmt.Errorf("cannot tag image %s as %s: %w", i.ID, full, err)
	}
	return nil
}

// Untag takes a name from the image; "" all of them.
func (i *Image) Untag(name string) error {
	names := i.Names
	if name != "" {
		own, err := i.ownName(name)
		if err != nil {
			return err
		}
		names = []string{own}
	}
	if len(names) == 0 {
		return nil
	}
	if err := i.store.store.RemoveNames(i.ID, names); err != nil {
		return fmt.Errorf("cannot untag image %s: %w", i.ID, err)
	}
	return nil
}

// ownName is the name of the image that name, maybe a short one, means.
func (i *Image) ownName(name string) (string, error) {
	r, err := ParseReference(name)
	if err != nil {
		return "", err
	}
	candidates, err := i.store.candidates(r)
	if err != nil {
		return "", err
	}
	for _, c := range candidates {
		if slices.Contains(i.Names, c.String()) {
			return c.String(), nil
		}
	}
	return "", fmt.Errorf("cannot untag image %s: it is not called %s", i.ID[:12], name)
}
