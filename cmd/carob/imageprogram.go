package main

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/userns"
	"github.com/carob-containers/carob/pkg/userns/join"
)

// transferCommands are what carob-image does: everything that moves images
// between here and elsewhere.
func transferCommands() []string {
	return []string{"pull", "push", "load", "save", "import", "login", "logout", "search"}
}

// newTransfer lists a command of carob-image's in carob's own help. A call of
// it goes to that program before any command is made.
func newTransfer(name, short string) func(*app) *cobra.Command {
	return func(*app) *cobra.Command {
		return &cobra.Command{Use: name, Short: short, Run: func(*cobra.Command, []string) {
			execImageProgram("carob-image", os.Args)
		}}
	}
}

// imageProgram tells whether a call belongs to carob-image, and its argv
// there. Completion of such a command is its business too.
func imageProgram(argv []string) (program string, args []string) {
	a := newApp()
	root := newGlobalRoot(a)
	words := argv[1:]
	if len(words) > 0 && (words[0] == "__complete" || words[0] == "__completeNoDesc") && len(words) > 2 {
		words = words[1 : len(words)-1] // what is being typed is no command yet
	}
	first, rest := firstWord(root, words)
	if first == "image" {
		first, _ = firstWord(root, rest)
	}
	if !slices.Contains(transferCommands(), first) {
		return "", nil
	}
	return "carob-image", argv
}

// execImageProgram becomes carob-image and returns only by exiting.
func execImageProgram(name string, argv []string) {
	path, err := helperProgram(name)
	if err == nil && join.Result().Joined {
		// We are inside already; this only says so in the environment, which
		// is how carob-image learns whose store it works on.
		err = userns.Enter(userns.Options{})
	}
	if err == nil {
		err = syscall.Exec(path, argv, os.Environ())
	}
	fmt.Fprintf(os.Stderr, "Error: cannot run %s: %v\n", name, err)
	os.Exit(125)
}
