#!/bin/bash
# database-image.sh FILE: the root file system of an image with busybox and
# SQLite's shell, both from Debian's packages, as a tar.
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir "$root/bin" "$root/data"
cp /bin/busybox "$root/bin"
for applet in cat echo head mkdir sed seq sh sha256sum sleep sync test true yes; do
	ln -s busybox "$root/bin/$applet"
done
cp -L /usr/bin/sqlite3 "$root/bin"
ldd /usr/bin/sqlite3 | grep -o '/[^ ]*' | xargs cp -L --parents --target-directory="$root"
tar --create --file="$1" --directory="$root" --owner=0 --group=0 .
