#!/usr/bin/env bash
# guestbook-images.sh: make the images of docs/tutorials/guestbook, with
# PostgreSQL, redis, nginx and Python from Debian's packages, as
# $CAROB_TEST_CACHE/guestbook/NAME.tar. Needs root or sudo, and Debian's archive;
# may be run again.
#
#   CAROB_TEST_CACHE  where they are kept between runs (default /var/cache/carob-test)
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."

cache=${CAROB_TEST_CACHE:-/var/cache/carob-test}
source=docs/tutorials/guestbook

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "cannot make the guest book's images: run this as root or install sudo" >&2
		exit 1
	}
	exec sudo --preserve-env=CAROB_TEST_CACHE,PATH "$PWD/hack/guestbook-images.sh"
fi

say() { echo "guestbook-images: $*" >&2; }

# What nobody reads in a container is left out, here and in all that is
# installed later; and dpkg need not wait for the disk.
small='path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
force-unsafe-io'

base() { # base DIR
	mmdebstrap --quiet --variant=minbase \
		--customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*' \
		--customize-hook="echo '$small' >\"\$1/etc/dpkg/dpkg.cfg.d/small\"" \
		bookworm "$1/base.tar"
}

# buildah on a storage of its own, without what a runtime would need of the host.
buildah() {
	command buildah --root "$tmp/storage" --runroot "$tmp/run" --storage-driver overlay "$@"
}

# build DIR TARGET
build() {
	buildah build --quiet --layers --isolation chroot --target "$2" --tag "localhost/guestbook-$2" "$1" >"$1/$2.log" 2>&1 || {
		cat "$1/$2.log" >&2
		return 1
	}
}

archive() { # archive TARGET
	buildah push --quiet "localhost/guestbook-$1" "oci-archive:$tmp/out/guestbook-$1.tar:localhost/guestbook-$1:latest"
}

make_images() {
	local target job jobs=()
	base "$tmp/build"
	build "$tmp/build" base
	for target in db cache web app; do
		{ build "$tmp/build" "$target" && archive "$target"; } &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do wait "$job"; done
	chmod -R a+rX "$tmp/out"
}

# In namespaces of its own, with which processes and mounts end, however it goes.
if [ "${1-}" = apart ]; then
	tmp=$2
	make_images
	exit
fi

exec 9>/run/lock/carob-guestbook-images.lock
flock 9
hack/install-packages.sh mmdebstrap buildah

# One directory per recipe. It appears with a rename, complete.
dir=guestbook-$(cat hack/guestbook-images.sh "$source/Containerfile" "$source/guestbook" | sha256sum | cut -c1-16)
if [ ! -d "$cache/$dir" ]; then
	say "making the guest book's images in $cache/$dir"
	install -d -m 755 "$cache"
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	mkdir "$tmp/build" "$tmp/out"
	cp "$source/Containerfile" "$source/guestbook" "$tmp/build"
	unshare --mount --pid --fork --kill-child --mount-proc hack/guestbook-images.sh apart "$tmp"
	mv "$tmp/out" "$cache/$dir"
fi
ln -sfn "$dir" "$cache/guestbook.new"
mv -T "$cache/guestbook.new" "$cache/guestbook"
