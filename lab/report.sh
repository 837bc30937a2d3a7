# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What counts as a kernel report: a line on the console by which the kernel says that it, and not the
# program under test, did something wrong. An injected memory failure or allocation failure is none.

REPORTS=$(paste -sd'|' <<'PATTERNS'
WARNING:
BUG:
kernel BUG at
Oops
general protection fault
double fault
stack guard page
Kernel panic
KASAN:
UBSAN:
possible circular locking dependency
possible recursive locking
possible irq lock inversion
inconsistent lock state
held lock freed
bad unlock balance
nested lock was not taken
Invalid wait context
suspicious RCU usage
INFO: rcu
rcu: INFO:
blocked for more than
soft lockup
hard LOCKUP
workqueue lockup
unreferenced object 0x
refcount_t:
list_(add|del) corruption
Bad page
Bad rss-counter
PATTERNS
)

# The kernel's own record, should a report never have reached the console: bits of
# /proc/sys/kernel/tainted for bad page, oops, warning and soft lockup.
readonly TAINT=$((1 << 5 | 1 << 7 | 1 << 9 | 1 << 14))

# show_reports CONSOLE EXPECTED: prints the reports but those whose first line matches EXPECTED;
# true if there are any.
show_reports() {
	tr -d '\r' <"$1" | awk -v reports="$REPORTS" -v expected="${2:-^\$}" '
		$0 ~ reports {
			if ($0 ~ expected) { lines = 0; next }
			if (!lines) { found = 1; print "--" }
			lines = 60
		}
		lines { print; if (/---\[ end /) lines = 1; lines-- }
		END { exit !found }'
}

# taint_shown STATUS_FILE: true if a stage ended with a taint that only a report leaves.
tainted() {
	local taint
	while read -r taint; do
		[ $((taint & TAINT)) -eq 0 ] || return 0
	done < <(sed -n 's/^taint \([0-9][0-9]*\)$/\1/p' "$1")
	return 1
}
