# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Sourced by the tests of the series: a git tree of base and series to look at, and TAP.
# GMEM_TREE names a tree made by `lab/lab tree`; without it one is made and removed again.
# shellcheck shell=bash

ROOT=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/gmem-series.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
CASES=0
FAILED=0

# The tree's path in TREE. Exits with 77 and a TAP line if it cannot be had.
make_tree()
{
	TREE=${GMEM_TREE:-$WORK/tree}
	if [ ! -d "$TREE" ] && ! "$ROOT/lab/lab" tree "$TREE" >"$WORK/log" 2>&1; then
		sed 's/^/# /' "$WORK/log"
		echo "1..0 # SKIP the kernel source cannot be had"
		exit 77
	fi
}

# The path of the base in TREE, for tests that need no commits; the lab has it unpacked.
find_base()
{
	if ! TREE=$(LAB=$ROOT/lab bash -c '. "$LAB/common.sh" && . "$LAB/source.sh" && need_source_unlocked &&
			echo "$SOURCE"' 2>"$WORK/log"); then
		sed 's/^/# /' "$WORK/log"
		echo "1..0 # SKIP the kernel source cannot be had"
		exit 77
	fi
}

# ok NAME: a case that passed
ok()
{
	CASES=$((CASES + 1))
	echo "ok $CASES - $1"
}

# not_ok NAME LOG: a case that failed, with the end of what it said
not_ok()
{
	CASES=$((CASES + 1))
	FAILED=$((FAILED + 1))
	echo "not ok $CASES - $1"
	tail -n 40 "$2" | sed 's/^/# /'
}

# skip NAME WHY
skip()
{
	CASES=$((CASES + 1))
	echo "ok $CASES - $1 # SKIP $2"
}

finish()
{
	echo "1..$CASES"
	[ "$FAILED" = 0 ] || exit 1
}
