#!/usr/bin/env bash
# demo.sh: set the host up, install carob where an unprivileged account can
# read it, and run hack/demo-steps.sh as that account. Needs root or sudo; may
# be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

user=${CAROB_TEST_USER:-carob-test}
cache=${CAROB_TEST_CACHE:-/var/cache/carob-test}

hack/setup-host.sh

place=$(mktemp -d /var/tmp/carob-demo.XXXXXX)
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo --preserve-env=CAROB_TEST_USER,CAROB_TEST_CACHE)
trap '"${sudo[@]}" rm -rf "$place"' EXIT

make --silent install PREFIX="$place/prefix" DESTDIR=
cp hack/demo-steps.sh "$place/steps"
chmod -R a+rX "$place"
"${sudo[@]}" install -d -m 700 -o "$user" -g "$user" "$place/home" "$place/home/run"

uid=$(id -u "$user")
"${sudo[@]}" setpriv --reuid="$uid" --regid="$(id -g "$user")" --init-groups --inh-caps=-all \
	env -i HOME="$place/home" XDG_RUNTIME_DIR="$place/home/run" USER="$user" LOGNAME="$user" \
	PATH="$place/prefix/bin:/usr/local/bin:/usr/bin:/bin" TERM="${TERM:-dumb}" LANG=C.UTF-8 \
	IMAGES="$cache/images" bash "$place/steps"
