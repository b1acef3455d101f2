package main

import (
	"testing"

	"github.com/carob-containers/carob/test/unitflags"
)

// TestQuadletWritesFlagsThatExist is for the command lines that this program
// gets.
func TestQuadletWritesFlagsThatExist(t *testing.T) {
	unitflags.Check(t, newRoot(newApp()), func(command string) bool { return command == "pull" }, 2)
}
