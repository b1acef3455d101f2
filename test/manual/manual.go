// Package manual turns a program's commands into the pages and completions
// that are checked in under docs, and tells when those are out of date. Only
// tests import it: carob itself does not carry what writes its manual.
package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Files are contents by name below docs.
type Files map[string][]byte

// Pages makes man/carob-run.1 and so on for root and every command below it
// that users see, except where leave says so.
func Pages(root *cobra.Command, leave func(*cobra.Command) bool) (Files, error) {
	files := Files{}
	return files, addPages(files, root, leave)
}

func addPages(files Files, cmd *cobra.Command, leave func(*cobra.Command) bool) error {
	for _, child := range cmd.Commands() {
		if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := addPages(files, child, leave); err != nil {
			return err
		}
	}
	if leave(cmd) {
		return nil
	}
	cmd.DisableAutoGenTag = true
	cmd.InitDefaultHelpFlag()
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	// A date of our own: pages must not change from day to day.
	date := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var page bytes.Buffer
	err := doc.GenMan(cmd, &doc.GenManHeader{
		Title: strings.ToUpper(name), Section: "1", Date: &date, Source: "carob", Manual: "Containers without a daemon",
	}, &page)
	if err != nil {
		return fmt.Errorf("cannot write the page of %s: %w", cmd.CommandPath(), err)
	}
	files["man/"+name+".1"] = page.Bytes()
	return nil
}

// Completions makes the scripts of bash, zsh and fish.
func Completions(root *cobra.Command) (Files, error) {
	var bash, zsh, fish bytes.Buffer
	for _, err := range []error{
		root.GenBashCompletionV2(&bash, true), root.GenZshCompletion(&zsh), root.GenFishCompletion(&fish, true),
	} {
		if err != nil {
			return nil, fmt.Errorf("cannot write completions: %w", err)
		}
	}
	return Files{
		"completions/bash/carob":      bash.Bytes(),
		"completions/zsh/_carob":      zsh.Bytes(),
		"completions/fish/carob.fish": fish.Bytes(),
	}, nil
}

// Check compares files with those below docs, the project's directory of that
// name; with CAROB_WRITE_DOCS set it writes them instead.
func Check(t *testing.T, docs string, files Files) {
	t.Helper()
	for name, want := range files {
		path := filepath.Join(docs, name)
		if os.Getenv("CAROB_WRITE_DOCS") != "" {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/%s does not say what the commands do now: run `make man` and commit it", name)
		}
	}
}
