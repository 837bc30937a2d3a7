# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Sourced by the scripts that run Linux's own selftests on the lab's kernels, patched and not: where the kernels and their
# source are, what a boot printed, and a TAP line per result.
#
# A script defines run_in MODE LAB-OPTION..., which boots once and leaves what was printed in $results/MODE: per test
# "@begin NAME", its output, "@end NAME STATUS", and at the end "@lab STATUS".

root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
kernel='' soak='' verbose=''

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--kernel)
			[ $# -ge 2 ] || { usage >&2 && exit 2; }
			kernel=$2
			shift
			;;
		--soak) soak=1 ;;
		--verbose) verbose=1 ;;
		-h | --help) usage && exit 0 ;;
		*) usage >&2 && exit 2 ;;
		esac
		shift
	done
}

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# The lab says where its kernels are; what it knows about them lies next to each, and their source in the same cache.
# Everything that is compiled goes to the cache; the source is never written to.
find_kernels() {
	local source_id
	unpatched=$("$root/lab/lab" build --unpatched) || exit
	kernel=${kernel:-$("$root/lab/lab" build)} || exit
	source_id=$(sed 's/^[^ ]* \([^,]*\),.*/\1/' "${unpatched%/*}/description")
	# shellcheck disable=SC2034
	source=${unpatched%/kernel/*}/source/$source_id
	built=${unpatched%/kernel/*}/selftests/$source_id
	results=$(mktemp -d)
	trap 'rm -rf "$results"' EXIT
}

# Takes the lock on what is built, and sees to the kernel's headers.
begin_build() {
	log=$built/log
	mkdir -p "$built"
	exec {lock}>>"$built/lock"
	flock "$lock"
	[ ! -e "$built/headers-done" ] || return 0
	say "installing the kernel's headers"
	make -s -C "$source" O="$built" headers >"$log" 2>&1 || build_failed
	touch "$built/headers-done"
}

end_build() {
	exec {lock}>&-
}

build_failed() {
	say "the selftests do not compile:"
	tail -n 20 "$log" >&2
	exit 1
}

# run_unpatched PROGRAM...: the unpatched kernel's results, from the last time if neither it nor the programs have changed.
run_unpatched() {
	local key kept
	key=$(cat "$unpatched" "$0" "$@" | sha256sum | cut -c1-16)
	kept=$built/unpatched-$key
	if [ -e "$kept" ]; then
		cp "$kept" "$results/unpatched"
		return
	fi
	say "running $# selftests on the unpatched kernel"
	run_in unpatched --kernel "$unpatched"
	# An unfinished run is not worth keeping.
	[ "$(lab_status unpatched)" -ne 0 ] || cp "$results/unpatched" "$kept"
}

# How a test ended in a mode: pass, skip or fail; none if it was never run.
outcome() {
	awk -v name="$2" '
		$1 == "@end" && $2 == name { r = $3 == 0 ? "pass" : $3 == 4 ? "skip" : "fail" }
		END { print r ? r : "none" }' "$results/$1"
}

# What a test printed.
output() {
	awk -v name="$2" '$1 == "@end" { on = 0 } on { print } $1 == "@begin" { on = $2 == name }' "$results/$1"
}

lab_status() {
	sed -n 's/^@lab //p' "$results/$1"
}

count=0 failures=0

# result OK TEXT
result() {
	count=$((count + 1))
	if [ "$1" = 1 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failures=$((failures + 1))
	fi
}

show() {
	output "$1" "$2" | tail -n 20 | sed 's/^/#   /'
}

# judge_boots MODE...: there is a lab, and its kernels kept quiet.
judge_boots() {
	local mode
	[ -z "$verbose" ] || sed 's/^/# /' "$results"/*
	for mode; do
		[ "$(lab_status "$mode")" -ne 77 ] || { echo "1..0 # SKIP the lab cannot run here" && exit 77; }
		result $(($(lab_status "$mode") == 0)) "$mode: the kernel printed no report (the lab ended with $(lab_status "$mode"))"
		[ "$(lab_status "$mode")" -eq 0 ] || tail -n 40 "$results/$mode" | sed 's/^/#   /'
	done
}

# judge_same MODE TEST...: each as on the unpatched kernel.
judge_same() {
	local mode=$1 name before after
	shift
	for name; do
		before=$(outcome unpatched "$name") after=$(outcome "$mode" "$name")
		if [ "$before" = "$after" ] && [ "$after" != none ]; then
			result 1 "$mode: $name: $after, as unpatched"
		else
			result 0 "$mode: $name: $after, unpatched: $before"
			show "$mode" "$name"
		fi
	done
}

finish() {
	echo "1..$count"
	exit $((failures > 0))
}
