package main

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/test/manual"
)

// TestDocsAreCurrent: the checked-in pages and completions are made from the
// commands. `make man` writes them.
func TestDocsAreCurrent(t *testing.T) {
	root := newRoot(newApp(), nil)
	pages, err := manual.Pages(root, func(cmd *cobra.Command) bool {
		return slices.Contains(transferCommands(), cmd.Name()) // carob-image has those
	})
	if err != nil {
		t.Fatal(err)
	}
	manual.Check(t, "../../docs", pages)
	completions, err := manual.Completions(root)
	if err != nil {
		t.Fatal(err)
	}
	manual.Check(t, "../../docs", completions)
}
