# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Sourced by the tests of the lab: runs lab/lab and prints a TAP line per case.
#
# A test is a few calls of lab and then case_is NAME CONDITION...; conditions are the functions below. The last
# run's exit status, output and messages are in STATUS, $W/out and $W/err.

ROOT=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
LAB=$ROOT/lab/lab
W=$(mktemp -d "${TMPDIR:-/tmp}/lab-test.XXXXXX")
# Everything the lab leaves behind would be here, and its processes have this on their command line.
export TMPDIR=$W/tmp
mkdir "$TMPDIR"
unset GMEM_DIR LINUX_SRC GMEM_LAB_SERIES
CASES=0 BAD=0

clean_up() {
	local pid
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$W"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# lab ARGUMENT...: with its output and messages kept apart.
lab() {
	STATUS=0
	"$LAB" "$@" >"$W/out" 2>"$W/err" </dev/null || STATUS=$?
}

# result NAME OK: 0 for a case that passed
result() {
	CASES=$((CASES + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $CASES - $1"
		return
	fi
	BAD=$((BAD + 1))
	echo "not ok $CASES - $1"
	echo "# exit status $STATUS"
	tail -n 25 "$W/out" | cut -c1-300 | tr -d '\0' | sed 's/^/# out: /'
	tail -n 60 "$W/err" | cut -c1-300 | tr -d '\0' | sed 's/^/# err: /'
}

# case_is NAME CONDITION [ARGUMENT]... [-- CONDITION ...]: all conditions hold
case_is() {
	local name=$1 condition ok=0
	shift
	while [ $# -gt 0 ]; do
		condition=()
		while [ $# -gt 0 ] && [ "$1" != -- ]; do
			condition+=("$1")
			shift
		done
		[ $# -eq 0 ] || shift
		"${condition[@]}" || { ok=1 && echo "# does not hold: ${condition[*]@Q}"; }
	done
	result "$name" $ok
}

skip() {
	CASES=$((CASES + 1))
	echo "ok $CASES - $1 # SKIP $2"
}

finish() {
	echo "1..$CASES"
	exit $((BAD > 0))
}

# Conditions.
status_is() { [ "$STATUS" -eq "$1" ]; }
out_is() { [ "$(cat "$W/out")" = "$1" ]; }
err_is() { [ "$(cat "$W/err")" = "$1" ]; }
out_has() { grep -qE -- "$1" "$W/out"; }
err_has() { grep -qE -- "$1" "$W/err"; }
err_lacks() { ! grep -qE -- "$1" "$W/err"; }
no_file() { [ ! -e "$1" ]; }
same() { cmp -s "$1" "$2"; }

# The lab is gone with all its processes and files. A killed process takes a moment to vanish.
nothing_left() {
	local i left
	for ((i = 0; i < 100; i++)); do
		left=$(processes; find "$TMPDIR" -mindepth 1)
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	printf '# left: %s\n' "$left"
	return 1
}

# Processes that this test started and that are not its own shell: their environment says so.
processes() {
	grep -lzF "TMPDIR=$TMPDIR" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | while read -r pid; do
		ps -o args= -p "$pid" | grep -E 'lab/lab|qemu-system|make |/cc1 |sleep [0-9]{3}' | cut -c1-150
	done
}

# wait_for CONDITION...: up to a minute, for something that another process does
wait_for() {
	local i
	for ((i = 0; i < 600; i++)); do
		! "$@" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "# never came: $*"
	return 1
}
