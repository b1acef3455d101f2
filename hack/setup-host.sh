#!/usr/bin/env bash
# setup-host.sh: make this Debian machine ready for `make demo`, `make test`
# and `make bench`: packages, an account without rights, its runtime
# directory, devices, test images. Needs root or sudo; may be run again.
#
#   CAROB_TEST_USER   the account (default carob-test)
#   CAROB_TEST_CACHE  where images are kept between runs (default /var/cache/carob-test)
set -euo pipefail
cd "$(dirname "$0")/.."

user=${CAROB_TEST_USER:-carob-test}
cache=${CAROB_TEST_CACHE:-/var/cache/carob-test}

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "cannot set the host up: run this as root or install sudo" >&2
		exit 1
	}
	exec sudo --preserve-env=CAROB_TEST_USER,CAROB_TEST_CACHE,PATH "$PWD/hack/setup-host.sh" "$@"
fi

# Several test packages call this at once.
exec 9>/run/lock/carob-setup-host.lock
flock 9

say() { echo "setup-host: $*" >&2; }

packages=(
	uidmap crun runc passt slirp4netns catatonit fuse-overlayfs containernetworking-plugins # what carob uses
	podman skopeo buildah docker-registry                                                   # what it is compared and tried with
	busybox-static mmdebstrap                                                               # what images are made of
	strace jq curl openssl apache2-utils iproute2 util-linux ca-certificates procps sqlite3 # what tests look with
)

# free_range FILE prints the first id that no line of /etc/subuid or
# /etc/subgid reaches.
free_range() {
	awk -F: 'BEGIN { free = 100000 } $2 + $3 > free { free = $2 + $3 } END { print free }' /etc/subuid /etc/subgid
}

make_account() {
	id "$user" >/dev/null 2>&1 || {
		say "making the account $user"
		useradd --create-home --shell /bin/bash "$user"
	}
	touch /etc/subuid /etc/subgid
	local start
	if ! grep -q "^$user:" /etc/subuid || ! grep -q "^$user:" /etc/subgid; then
		start=$(free_range)
		say "giving $user the ids $start to $((start + 65535))"
		usermod --add-subuids "$start-$((start + 65535))" --add-subgids "$start-$((start + 65535))" "$user"
	fi
	local uid
	uid=$(id -u "$user")
	# logind makes this where it runs.
	[ -d "/run/user/$uid" ] || install -d -m 755 /run/user
	[ -d "/run/user/$uid" ] || install -d -m 700 -o "$user" -g "$user" "/run/user/$uid"
}

open_devices() {
	local device
	for device in /dev/net/tun /dev/fuse; do
		[ -c "$device" ] || { say "no $device: what needs it will fail"; continue; }
		[ "$(stat -c %a "$device")" = 666 ] && continue
		say "chmod 666 $device, as distributions ship it"
		chmod 666 "$device"
	done
}

# One directory per recipe: images-HASH. It appears with a rename, complete.
make_images() {
	local go recipe dir tmp
	go=$(PATH=$PATH:/usr/local/go/bin command -v go) || { say "cannot make the test images: go is not installed"; return 1; }
	recipe=$(cat test/fixture/mkimages/*.go /bin/busybox | sha256sum | cut -c1-16)
	dir=$cache/images-$recipe
	if [ ! -d "$dir" ]; then
		say "making the test images in $dir"
		install -d -m 755 "$cache"
		tmp=$(mktemp -d "$cache/tmp.XXXXXX")
		"$go" run ./test/fixture/mkimages -busybox /bin/busybox "$tmp" || {
			rm -rf "$tmp"
			return 1
		}
		chmod -R a+rX "$tmp"
		mv "$tmp" "$dir"
	fi
	ln -sfn "images-$recipe" "$cache/images.new"
	mv -T "$cache/images.new" "$cache/images"
}

hack/install-packages.sh "${packages[@]}"
make_account
open_devices
make_images
