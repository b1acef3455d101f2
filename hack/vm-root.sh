#!/usr/bin/env bash
# vm-root.sh: make the disk that test/vm boots, a Debian 12 with systemd,
# cgroup v2, AppArmor, SELinux and two lingering accounts, and print its directory, where
# root.img, vmlinuz and initrd are. Needs root or sudo; may be run again.
#
#   CAROB_TEST_CACHE  where it is kept between runs (default /var/cache/carob-test)
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${CAROB_TEST_CACHE:-/var/cache/carob-test}

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "cannot make the virtual machine's disk: run this as root or install sudo" >&2
		exit 1
	}
	exec sudo --preserve-env=CAROB_TEST_CACHE,PATH "$PWD/hack/vm-root.sh" "$@"
fi

exec 9>/run/lock/carob-vm-root.lock
flock 9

say() { echo "vm-root: $*" >&2; }

packages=(
	linux-image-cloud-amd64 udev kmod cpio # what boots
	systemd systemd-sysv systemd-container libpam-systemd dbus dbus-user-session # what it is all about
	uidmap crun runc passt slirp4netns catatonit golang-github-containers-common # what carob uses
	apparmor apparmor-utils cron sudo # what tests use
	selinux-policy-default selinux-policy-dev selinux-policy-src selinux-utils policycoreutils zstd
	busybox-static jq procps iproute2 netcat-openbsd ca-certificates # what tests look with
)

# configure_system ROOT: the machine.
configure_system() {
	local root=$1
	echo carob-vm >"$root/etc/hostname"
	echo LANG=C.UTF-8 >"$root/etc/default/locale"
	printf '127.0.0.1 localhost carob-vm\n::1 localhost\n' >"$root/etc/hosts"
	printf '/dev/vda / ext4 rw 0 0\n' >"$root/etc/fstab"
	mkdir -p "$root/ct" "$root/etc/systemd/network" "$root/var/log/journal" "$root/etc/systemd/logind.conf.d" "$root/etc/systemd/system-generators"
	# The files of that disk have no labels of their own.
	cat >"$root/etc/systemd/system-generators/carob-disk" <<-'EOF'
		#!/bin/sh
		options=ro
		[ ! -e /sys/fs/selinux/enforce ] || options=ro,context=system_u:object_r:bin_t:s0
		printf '[Mount]\nWhat=/dev/disk/by-label/carob-test\nWhere=/ct\nType=ext4\nOptions=%s\n' "$options" >"$1/ct.mount"
	EOF
	chmod 755 "$root/etc/systemd/system-generators/carob-disk"
	printf '[Match]\nType=ether\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/ether.network"
	# systemd's own default, stricter than Debian's: the end of a login is the
	# end of its processes.
	printf '[Login]\nKillUserProcesses=yes\n' >"$root/etc/systemd/logind.conf.d/kill.conf"
	cat >"$root/etc/systemd/system/carob-vm.service" <<-EOF
		[Unit]
		Description=carob's tests
		After=systemd-user-sessions.service systemd-logind.service dbus.service cron.service network.target apparmor.service
		RequiresMountsFor=/ct

		[Service]
		ExecStart=/ct/guest
		SELinuxContext=-unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023
		TimeoutStopSec=20

		[Install]
		WantedBy=multi-user.target
	EOF
	chroot "$root" systemctl --quiet enable carob-vm.service systemd-networkd.service
	chroot "$root" systemctl --quiet disable systemd-networkd-wait-online.service
	chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service serial-getty@ttyS0.service serial-getty@ttyS1.service
	# What each boot of an emulated machine would wait for, and no test looks at.
	chroot "$root" systemctl --quiet mask modprobe@{configfs,dm_mod,drm,efi_pstore,fuse,loop}.service dev-hugepages.mount \
		sys-kernel-{config,debug,tracing}.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.{auto,}mount \
		systemd-{binfmt,modules-load,network-generator,pstore,random-seed,sysusers,update-utmp,update-utmp-runlevel}.service \
		selinux-autorelabel-mark.service
	# Of a hundred devices these are of use: disks, the network with its bus, and /dev/fuse and its like.
	mkdir "$root/etc/systemd/system/systemd-udev-trigger.service.d"
	printf '[Service]\nExecStart=\nExecStart=udevadm trigger --action=add%s\n' "$(printf ' --subsystem-match=%s' block misc net pci virtio)" \
		>"$root/etc/systemd/system/systemd-udev-trigger.service.d/few.conf"
}

