# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# lab/lab tree and export: the series as commits to develop in, and back.
#
# A commit names its topic in a line "Topic: 01-conversion" of its message, which lives through rebase and
# amend; tree adds the line, export takes it out. A commit without one belongs to the topic before it.

help_tree() {
	cat <<'HELP'
Usage: lab/lab tree DIR

Makes DIR a git repository of Linux (tagged base) with every patch of kernel-patches/ as a commit on top. Change the
commits with git, then write them back with lab/lab export DIR. The last line of each message names the topic folder
the commit is exported to; a commit without one goes where the commit before it goes.
HELP
}

help_export() {
	cat <<'HELP'
Usage: lab/lab export DIR

Writes the commits base..HEAD of DIR (made by lab/lab tree) to kernel-patches/NN-topic/, in place of the patches
there. Equal commits give equal files. Cover letters are left alone.
HELP
}

command_tree() {
	local dir patch
	[ $# -eq 1 ] || wrong_use "tree: one directory is needed"
	dir=$1
	[ ! -e "$dir" ] || wrong_use "tree: $dir exists already; name a new directory"
	need_commands "make the tree" git tar perl flock
	list_series
	need_source_unlocked
	say "making $dir from $SOURCE_ID"
	mkdir -p "$dir" || die "$FAILED" "cannot make $dir"
	copy_tree "$SOURCE" "$dir"
	lab_git "$dir" init -q -b series
	# git would pack what nobody changes any more, in the background, after somebody's commit or rebase there.
	lab_git "$dir" config gc.auto 0
	lab_git "$dir" add -fA
	lab_git "$dir" commit -q -m "Linux $SOURCE_ID"
	lab_git "$dir" tag base
	new_temporary MAIL
	for patch in "${PATCHES[@]}"; do
		with_topic "$patch" >"$MAIL/patch"
		lab_git "$dir" am -q --keep-cr --keep-non-patch --whitespace=nowarn --committer-date-is-author-date \
			"$MAIL/patch" >"$MAIL/log" 2>&1 ||
			die "$FAILED" "${patch#"$TOP"/} does not apply to Linux $SOURCE_ID:" \
				"$(grep -m 3 '^error:' "$MAIL/log")" "$dir is left at the patch before it: put the patch right there" \
				"(git am --show-current-patch=diff; git am --continue), then the rest, then lab/lab export $dir."
	done
	say "$dir has the base and ${#PATCHES[@]} commits"
}

command_export() {
	local dir commit number topic last='' new
	[ $# -eq 1 ] || wrong_use "export: one directory is needed"
	dir=$1
	git -C "$dir" rev-parse -q --verify 'base^{commit}' >/dev/null 2>&1 ||
		wrong_use "export: $dir is no tree made by lab/lab tree (it has no tag base)"
	check_exportable "$dir"
	new_temporary new
	declare -A number=()
	for commit in $(git -C "$dir" rev-list --reverse base..HEAD); do
		topic=$(topic_of "$dir" "$commit" "$last") || exit
		[[ ! $topic < $last ]] ||
			die "$FAILED" "commit $(describe "$dir" "$commit") is of topic $topic but follows one of $last" \
				"Topics apply in the order of their names: move the commit with git rebase -i base."
		last=$topic
		mkdir -p "$new/$topic"
		number[$topic]=$((${number[$topic]-0} + 1))
		write_patch "$dir" "$commit" "${number[$topic]}" "$new/$topic"
	done
	replace_series "$new"
	for topic in $(printf '%s\n' "${!number[@]}" | sort); do
		say "${number[$topic]} patches in ${SERIES#"$TOP"/}/$topic"
	done
}

check_exportable() {
	[ -z "$(git -C "$1" status --porcelain --untracked-files=no)" ] ||
		die "$FAILED" "$1 has changes that are not committed" "Commit them, or put them aside with git stash."
	[ "$(git -C "$1" rev-list --count base..HEAD)" -gt 0 ] ||
		die "$FAILED" "$1 has no commit after base; nothing to export"
	[ -z "$(git -C "$1" rev-list --merges base..HEAD)" ] ||
		die "$FAILED" "$1 has a merge after base" "Make it a line of commits: git rebase base"
}

describe() {
	git -C "$1" log -1 --format='%h ("%s")' "$2"
}

# topic_of DIR COMMIT LAST
topic_of() {
	local topic
	topic=$(git -C "$1" log -1 --format=%B "$2" | sed -n 's/^Topic: *//p' | tail -n 1)
	topic=${topic:-$3}
	if [ -z "$topic" ]; then
		topic=$(cd "$SERIES" && compgen -G '[0-9][0-9]-*' | head -n 1)
	fi
	[[ $topic =~ ^[0-9][0-9]-[a-z0-9-]+$ ]] ||
		die "$FAILED" "commit $(describe "$1" "$2") has the topic '$topic'" \
			"A topic is two digits, a dash and a name: add a line like 'Topic: 01-conversion' to its message."
	printf '%s\n' "$topic"
}

# The patch as a mail whose message ends with the topic.
with_topic() {
	awk -v topic="$(basename "$(dirname "$1")")" \
		'!done && $0 == "---" { print "\nTopic: " topic; done = 1 } { print }' "$1"
}

# write_patch DIR COMMIT NUMBER TO: nothing in the file depends on who writes it, when or where.
write_patch() {
	local name
	name=$(lab_git "$1" format-patch -1 "$2" --start-number="$3" --zero-commit --no-signature -N --no-renames \
		--abbrev=12 --subject-prefix=PATCH --no-attach --no-base --no-thread --diff-algorithm=myers -U3 -o "$4")
	awk '!done && /^Topic: / { blank = ""; next }
		!done && $0 == "" { printf "%s", blank; blank = "\n"; next }
		$0 == "---" { done = 1 }
		{ printf "%s", blank; blank = ""; print }
		END { printf "%s", blank }' "$name" >"$name.new"
	mv "$name.new" "$name"
}

replace_series() {
	local topic
	rm -f "$SERIES"/[0-9][0-9]-*/[0-9]*.patch
	for topic in "$1"/*; do
		mkdir -p "$SERIES/${topic##*/}"
		cp "$topic"/*.patch "$SERIES/${topic##*/}/" ||
			die "$FAILED" "cannot write to $SERIES" "$(free_space "$SERIES")"
	done
}

# git with no configuration but the repository's own, so that the result is the same for everybody.
lab_git() {
	local dir=$1
	shift
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' \
		GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' git -C "$dir" -c user.name='The libgmem authors' \
		-c user.email=libgmem@libgmem.invalid -c gc.auto=0 -c core.autocrlf=false "$@"
}
