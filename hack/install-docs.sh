#!/usr/bin/env bash
# install-docs.sh SHARE: put the checked-in man pages and completions under SHARE.
set -euo pipefail
cd "$(dirname "$0")/.."
share=$1

put() { # put DIRECTORY FILE...; a glob that matched nothing is left out
	local dir=$1 file
	shift
	for file in "$@"; do
		[ -e "$file" ] || continue
		install -D -m644 "$file" "$dir/$(basename "$file")"
	done
}

put "$share/man/man1" docs/man/*.1
put "$share/bash-completion/completions" docs/completions/bash/*
put "$share/zsh/site-functions" docs/completions/zsh/*
put "$share/fish/vendor_completions.d" docs/completions/fish/*
