#!/usr/bin/env bash
# install-units.sh DESTDIR PREFIX: put the units of hack/systemd below
# PREFIX/lib/systemd, for the system and for users, with carob's path in them.
set -euo pipefail
cd "$(dirname "$0")/systemd"
for from in *.in; do
	for kind in system user; do
		to=$1$2/lib/systemd/$kind/${from%.in}
		install -d "$(dirname "$to")"
		sed "s|@CAROB@|$2/bin/carob|" "$from" >"$to"
		chmod 644 "$to"
	done
done
