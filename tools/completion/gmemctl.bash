# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Completion of gmemctl for bash. Commands and options come from gmemctl's own help, so that this
# file knows none of them.

# _gmemctl_words COMMAND PREVIOUS CURRENT: what can come next, one word a line
_gmemctl_words() {
	local gmemctl=${COMP_WORDS[0]}
	if [[ $3 == -* ]]; then
		"$gmemctl" ${1:+"$1"} --help 2>/dev/null | sed -nE 's/^  (-[a-z], )?(--[a-z-]+).*/\2/p'
		echo --help
		return
	fi
	case $1,$2 in
	,*) "$gmemctl" --help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p' ;;
	load,--way) printf '%s\n' best plain direct ;;
	probe,--vm-type) printf '%s\n' default sw-protected sev sev-es snp tdx ;;
	explain,*) "$gmemctl" explain --list 2>/dev/null | sed -nE 's/^  ([^ ]+) .*/\1/p' ;;
	seccomp,*) "$gmemctl" seccomp 2>/dev/null | sed -nE 's/^([a-z]+): .*/\1/p' ;;
	esac
}

_gmemctl() {
	local current=${COMP_WORDS[COMP_CWORD]} command=
	[[ $COMP_CWORD -eq 1 ]] || command=${COMP_WORDS[1]}
	if [[ ($command = journal || $command = load) && $current != -* && ${COMP_WORDS[COMP_CWORD - 1]} != --way ||
		${COMP_WORDS[COMP_CWORD - 1]} =~ ^--(svg|timeline)$ ]]; then
		compopt -o filenames 2>/dev/null || true
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
	fi
	if [[ $command = run && $current != -* ]]; then
		compopt -o filenames 2>/dev/null || true
		mapfile -t COMPREPLY < <(compgen -f -X '!*.gmem' -- "$current"; compgen -d -- "$current")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$(_gmemctl_words "$command" "${COMP_WORDS[COMP_CWORD - 1]}" "$current")" -- "$current")
}

complete -F _gmemctl gmemctl
