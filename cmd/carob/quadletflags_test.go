package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/test/unitflags"
)

// TestQuadletWritesFlagsThatExist: every command line in the goldens of the
// generator is one that carob understands, but for commands of later versions.
func TestQuadletWritesFlagsThatExist(t *testing.T) {
	later := []string{"artifact", "build", "network"}
	unitflags.Check(t, newRoot(newApp(), nil), func(command string) bool {
		return !slices.Contains(later, command) && !slices.Contains(transferCommands(), command)
	}, 60)
}

// TestUnknownFlagIsFound: the test above can fail.
func TestUnknownFlagIsFound(t *testing.T) {
	root := newRoot(newApp(), nil)
	for _, line := range []string{"run --no-such-flag image", "--no-such-flag run image", "rm -v -f -X name", "frobnicate", "run --name x --also-none image"} {
		if _, what := unitflags.Unknown(root, strings.Fields(line)); what == "" {
			t.Errorf("carob %s was taken for good", line)
		}
	}
}
