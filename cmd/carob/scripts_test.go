package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// unscripted are commands that no end-to-end script calls, and why.
func unscripted() map[string]string {
	return map[string]string{
		"completion bash": "cobra's own", "completion zsh": "cobra's own", "completion fish": "cobra's own", "completion powershell": "cobra's own",
	}
}

// beingMade are commands of issues that are not closed yet, which bring their
// scripts with them.
func beingMade(command string) bool {
	return slices.Contains([]string{"network", "build", "commit", "manifest"}, command)
}

// TestEveryCommandIsInAScript: whatever a user can type is run end to end,
// at the top level and below container, image and system.
func TestEveryCommandIsInAScript(t *testing.T) {
	root := newRoot(newApp(), nil)
	called := map[string]bool{}
	for _, line := range scriptLines(t) {
		for _, call := range regexp.MustCompile(`\bcarob\s+([^|;&]*)`).FindAllStringSubmatch(line, -1) {
			called[commandOf(root, strings.Fields(call[1]))] = true
		}
	}
	if len(called) < 50 {
		t.Fatalf("only %d commands were found in the scripts", len(called))
	}
	reasons := unscripted()
	walk(root, "", func(name string, cmd *cobra.Command) {
		first, _, _ := strings.Cut(name, " ")
		if !cmd.HasSubCommands() && !cmd.Hidden && !called[name] && reasons[name] == "" && !beingMade(first) {
			t.Errorf("no script calls carob %s", name)
		}
	})
}

func scriptLines(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, pattern := range []string{"*.txtar", "*/*.txtar"} {
		files, err := filepath.Glob(filepath.Join("../../test/script/scripts", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(body)) {
				if !strings.HasPrefix(line, "#") {
					lines = append(lines, line)
				}
			}
		}
	}
	return lines
}

// commandOf is the command that words name, by the names of the table.
func commandOf(root *cobra.Command, words []string) string {
	var name []string
	cmd := root
	for len(words) > 0 {
		first, rest := firstWord(root, words)
		i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == first || c.HasAlias(first) })
		if i < 0 {
			break
		}
		cmd = cmd.Commands()[i]
		name = append(name, cmd.Name())
		words = rest
	}
	return strings.Join(name, " ")
}

func walk(cmd *cobra.Command, name string, visit func(string, *cobra.Command)) {
	for _, c := range cmd.Commands() {
		full := strings.TrimSpace(name + " " + c.Name())
		visit(full, c)
		walk(c, full, visit)
	}
}
