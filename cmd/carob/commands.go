package main

// commands is the table of the top level. A command's file holds its
// constructor, its options, its flags and one call into libpod.
func commands() []command {
	return []command{
		{"attach", newAttach},
		{"container", newContainer},
		{"create", newCreate},
		{"exec", newExec},
		{"history", newHistory},
		{"image", newImage},
		{"images", newImages},
		{"import", newTransfer("import", "Make an image from a tar of a root file system")},
		{"init", newInit},
		{"inspect", newInspect},
		{"kill", newKill},
		{"load", newTransfer("load", "Bring images here from an archive or a directory")},
		{"login", newTransfer("login", "Log into a registry")},
		{"logout", newTransfer("logout", "Forget the credentials for a registry")},
		{"logs", newLogs},
		{"pause", newPause},
		{"ps", newPs},
		{"pull", newTransfer("pull", "Bring images here from a registry or an archive")},
		{"push", newTransfer("push", "Send an image to a registry or write it elsewhere")},
		{"restart", newRestart},
		{"rm", newRm},
		{"rmi", newRmi},
		{"run", newRun},
		{"save", newTransfer("save", "Write images to an archive")},
		{"search", newTransfer("search", "Search registries for images")},
		{"secret", newSecret},
		{"start", newStart},
		{"stop", newStop},
		{"system", newSystem},
		{"tag", newTag},
		{"unpause", newUnpause},
		{"unshare", newUnshare},
		{"untag", newUntag},
		{"volume", newVolume},
	}
}
