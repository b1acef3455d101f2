#!/bin/bash
# tutorial.sh FILE: do what a tutorial says, in one shell that ends at the
# first failure. Blocks marked sh are commands; a block marked with file=NAME
# after its language is written to that file.
set -euo pipefail
script=$(mktemp)
awk '
/^```/ && inside { if (file != "") print "END_OF_BLOCK"; inside = 0; next }
/^```/ {
	inside = 1; file = ""; command = ($1 == "```sh")
	if ($2 ~ /^file=/) {
		file = substr($2, 6); sub(/^~/, "$HOME", file)
		print "mkdir -p \"$(dirname \"" file "\")\"\ncat >\"" file "\" <<\"END_OF_BLOCK\""
	}
	next
}
inside && (file != "" || command)
' "$1" >"$script"
test "$(wc -l <"$script")" -gt 5 # there is something to do
bash -euxo pipefail "$script"
