#!/bin/sh
# Show that pinned base programs give the same results on two releases of Debian (docs/proofs.md).
#
#   sh scripts/two_releases.sh WORK PROJECT SESSION...
#
# WORK has two roots, WORK/bookworm and WORK/trixie, made by debootstrap --variant=minbase
# --include=ca-certificates, and WORK/mpforge, a virtual environment with mpforge and nox, of an interpreter
# of uv's in WORK/uv (UV_PYTHON_INSTALL_DIR). PROJECT has a spec with base-programs = "pinned" and its lock.
# Run by root. Each root becomes the root of a mount namespace: in a chroot, namespaces are refused.
set -eu
work=$(realpath "$1") project=$(realpath "$2")
shift 2

inside() { # inside RELEASE CHECKOUT CACHE WORDS...: run a program in a release's root
	root=$work/$1 checkout=$2 cache=$3
	shift 3
	mkdir -p "$checkout" "$cache" "$root/project" "$root/cache" "$root$work" "$root/old"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	unshare --mount --pid --fork sh -euc '
		root=$1 work=$2 checkout=$3 cache=$4
		shift 4
		mount --bind "$root" "$root"
		mount --rbind /dev "$root/dev"
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --bind "$checkout" "$root/project"
		mount --bind "$cache" "$root/cache"
		for name in mpforge uv; do
			mkdir -p "$root$work/$name"
			mount --bind "$work/$name" "$root$work/$name"
		done
		cd "$root"
		pivot_root . old
		umount -l /old
		cd /project
		exec "$@"
	' inside "$root" "$work" "$checkout" "$cache" env -i HOME=/root LC_ALL=C.UTF-8 NO_COLOR=1 \
		"PATH=$work/mpforge/bin:/usr/bin:/bin:/usr/sbin" "UV_PYTHON_INSTALL_DIR=$work/uv" \
		UV_PYTHON_DOWNLOADS=never MPFORGE_CACHE=/cache ${SSL_CERT_FILE:+"SSL_CERT_FILE=$SSL_CERT_FILE"} "$@"
}

run() { # run RELEASE NUMBER: run the sessions in a checkout of their own
	echo "== $1, checkout $2"
	cp -a "$project" "$work/checkout-$2"
	inside "$1" "$work/checkout-$2" "$work/cache-$2" nox -s $sessions
	(cd "$work/checkout-$2/dist" && find . -type f ! -name mpforge.json ! -path '*/.*' -exec sha256sum {} + | sort -k 2) |
		tee "$work/dist-$2"
}

sessions=$*
rm -rf "$work"/checkout-* "$work"/cache-* "$work"/dist-*
run bookworm 1
echo "== the store of bookworm is carried to trixie"
cp -a "$work/cache-1" "$work/cache-2"
run trixie 2
echo "== trixie, with an empty store"
run trixie 3
cmp "$work/dist-1" "$work/dist-2"
cmp "$work/dist-1" "$work/dist-3"
echo "== equal byte for byte"
