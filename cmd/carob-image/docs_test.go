package main

import (
	"testing"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/test/manual"
)

// TestDocsAreCurrent: the checked-in pages are made from the commands. `make
// man` writes them.
func TestDocsAreCurrent(t *testing.T) {
	pages, err := manual.Pages(newRoot(newApp()), func(cmd *cobra.Command) bool {
		return cmd.HasSubCommands() // carob has those
	})
	if err != nil {
		t.Fatal(err)
	}
	manual.Check(t, "../../docs", pages)
}
