# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What every part of the lab uses: places, messages, exit statuses, cleaning up.

TOP=$(dirname "$LAB")
CACHE=${GMEM_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libgmem}
SERIES=${GMEM_LAB_SERIES:-$TOP/kernel-patches}

# Exit statuses of the lab itself. 0-255 of a command in the guest are passed on as they are.
# (FAILED is for build; inside run it would be taken for the command's own and becomes BROKEN.)
FAILED=1
readonly WRONG_USE=2 REPORT=70 UNAVAILABLE=77 TIMED_OUT=124 BROKEN=125

say() {
	printf 'lab: %s\n' "$*" >&2
}

# die STATUS LINE...: the first line says what is wrong, the others what to do.
die() {
	local status=$1
	shift
	say "$1"
	shift
	[ $# -eq 0 ] || printf '     %s\n' "$@" >&2
	exit "$status"
}

wrong_use() {
	die "$WRONG_USE" "$1" "See lab/lab $COMMAND --help"
}

# Whatever is put on these lists is gone when the lab ends, however it ends.
TEMPORARY=()
CHILDREN=()
TERMINAL='' # settings to restore

clean_up() {
	local pid
	for pid in "${CHILDREN[@]}"; do
		kill -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null || true
	done
	for pid in "${CHILDREN[@]}"; do
		wait "$pid" 2>/dev/null || true
	done
	CHILDREN=()
	[ -z "$TERMINAL" ] || stty "$TERMINAL" || true
	[ ${#TEMPORARY[@]} -eq 0 ] || rm -rf "${TEMPORARY[@]}"
	TEMPORARY=()
}

trap clean_up EXIT
trap 'say "internal error: \"$BASH_COMMAND\" failed with $? at ${BASH_SOURCE[0]##*/}:$LINENO"; exit $BROKEN' ERR
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Makes a directory that goes away with the lab: new_temporary VARIABLE [PARENT]
new_temporary() {
	local parent=${2:-${TMPDIR:-/tmp}} dir
	mkdir -p "$parent" 2>/dev/null || true
	dir=$(mktemp -d "$parent/lab.XXXXXX") ||
		die "$BROKEN" "cannot make a temporary directory in $parent" "$(free_space "$parent")"
	TEMPORARY+=("$dir")
	printf -v "$1" '%s' "$dir"
}

free_space() {
	df -h --output=avail,target "$1" 2>/dev/null |
		awk 'NR == 2 { printf "%s are free on %s; a first build needs about 4 GB.", $1, $2 }'
}

# need_commands PURPOSE COMMAND...: all of them, or say how to get them.
need_commands() {
	local purpose=$1 name missing=()
	shift
	for name; do
		command -v "$name" >/dev/null || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] ||
		die "$UNAVAILABLE" "missing to $purpose: ${missing[*]}" \
			"On Debian: sudo apt-get install $(lab_packages)"
}

# The Debian packages the lab needs (the first section of the project's list).
lab_packages() {
	sed -n '/^# lab/,/^$/{/^[^#]/p}' "$LAB/packages" | tr '\n' ' '
}

# Runs a command that must finish, in the background so that a signal to the lab is not held up
# until it ends, and in a process group so that clean_up reaches what it starts.
run_child() {
	local pid status=0
	set -m
	"$@" &
	pid=$!
	set +m
	CHILDREN+=("$pid")
	wait "$pid" || status=$?
	forget_child "$pid"
	return $status
}

forget_child() {
	local pid keep=()
	for pid in "${CHILDREN[@]}"; do
		[ "$pid" = "$1" ] || keep+=("$pid")
	done
	CHILDREN=("${keep[@]}")
}

# One build at a time per cache; the lock lives as long as the process that holds it.
lock_cache() {
	mkdir -p "$CACHE" 2>/dev/null ||
		die "$UNAVAILABLE" "cannot make the cache directory $CACHE" \
			"Set GMEM_LAB_CACHE to a directory that you can write to."
	exec {LOCK}>>"$CACHE/lock" || die "$UNAVAILABLE" "cannot write to the cache directory $CACHE"
	if ! flock -n "$LOCK"; then
		say "another build uses $CACHE; waiting for it"
		run_child flock "$LOCK"
	fi
	# What a killed build left; nobody else can be using it now.
	rm -rf "$CACHE"/{source,work,kernel,initrd}/lab.??????
}

unlock_cache() {
	exec {LOCK}>&-
}
