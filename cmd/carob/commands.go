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
		{"init", newInit},
		{"inspect", newInspect},
		{"kill", newKill},
		{"pause", newPause},
		{"ps", newPs},
		{"restart", newRestart},
		{"rm", newRm},
		{"rmi", newRmi},
		{"run", newRun},
		{"start", newStart},
		{"stop", newStop},
		{"tag", newTag},
		{"unpause", newUnpause},
		{"unshare", newUnshare},
		{"untag", newUntag},
	}
}
