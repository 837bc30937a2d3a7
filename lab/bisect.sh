# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# lab/lab bisect: every step of the series builds, so that git bisect works on it.

help_bisect() {
	cat <<'HELP'
Usage: lab/lab bisect

Builds the release kernel after every patch of the series, each time from the one before, and reports each
as a line of TAP on standard output. Exit status 0 if all build, 1 if one does not.
HELP
}

command_bisect() {
	local object=$CACHE/object/release patch count=0 broken=0 all start
	[ $# -eq 0 ] || wrong_use "bisect: unknown argument '$1'"
	need_commands "build the kernel" make "${CC:-gcc}" git flex bison bc perl lz4 cpio flock
	list_series
	all=("${PATCHES[@]}")
	[ ${#all[@]} -gt 0 ] || die "$FAILED" "no patches in $SERIES"
	lock_cache
	need_source
	printf '1..%d\n' ${#all[@]}
	for patch in "${all[@]}"; do
		count=$((count + 1))
		start=$SECONDS
		need_work_tree "${all[@]:0:count}"
		open_object_dir "$object"
		if run_child build_step "release, patch $count" "$object" 2>"$CACHE/bisect.log"; then
			printf 'ok %d - %s # %d s\n' $count "${patch#"$SERIES"/}" $((SECONDS - start))
		else
			broken=$((broken + 1))
			printf 'not ok %d - %s\n' $count "${patch#"$SERIES"/}"
			sed 's/^/# /' "$CACHE/bisect.log"
		fi
	done
	[ $broken -eq 0 ] || die "$FAILED" "$broken of $count patches do not build"
}

# A step that fails is reported, and the next one may well build: so it ends a process of its own.
build_step() {
	CHILDREN=() TEMPORARY=()
	trap clean_up EXIT
	trap 'exit 143' TERM
	configure release "$2"
	compile "$1" "$2" vmlinux
}
