package main

// commands is the table of the top level. A command's file holds its
// constructor, its options, its flags and one call into libpod.
func commands() []command {
	return []command{}
}
