# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The patch series kernel-patches/NN-topic/*.patch and the tree it is applied to.

# Sets PATCHES, in the order they apply.
list_series() {
	local patch
	PATCHES=()
	for patch in "$SERIES"/[0-9][0-9]-*/[0-9]*.patch; do
		[ ! -f "$patch" ] || PATCHES+=("$patch")
	done
}

# The files a list of patches touches, one per line.
touched_files() {
	[ $# -eq 0 ] || sed -n 's/^--- a\///p; s/^+++ b\///p' "$@" | sort -u
}

# apply_patches TREE PATCH...: in a directory, not in git; says which patch fails at which file.
apply_patches() {
	local tree=$1 patch errors
	shift
	for patch; do
		# A cache inside somebody's git tree must not make git look there.
		errors=$(cd "$tree" && GIT_CEILING_DIRECTORIES=$(dirname "$tree") \
			git apply --whitespace=nowarn "$patch" 2>&1) && continue
		die "$FAILED" "${patch#"$TOP"/} does not apply to Linux $SOURCE_ID:" "${errors//$'\n'/$'\n     '}" \
			"Bring the series up to date in a tree of its own: lab/lab tree DIR, then lab/lab export DIR."
	done
}

# Sets WORK, a tree with exactly these patches applied. Needs the lock. The tree is kept from build to
# build and only files whose contents change are written, so that make compiles no more than it must.
need_work_tree() {
	local file stage list
	WORK=$CACHE/work/$SOURCE_ID
	if [ ! -d "$WORK" ]; then
		new_temporary stage "$CACHE/work"
		# Hard links: a file that a patch touches is replaced below, never written in place.
		cp -al "$SOURCE" "$stage/linux" ||
			die "$UNAVAILABLE" "cannot make $WORK" "$(free_space "$CACHE")"
		mv -T "$stage/linux" "$WORK"
	fi
	new_temporary stage "$CACHE/work"
	list=$WORK.touched
	touch "$list"
	{ cat "$list" && touched_files "$@"; } | sort -u >"$stage/list"
	mkdir "$stage/tree"
	while read -r file; do
		[ ! -e "$SOURCE/$file" ] || (cd "$SOURCE" && cp --parents "$file" "$stage/tree/")
	done <"$stage/list"
	apply_patches "$stage/tree" "$@"
	# Before the first change, so that a build cut off here is put right by the next one.
	cp "$stage/list" "$list.new" && mv "$list.new" "$list"
	while read -r file; do
		if [ ! -e "$stage/tree/$file" ]; then
			rm -f "$WORK/$file"
		elif ! cmp -s "$stage/tree/$file" "$WORK/$file"; then
			mkdir -p "$(dirname "$WORK/$file")"
			cp --remove-destination "$stage/tree/$file" "$WORK/$file"
		fi
	done <"$stage/list"
}
