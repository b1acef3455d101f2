#!/usr/bin/env bash
# install-packages.sh PACKAGE...: install those Debian packages that are
# missing. Needs root.
set -euo pipefail

say() { echo "install-packages: $*" >&2; }

mapfile -t missing < <(comm -23 <(printf '%s\n' "$@" | sort) \
	<(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p' | sort))
[ ${#missing[@]} -gt 0 ] || exit 0
say "installing ${missing[*]}"

# docker-registry would start a server; tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi

get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
"${get[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null 2>&1 || {
	say "refreshing the package lists first"
	# A third party's list that does not answer is no reason to stop.
	"${get[@]}" update </dev/null >/dev/null || say "apt-get update complained, going on"
	"${get[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}
