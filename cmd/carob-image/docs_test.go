package main

import (
	"testing"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/test/manual"
)

// TestDocsAreCurrent: as in cmd/carob, which has the pages of carob itself and
// of carob image.
func TestDocsAreCurrent(t *testing.T) {
	root := newRoot(newApp())
	pages, err := manual.Pages(root, func(cmd *cobra.Command) bool { return cmd == root || cmd.Name() == "image" })
	if err != nil {
		t.Fatal(err)
	}
	manual.Check(t, "../../docs", pages)
}
