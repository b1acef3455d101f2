package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/test/podman"
)

func TestEveryFlagOfPodmanExists(t *testing.T) {
	root := newRoot(newApp())
	podman.Check(t, root, func(command string) bool {
		if command == "" {
			return true
		}
		name, isImage := strings.CutPrefix(command, "image ")
		return slices.ContainsFunc([]string{"pull", "push", "load", "save", "import", "search"}, func(n string) bool { return n == name }) ||
			!isImage && (name == "login" || name == "logout")
	})
}
