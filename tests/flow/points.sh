# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Sourced by the tests of gmemctl from the outside: points of TAP about what it prints and returns.

gmemctl=$1
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
points=0
failures=0

point() { # OK(0/1) TEXT
	points=$((points + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $points - $2"
	else
		echo "not ok $points - $2"
		sed 's/^/# stdout: /' "$dir/out"
		sed 's/^/# stderr: /' "$dir/err"
		failures=$((failures + 1))
	fi
}

skip() {
	points=$((points + 1))
	echo "ok $points - $1 # SKIP $2"
}

# is TEXT STATUS ARGUMENT...: runs gmemctl, expects the exit status
is() {
	local text=$1 want=$2 got=0
	shift 2
	"$gmemctl" "$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
	point $((got != want)) "$text (exit $got, expected $want)"
}

# has FILE PATTERN TEXT: what the last run printed
has() {
	local found=0
	grep -q -e "$2" "$dir/$1" || found=1
	point $found "$3"
}

lacks() {
	local found=1
	grep -q -e "$2" "$dir/$1" || found=0
	point $found "$3"
}

finish() {
	echo "1..$points"
	[ "$failures" -eq 0 ]
}