# configure_accounts ROOT: ct has the controllers that Debian delegates, wide
# has all of them.
configure_accounts() {
	local root=$1 account
	for account in ct:1000 wide:1001; do
		chroot "$root" useradd --create-home --shell /bin/bash --uid "${account#*:}" "${account%:*}"
		mkdir -p "$root/var/lib/systemd/linger"
		touch "$root/var/lib/systemd/linger/${account%:*}"
		# SELinux's policy labels what is made in here by its name.
		chroot "$root" install -d -o "${account%:*}" -g "${account%:*}" "/home/${account%:*}"/{.local,.local/share}
	done
	mkdir -p "$root/etc/systemd/system/user@1001.service.d"
	printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >"$root/etc/systemd/system/user@1001.service.d/delegate.conf"
	printf 'Defaults !requiretty,secure_path="/ct/prefix/bin:/usr/sbin:/usr/bin:/sbin:/bin"\nct,wide ALL=(ALL) NOPASSWD: ALL\n' \
		>"$root/etc/sudoers.d/carob"
	chmod 440 "$root/etc/sudoers.d/carob"
}

# configure_selinux ROOT adds the types for containers, which Debian's policy
# leaves out, from its own source, and labels all files. SELinux is switched on
# by the kernel's command line.
configure_selinux() {
	unshare --mount sh -ec 'mount -t proc proc "$1/proc"; chroot "$1" sh -ec "$2"' sh "$1" '
		mkdir /tmp/policy
		cd /tmp/policy
		tar -xf /usr/src/selinux-policy-src.tar.zst --strip-components=4 --wildcards "*/services/container.te" "*/services/container.fc"
		make -s -f /usr/share/selinux/devel/Makefile container.pp
		semodule --noreload --install container.pp
		cd /
		rm -rf /tmp/policy
		setfiles -m -F -e /proc -e /sys /etc/selinux/default/contexts/files/file_contexts /
	' >&2
}

# make_initrd ROOT prints an initrd that loads what the disk needs and goes on
# there. Debian's own, with its udev, takes two seconds longer.
make_initrd() {
	local initrd
	initrd=$(mktemp -d "$1/tmp/initrd.XXXXXX")
	mkdir "$initrd"/{bin,dev,modules,root}
	cp "$1/bin/busybox" "$initrd/bin/"
	chroot "$1" sh -ec '
		for module in virtio_pci virtio_blk crc32c_generic ext4; do
			modprobe --show-depends --set-version "$(ls /lib/modules)" "$module"
		done' | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$initrd/order"
	(cd "$1" && sed 's,^/,,' "$initrd/order" | xargs cp -t "$initrd/modules")
	cat >"$initrd/init" <<-'EOF'
		#!/bin/busybox sh
		busybox mount -t devtmpfs dev /dev
		while read -r module; do
			busybox insmod "/modules/${module##*/}"
		done </order
		until busybox mount -t ext4 -o rw /dev/vda /root; do
			busybox sleep 0.1
		done
		exec busybox switch_root /root /sbin/init
	EOF
	chmod 755 "$initrd/init"
	(cd "$initrd" && find . | chroot "$1" sh -c 'cd "$1" && cpio --quiet -o -H newc' sh "${initrd#"$1"}")
	rm -rf "$initrd"
}

make_root() { # make_root DIRECTORY
	local dir=$1 root=$1/root
	mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" bookworm "$root" >&2
	configure_system "$root"
	configure_accounts "$root"
	cp -L "$root"/boot/vmlinuz-* "$dir/vmlinuz"
	make_initrd "$root" >"$dir/initrd"
	rm -rf "$root"/boot/* "$root"/usr/share/doc/* "$root"/usr/share/locale/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	configure_selinux "$root"
	truncate -s 6G "$dir/root.img"
	mke2fs -q -t ext4 -d "$root" "$dir/root.img" >&2
	rm -rf "$root"
}

hack/install-packages.sh mmdebstrap qemu-system-x86 qemu-utils e2fsprogs

# One directory per recipe. It appears with a rename, complete.
dir=$cache/vm-$(sha256sum <hack/vm-root.sh | cut -c1-16)
if [ ! -d "$dir" ]; then
	say "making a Debian with systemd in $dir"
	install -d -m 755 "$cache"
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	make_root "$tmp"
	chmod -R a+rX "$tmp"
	mv "$tmp" "$dir"
fi
echo "$dir"
