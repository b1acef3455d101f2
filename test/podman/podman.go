// Package podman knows the commands and flags of podman 4.3.1, and checks
// that carob's programs have them or say why not.
package podman

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// flags are lines of "COMMAND: FLAG[,SHORTHAND] ...", as podman's --help has
// them; the line without a command is of the global flags.
//
//go:embed flags-4.3.1.txt
var flags string

// without are commands and flags that carob does not have, and why: a line of
// "COMMAND" for it and all below it, or of "COMMAND --FLAG".
func without() map[string]string {
	const (
		remote  = "there is no remote service"
		later   = "comes in a later version of carob"
		criu    = "checkpoints need CRIU, which is root's"
		machine = "carob runs where Linux is, not in a virtual machine of its own"
	)
	return map[string]string{
		"auto-update": later, "build": later, "commit": later, "container commit": later, "generate": later, "healthcheck": later,
		"image build": later, "kube": later, "manifest": later, "network": later, "pod": later, "container clone": later, "play": later,
		"container checkpoint": criu, "container restore": criu,
		"container runlabel": "labels that are commands to run are deprecated, and a danger",
		"image scp":          "skopeo and save | ssh | load do it",
		"image sign":         "it needs GPG; push --sign-by-sigstore-private-key signs",
		"image trust":        "policy.json is the user's own to write",
		"machine":            machine,
		"system connection":  remote, "system service": later,
		"system renumber": "locks are files, without numbers",
		"volume reload":   "there are no volume plugins to reload from",

		" --conmon":                "carob has a monitor of its own",
		" --connection":            remote,
		" --identity":              remote,
		" --namespace":             "carob has one namespace: --root makes another",
		" --network-config-dir":    later,
		" --noout":                 "> /dev/null does it",
		" --remote":                remote,
		" --ssh":                   remote,
		" --syslog":                "carob does not log: errors go to standard error",
		" --url":                   remote,
		"container cleanup --exec": "the monitor itself cleans up after an exec",
	}
}

// Check fails for every command of podman, and every flag of it, that root
// lacks. Commands that mine says no to are another program's.
func Check(t *testing.T, root *cobra.Command, mine func(command string) bool) {
	t.Helper()
	reasons := without()
	seen := 0
	for line := range strings.Lines(flags) {
		name, list, _ := strings.Cut(strings.TrimSpace(line), ":")
		if !mine(name) {
			continue
		}
		cmd := find(root, strings.Fields(name))
		if cmd == nil {
			if !excused(reasons, name) {
				t.Errorf("podman's command %q is missing", name)
			}
			continue
		}
		seen++
		for word := range strings.FieldsSeq(list) {
			if reasons[name+" --"+strings.Split(word, ",")[0]] == "" {
				checkFlag(t, cmd, name, word)
			}
		}
	}
	if seen == 0 {
		t.Error("no command was found")
	}
}

func checkFlag(t *testing.T, cmd *cobra.Command, name, word string) {
	t.Helper()
	long, short, _ := strings.Cut(word, ",")
	f := cmd.Flags().Lookup(long)
	if f == nil {
		f = cmd.PersistentFlags().Lookup(long)
	}
	switch {
	case f == nil && (long == "version" || long == "help"): // cobra adds them when it runs
	case f == nil:
		t.Errorf("%q has no --%s", name, long)
	case f.Shorthand != short && short != "":
		t.Errorf("%q has --%s, but not -%s", name, long, short)
	}
}

// find is the command of that name, nil when there is none.
func find(root *cobra.Command, words []string) *cobra.Command {
	cmd := root
	for _, word := range words {
		var next *cobra.Command
		for _, c := range cmd.Commands() {
			if c.Name() == word || c.HasAlias(word) {
				next = c
			}
		}
		if next == nil {
			return nil
		}
		cmd = next
	}
	return cmd
}

// excused tells whether the command, or one above it, is in the list.
func excused(reasons map[string]string, name string) bool {
	for name != "" {
		if reasons[name] != "" {
			return true
		}
		cut := strings.LastIndexByte(name, ' ')
		name = name[:max(cut, 0)]
	}
	return false
}
