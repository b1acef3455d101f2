package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/test/podman"
)

// TestEveryCommandAndFlagOfPodmanExists; those of carob-image are checked
// there.
func TestEveryCommandAndFlagOfPodmanExists(t *testing.T) {
	podman.Check(t, newRoot(newApp(), nil), func(command string) bool {
		last := command[strings.LastIndexByte(command, ' ')+1:]
		return !slices.Contains(transferCommands(), last) || strings.HasPrefix(command, "volume ") || strings.HasPrefix(command, "container ") || strings.HasPrefix(command, "manifest ")
	})
}
