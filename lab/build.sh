# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# lab/lab build: from source, series and configuration to a bootable kernel in the cache.
#
#   source/ID/     unpacked Linux, never changed        work/ID/       the same with the series applied
#   object/NAME/   make's output, kept between builds   kernel/KEY/    finished kernels, whole or absent
#   initrd/KEY     the guest's first process

readonly KEEP_KERNELS=12
readonly WHOLE_KERNEL=1850

help_build() {
	cat <<'HELP'
Usage: lab/lab build [--flavour release|debug] [--unpatched]

Fetches Linux, applies kernel-patches/, configures and compiles. The result stays in the cache; with nothing
changed a second build only looks. Prints the path of the kernel image.

  --flavour release   a small configuration (the default)
  --flavour debug     adds KASAN, lockdep, DEBUG_VM, kmemleak, UBSAN, fault injection and KCOV
  --unpatched         without the series, to compare

Environment:
  LINUX_SRC           another Linux 7.3 tree or tarball than Debian's linux-source-7.3
  GMEM_LAB_CACHE      where everything is kept (default: ~/.cache/libgmem; about 4 GB)
  GMEM_LAB_SERIES     another series than kernel-patches/
Exit status: 0; 1 if a patch does not apply or the kernel does not compile; 2 wrong use; 77 if source or tools
cannot be had.
HELP
}

command_build() {
	local flavour=release unpatched=
	while [ $# -gt 0 ]; do
		case $1 in
		--flavour) flavour=${2-} && shift ;;
		--flavour=*) flavour=${1#*=} ;;
		--unpatched) unpatched=1 ;;
		*) wrong_use "build: unknown argument '$1'" ;;
		esac
		shift || wrong_use "build: --flavour needs a value"
	done
	check_flavour "$flavour"
	need_kernel "$flavour" "$unpatched"
	printf '%s\n' "$KERNEL"
}

check_flavour() {
	case $1 in
	release | debug) ;;
	*) wrong_use "--flavour is release or debug, not '$1'" ;;
	esac
}

# need_kernel FLAVOUR UNPATCHED: sets KERNEL, the path of the image, building it if it is not there.
need_kernel() {
	local flavour=$1 unpatched=$2 key
	list_series
	[ -z "$unpatched" ] || PATCHES=()
	identify_source
	if [ -n "$SOURCE_ID" ]; then
		key=$(kernel_key "$flavour")
		KERNEL=$CACHE/kernel/$key/bzImage
		if [ -f "$KERNEL" ]; then
			touch "$CACHE/kernel/$key" 2>/dev/null || true
			return
		fi
	fi
	need_commands "build the kernel" make "${CC:-gcc}" git flex bison bc perl lz4 cpio flock
	need_header gelf.h
	lock_cache
	need_source
	key=$(kernel_key "$flavour")
	KERNEL=$CACHE/kernel/$key/bzImage
	[ -f "$KERNEL" ] || build_kernel "$flavour" "$key"
	unlock_cache
}

need_header() {
	printf '#include <%s>\n' "$1" | "${CC:-gcc}" -E -o /dev/null - 2>/dev/null ||
		die "$UNAVAILABLE" "missing to build the kernel: <$1>" "On Debian: sudo apt-get install $(lab_packages)"
}

# A hash of everything that goes into a kernel.
kernel_key() {
	{
		printf '%s\n' "$SOURCE_ID" "$1" "${#PATCHES[@]}"
		"${CC:-gcc}" --version 2>/dev/null | head -n 1
		wanted_config "$1"
		cat "$LAB/config/optional.config" "$LAB/build.sh" "${PATCHES[@]}"
	} | hash
}

