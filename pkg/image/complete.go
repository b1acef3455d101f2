package image

import (
	"slices"
	"strings"
)

// Completions are the names of images that begin with what was typed, and IDs
// once some of one was. A name of this machine or of Docker Hub may be typed
// without the registry.
func (s *Store) Completions(typed string) ([]string, error) {
	all, err := s.Images()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, i := range all {
		for _, name := range i.Names {
			out = append(out, nameCompletions(name, typed)...)
		}
		if typed != "" && strings.HasPrefix(i.ID, typed) {
			out = append(out, i.ID[:max(12, len(typed))])
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func nameCompletions(name, typed string) []string {
	var out []string
	for _, drop := range []string{"", "localhost/", "docker.io/library/", "docker.io/"} {
		short, ok := strings.CutPrefix(name, drop)
		if ok && strings.HasPrefix(short, typed) && (drop == "" || typed != "") {
			out = append(out, short)
		}
	}
	return out
}
