package main

import "github.com/spf13/cobra"

func newSystem(a *app) *cobra.Command {
	return parent(a, "system", "Manage carob itself", systemCommands())
}

func systemCommands() []command {
	return []command{
		{"check", newSystemCheck},
		{"df", newSystemDF},
		{"info", newInfo},
		{"migrate", newSystemMigrate},
		{"prune", newSystemPrune},
		{"reset", newSystemReset},
	}
}
