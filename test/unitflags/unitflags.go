// Package unitflags holds the command lines in the generator's goldens against
// the commands of carob. Tests of both programs that have commands use it.
package unitflags

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// Check looks every flag up that the goldens have in command lines of commands
// for which mine is true. It wants at least atLeast such lines.
func Check(t *testing.T, root *cobra.Command, mine func(command string) bool, atLeast int) {
	t.Helper()
	files, err := filepath.Glob("../../pkg/quadlet/testdata/*/services/*.service")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d goldens: %v", len(files), err)
	}
	lines := 0
	for _, file := range files {
		f, err := unitfile.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range f.Entries("Service") {
			if !strings.HasPrefix(e.Key, "Exec") {
				continue
			}
			words, err := unitfile.SplitCommand(strings.TrimPrefix(e.Value, "-"))
			if err != nil {
				t.Fatal(e.Fail("%v", err))
			}
			command, what := Unknown(root, words[1:])
			if !mine(command) {
				continue
			}
			lines++
			if what != "" {
				t.Error(e.Fail("%s", what))
			}
		}
	}
	if lines < atLeast {
		t.Errorf("only %d command lines were found", lines)
	}
}

// Unknown names the command of a command line, and what is wrong with it; ""
// when nothing is.
func Unknown(root *cobra.Command, words []string) (command, what string) {
	words, what = flags(root, words)
	if len(words) == 0 {
		return "", "there is no command"
	}
	if words[0] == "image" && len(words) > 1 {
		words = words[1:] // image pull is pull
	}
	if what != "" {
		return words[0], what
	}
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		return words[0], "there is no command " + words[0]
	}
	_, what = flags(cmd, rest)
	return words[0], what
}

// flags looks each flag up that stands before the first argument, and returns
// the rest.
func flags(cmd *cobra.Command, words []string) (rest []string, what string) {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		name, _, hasValue := strings.Cut(strings.TrimLeft(words[0], "-"), "=")
		f := cmd.Flag(name)
		if !strings.HasPrefix(words[0], "--") {
			f = cmd.Flags().ShorthandLookup(name)
		}
		if f == nil {
			return words, "carob " + cmd.Name() + " has no flag " + words[0]
		}
		if words = words[1:]; f.NoOptDefVal == "" && !hasValue && len(words) > 0 {
			words = words[1:]
		}
	}
	return words, ""
}
