# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The Linux source the series is for: from LINUX_SRC, or from the Debian mirror this machine uses.
# Every source stands unpacked and never written to in the cache: source/ID/.

readonly LINUX=7.3
# Tried in this order until one has a released Linux of that version.
readonly SUITES=(trixie-backports forky forky-backports sid experimental)
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Sets SOURCE_ID, which names the exact source, without fetching anything; empty if none is there.
identify_source() {
	local found
	SOURCE_ID=
	if [ -z "${LINUX_SRC:-}" ]; then
		found=$(compgen -G "$CACHE/source/debian-$LINUX.*" | sort -V | tail -n 1) || true
		SOURCE_ID=${found##*/}
	elif [ -d "$LINUX_SRC" ]; then
		check_version "$LINUX_SRC"
		SOURCE_ID=tree-$(cd "$LINUX_SRC" &&
			find . -name .git -prune -o -type f -printf '%p %s %T@\n' | sort | hash)
	elif [ -f "$LINUX_SRC" ]; then
		SOURCE_ID=tar-$(stat -Lc '%n %s %Y' "$LINUX_SRC" | hash)
	else
		die "$WRONG_USE" "LINUX_SRC=$LINUX_SRC: no such directory or tarball" \
			"Name a Linux $LINUX tree, or unset it to use Debian's linux-source-$LINUX."
	fi
}

# Sets SOURCE_ID and SOURCE, the unpacked tree. Needs the lock.
need_source() {
	local new
	identify_source
	SOURCE=$CACHE/source/$SOURCE_ID
	[ -z "$SOURCE_ID" ] || [ ! -d "$SOURCE" ] || return 0
	need_commands "unpack the kernel source" tar xz
	new_temporary new "$CACHE/source"
	if [ -z "$SOURCE_ID" ]; then
		fetch_debian_source "$new"
	elif [ -d "$LINUX_SRC" ]; then
		say "copying $LINUX_SRC"
		copy_tree "$LINUX_SRC" "$new/linux"
	else
		say "unpacking $LINUX_SRC"
		unpack "$LINUX_SRC" "$new"
	fi
	check_version "$new/linux"
	SOURCE=$CACHE/source/$SOURCE_ID
	mv -T "$new/linux" "$SOURCE"
}

# The unpacked source for a command that only reads it: no need to wait for a build.
need_source_unlocked() {
	identify_source
	SOURCE=$CACHE/source/$SOURCE_ID
	[ -z "$SOURCE_ID" ] || [ ! -d "$SOURCE" ] || return 0
	lock_cache
	need_source
	unlock_cache
}

hash() {
	sha256sum | cut -c1-16
}

tree_version() {
	sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p' "$1/Makefile" 2>/dev/null | paste -sd. || true
}

check_version() {
	local version what
	version=$(tree_version "$1")
	what=${version:+Linux $version}
	if [ "$version" = $LINUX ]; then
		[ ! -f "$1/virt/kvm/guest_memfd.c" ] || return 0
		what="no whole tree (it has no virt/kvm/guest_memfd.c)"
	fi
	die "$WRONG_USE" "${LINUX_SRC:-$1} is ${what:-no Linux tree}; the series is for Linux $LINUX" \
		"Set LINUX_SRC to a Linux $LINUX tree or tarball, or unset it to use Debian's linux-source-$LINUX."
}

copy_tree() {
	mkdir -p "$2"
	run_child bash -o pipefail -c 'tar -C "$1" --exclude=./.git -cf - . | tar -C "$2" -xf -' _ "$1" "$2" ||
		die "$UNAVAILABLE" "cannot copy $1" "$(free_space "$CACHE")"
	# A tree that was built in cannot be built out of: leave its configuration behind.
	rm -rf "$2/.config" "$2/include/config" "$2/include/generated" "$2/arch/x86/include/generated"
}

# unpack TARBALL DIR: the tree becomes DIR/linux, whatever its top directory is called.
unpack() {
	mkdir "$2/linux"
	run_child tar -C "$2/linux" --strip-components=1 -xf "$1" ||
		die "$UNAVAILABLE" "cannot unpack $1" "$(free_space "$CACHE")" \
			"If it is not the disk: is this a tarball of Linux $LINUX?"
}

# The base address of this machine's own mirror, as apt knows it.
debian_mirror() {
	local site
	site=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(SITE)' 2>/dev/null |
		sed -n 's/^Debian|Debian|//p' | head -n 1)
	[ -n "$site" ] ||
		die "$UNAVAILABLE" "apt knows no Debian mirror on this machine" \
			"Run 'sudo apt-get update' first, or set LINUX_SRC to a Linux $LINUX tree or tarball."
	printf '%s\n' "$site"
}

# apt with its own lists and sources: needs no root and leaves the machine's alone. The signature
# of the archive is checked against Debian's keyring as always.
private_apt() {
	local dir=$1 tool=$2
	shift 2
	env -C "$dir" "$tool" -o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" \
		-o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none "$@"
}

# Sets SOURCE_ID and makes DIR/linux from the newest released linux-source of the first suite with one.
fetch_debian_source() {
	local dir=$1 mirror suite version package=linux-source-$LINUX
	need_commands "get the kernel source from Debian" apt-get apt-cache dpkg-deb
	[ -r $KEYRING ] ||
		die "$UNAVAILABLE" "$KEYRING is missing" "On Debian: sudo apt-get install debian-archive-keyring"
	mirror=$(debian_mirror) || exit
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	for suite in "${SUITES[@]}"; do
		say "looking for $package in $suite"
		printf 'deb [signed-by=%s] %s %s main\n' $KEYRING "$mirror" "$suite" >"$dir/sources.list"
		run_child private_apt "$dir" apt-get -qq update >"$dir/log" 2>&1 || continue
		version=$(private_apt "$dir" apt-cache madison "$package" 2>/dev/null |
			awk -F'|' -v v="$LINUX." '{ gsub(/ /, "", $2) } index($2, v) == 1 && $2 !~ /rc/ { print $2; exit }')
		[ -z "$version" ] || break
	done
	[ -n "$version" ] ||
		die "$UNAVAILABLE" "no $package to be had from $mirror" "$(tail -n 2 "$dir/log" 2>/dev/null)" \
			"Is the network there? Or set LINUX_SRC to a Linux $LINUX tree or tarball."
	say "getting $package $version from $suite"
	run_child private_apt "$dir" apt-get -qq download "$package=$version" >"$dir/log" 2>&1 ||
		die "$UNAVAILABLE" "cannot download $package $version" "$(tail -n 2 "$dir/log")" "$(free_space "$CACHE")"
	say "unpacking it"
	run_child dpkg-deb -x "$dir/$package"_*.deb "$dir/deb" >"$dir/log" 2>&1 ||
		die "$UNAVAILABLE" "cannot unpack $package $version" "$(tail -n 2 "$dir/log")" "$(free_space "$CACHE")"
	unpack "$dir/deb/usr/src/$package.tar.xz" "$dir"
	SOURCE_ID=debian-$version
}