# build_kernel FLAVOUR KEY: with SOURCE and PATCHES set and the cache locked.
build_kernel() {
	local flavour=$1 key=$2 name new object
	name=$flavour
	[ ${#PATCHES[@]} -gt 0 ] || name=$flavour-unpatched
	object=$CACHE/object/$name
	if [ ${#PATCHES[@]} -gt 0 ]; then
		need_work_tree "${PATCHES[@]}"
	else
		WORK=$SOURCE
	fi
	open_object_dir "$object"
	configure "$flavour" "$object"
	compile "$name" "$object" bzImage
	new_temporary new "$CACHE/kernel"
	cp "$object/arch/x86/boot/bzImage" "$object/System.map" "$new/" &&
		cp "$object/.config" "$new/config" && cp "$object/lab.log" "$new/log" &&
		printf '%s\n' "$name $SOURCE_ID, ${#PATCHES[@]} patches" >"$new/description" ||
		die "$FAILED" "cannot store the kernel" "$(free_space "$CACHE")"
	rm -rf "$CACHE/kernel/$key" # left over without an image
	mv -T "$new" "$CACHE/kernel/$key"
	forget_old_kernels
}

# make trusts times; a directory made from another source must not be trusted.
open_object_dir() {
	local object=$1
	if [ "$(cat "$object/lab.source" 2>/dev/null)" != "$WORK" ]; then
		rm -rf "$object"
		mkdir -p "$object" || die "$UNAVAILABLE" "cannot make $object" "$(free_space "$CACHE")"
		printf '%s\n' "$WORK" >"$object/lab.source"
	fi
}

kernel_make() {
	local object=$1
	shift
	# Fixed names and dates: equal input gives an equal kernel.
	make -C "$WORK" O="$object" CC="${CC:-gcc}" LOCALVERSION="${LOCALVERSION:-}" KBUILD_BUILD_USER=libgmem \
		KBUILD_BUILD_HOST=lab KBUILD_BUILD_VERSION=1 KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC' "$@"
}

wanted_config() {
	cat "$LAB/config/release.config"
	[ "$1" != debug ] || cat "$LAB/config/debug.config"
}

# The configuration: nothing, plus release.config, plus debug.config, plus what of optional.config the tree has.
configure() {
	local flavour=$1 object=$2 want=$2/lab.config symbol line wrong=()
	wanted_config "$flavour" >"$want"
	while read -r symbol; do
		if grep -rqx --include='Kconfig*' "config $symbol" "$WORK/virt" "$WORK/arch/x86" "$WORK/kernel/liveupdate"; then
			printf 'CONFIG_%s=y\n' "$symbol" >>"$want"
		fi
	done < <(sed -n 's/^CONFIG_\([A-Z0-9_]*\)=y/\1/p' "$LAB/config/optional.config")
	run_child kernel_make "$object" -s KCONFIG_ALLCONFIG="$want" allnoconfig >"$object/lab.log" 2>&1 ||
		die "$FAILED" "the kernel cannot be configured:" "$(tail -n 5 "$object/lab.log")"
	# The last line about a symbol counts.
	while read -r line; do
		case $line in
		*' is not set') line=${line#\# } && ! grep -q "^${line%% *}=" "$object/.config" ;;
		*) grep -qxF "$line" "$object/.config" ;;
		esac || wrong+=("$line")
	done < <(tac "$want" | awk '/^CONFIG_/ { split($0, a, "="); s = a[1] } /^# CONFIG_/ { s = $2 }
		s && !seen[s]++ { print } { s = "" }')
	[ ${#wrong[@]} -eq 0 ] ||
		die "$FAILED" "lab/config asks for what this kernel's configuration does not give:" "${wrong[@]}"
}

# compile NAME OBJECT TARGET...: with progress; on failure the end of the log and where it is.
compile() {
	local name=$1 object=$2 watcher status=0
	shift 2
	say "compiling the $name kernel"
	show_progress "$object" &
	watcher=$!
	CHILDREN+=("$watcher")
	LOCALVERSION=-gmem-$name run_child kernel_make "$object" -j"$(nproc)" "$@" >"$object/lab.log" 2>&1 || status=$?
	kill "$watcher" 2>/dev/null || true
	wait "$watcher" 2>/dev/null || true
	forget_child "$watcher"
	[ ! -t 2 ] || printf '\r\033[K' >&2
	[ $status -eq 0 ] ||
		die "$FAILED" "the kernel does not compile:" "$(log_tail "$object/lab.log")" \
			"The whole log: $object/lab.log" "$(free_space "$CACHE")"
}

# The first errors say more than the last lines of a parallel make.
log_tail() {
	grep -nE -A 6 'error:|Error |undefined reference|No space left' "$1" | head -n 30
	printf '...\n'
	tail -n 10 "$1"
}

# One line that updates on a terminal, else a line every half minute.
show_progress() {
	local object=$1 files idle start=$SECONDS
	exec {idle}<> <(:) # nothing ever comes: a sleep without a process
	while :; do
		read -rt "$([ -t 2 ] && echo 1 || echo 30)" -u "$idle" || true
		files=$(grep -cE '^  (CC|AS|LD|AR|HOSTCC) ' "$object/lab.log" || true)
		if [ -t 2 ]; then
			printf '\rlab: %d files (a whole kernel has about %d), %d s\033[K' \
				"$files" $WHOLE_KERNEL $((SECONDS - start)) >&2
		else
			say "$files files (a whole kernel has about $WHOLE_KERNEL), $((SECONDS - start)) s"
		fi
	done
}

forget_old_kernels() {
	local old
	find "$CACHE/kernel" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn |
		tail -n +$((KEEP_KERNELS + 1)) | while read -r _ old; do
		rm -rf "$old"
	done
}

# Sets INITRD: the guest's first process in an archive, small because a kexec has to carry it.
need_initrd() {
	local new
	INITRD=$CACHE/initrd/$({ "${CC:-gcc}" --version 2>/dev/null | head -n 1; cat "$LAB/init.c"; } | hash)
	[ ! -f "$INITRD" ] || return 0
	need_commands "build the guest's first process" "${CC:-gcc}" cpio
	new_temporary new "$CACHE/initrd"
	"${CC:-gcc}" -std=gnu11 -Os -Wall -Wextra -static -s -o "$new/init" "$LAB/init.c" >&2 &&
		(cd "$new" && printf 'init\n' | cpio --quiet -o -H newc -R 0:0 >archive) &&
		mv "$new/archive" "$INITRD" ||
		die "$BROKEN" "cannot build lab/init.c" "On Debian: sudo apt-get install libc6-dev cpio" "$(free_space "$CACHE")"
}
