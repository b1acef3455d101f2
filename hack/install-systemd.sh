#!/usr/bin/env bash
# install-systemd.sh PREFIX: put carob's units and generators where systemd
# looks for them. The links are relative: PREFIX may be another one when it runs.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=$1

for kind in system user; do
	for file in systemd/$kind/*; do
		[ -e "$file" ] || continue
		install -D -m644 "$file" "$prefix/lib/systemd/$kind/$(basename "$file")"
	done
	install -d "$prefix/lib/systemd/$kind-generators"
	ln -sfn ../../../libexec/carob/quadlet "$prefix/lib/systemd/$kind-generators/carob-$kind-generator"
done
