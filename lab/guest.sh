# shellcheck shell=bash
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# lab/lab run, live-update and shell: QEMU around one command.
#
# The command's output leaves the guest through virtio ports into named pipes, and from there to
# where the lab's own output goes; the kernel's messages go to a file. lab/init.c is the other side.

# On a busy host an emulated CPU may not run for so long that measuring clocks against each other fails: the kernel would
# find no timer and panic, or wait for ever. So it gets its loops per jiffy, and does not try the timer.
# Nor are the CPUs' clocks watched: a CPU that waits for another one in that check waits for ever if time has still to be
# counted by ticks, and the other one for it. All of them read the host's clock anyway.
readonly CLOCKS="no_timer_check lpj=25000000 tsc=reliable"
# An RCU grace period waits for a tick before it looks around, and ticks are rare here: what closes a VM waits for several.
readonly GRACE="rcutree.jiffies_till_first_fqs=0"
readonly DEFAULT_CMDLINE="console=ttyS0 loglevel=5 panic=-1 oops=panic $CLOCKS $GRACE kho=on liveupdate=on kvm.gmem_in_place_conversion=1"

help_options() {
	cat <<'HELP'
Options:
  --flavour release|debug  which kernel (default: release); it is built first if need be
  --unpatched              that kernel without the series
  --kernel BZIMAGE         any other kernel image; it needs 9p, overlayfs and virtio ports built in
  --cpus N                 virtual CPUs for the command (default: 2)
  --memory SIZE            such as 512M or 4G (default: 2G)
  --numa NODES             spread CPUs and memory over so many NUMA nodes
  --timeout S              seconds, 0 for none (default: 600)
  --deterministic          one CPU whose clock counts instructions: figures repeat from run to run
  --cmdline TEXT           more kernel parameters, after the lab's own
  --no-leak-scan           debug: without kmemleak, which takes ten seconds at the end
  --expect-report REGEX    a kernel report whose first line matches does not count
HELP
}

help_status() {
	cat <<'HELP'
The command sees this machine's whole file system; what it writes stays in memory and is gone afterwards, but for
the directory named in GMEM_DIR, which it shares with the host (a temporary one if GMEM_DIR is not set). The
environment is the caller's, standard input is empty.

Exit status: the command's own, 128+N if signal N killed it, 126 or 127 if it cannot be started; 124 on timeout;
70 if the kernel printed a warning, oops, KASAN, lockdep, UBSAN or leak report, which is shown; 77 if QEMU or the kernel
cannot be had; 2 wrong use; 125 if the guest or the build broke.
HELP
}

help_run() {
	cat <<'HELP'
Usage: lab/lab run [OPTION...] -- CMD [ARG...]

Boots the lab's kernel in QEMU's software emulation and runs CMD in it as root, in the same directory.

HELP
	help_options
	printf '\n'
	help_status
}

help_live-update() {
	cat <<'HELP'
Usage: lab/lab live-update [OPTION...] [--cycles N] -- CMD [ARG...]

Runs CMD with GMEM_STAGE=0, starts the next kernel with kexec, runs CMD with GMEM_STAGE=1 and so on: N kexecs,
N+1 stages (default: --cycles 1), with GMEM_CYCLES=N in each. A process that CMD leaves in the background lives until
the kexec. A stage that fails ends it. The next kernel is loaded before CMD starts, so CMD may call reboot(KEXEC) itself
to see it refused.

HELP
	help_options
	printf '\n'
	help_status
}

help_shell() {
	cat <<'HELP'
Usage: lab/lab shell [OPTION...]

An interactive shell as root in the lab's guest. Leave it with exit.

HELP
	help_options
	printf '\n'
	help_status
}

command_run() {
	default_options
	parse_options "$@"
	[ ${#ARGV[@]} -gt 0 ] || wrong_use "$COMMAND: no command; put it after --"
	run_guest
}

command_live-update() {
	default_options
	CYCLES=1
	parse_options "$@"
	[ ${#ARGV[@]} -gt 0 ] || wrong_use "$COMMAND: no command; put it after --"
	run_guest
}

command_shell() {
	default_options
	TIMEOUT=0
	parse_options "$@"
	[ ${#ARGV[@]} -eq 0 ] || wrong_use "shell: takes no command; use lab/lab run"
	[ -t 0 ] && [ -t 1 ] || wrong_use "shell: needs a terminal; use lab/lab run for a command"
	ARGV=("${SHELL:-/bin/sh}")
	ON_TERMINAL=$(stty size | tr ' ' x)
	TERMINAL=$(stty -g)
	run_guest
}

default_options() {
	FLAVOUR=release UNPATCHED='' KERNEL='' CPUS='' MEMORY=2G NUMA=0 TIMEOUT=600 CYCLES=0
	DETERMINISTIC='' CMDLINE='' LEAK_SCAN=1 EXPECTED='' ON_TERMINAL='' ARGV=()
}

parse_options() {
	local name value
	while [ $# -gt 0 ]; do
		name=$1
		shift
		case $name in
		--) ARGV=("$@") && break ;;
		--unpatched) UNPATCHED=1 && continue ;;
		--deterministic) DETERMINISTIC=1 && continue ;;
		--no-leak-scan) LEAK_SCAN=0 && continue ;;
		--*=*) value=${name#*=} name=${name%%=*} ;;
		--flavour | --kernel | --cpus | --memory | --numa | --timeout | --cmdline | --cycles | --expect-report)
			[ $# -gt 0 ] || wrong_use "$COMMAND: $name needs a value"
			value=$1
			shift
			;;
		*) wrong_use "$COMMAND: unknown argument '$name'; put the command after --" ;;
		esac
		set_option "$name" "$value"
	done
	CPUS=${CPUS:-$([ "$DETERMINISTIC" ] && echo 1 || echo 2)}
	[ -z "$DETERMINISTIC" ] || [ "$CPUS" -eq 1 ] || wrong_use "$COMMAND: --deterministic has one CPU"
	# QEMU lets other CPUs write to the flags of the first one without a lock: no nested guest may run there. See README.md.
	FIRST_CPU=$((CPUS > 1))
	[ "$NUMA" -le 8 ] || wrong_use "$COMMAND: --numa is at most 8"
}

set_option() {
	case $1 in
	--flavour) check_flavour "$2" && FLAVOUR=$2 ;;
	--kernel)
		[ -r "$2" ] || wrong_use "$COMMAND: --kernel $2: no such file, or not readable"
		KERNEL=$2
		;;
	--cpus) whole_number "$@" && CPUS=$2 && [ "$2" -ge 1 ] && [ "$2" -le 31 ] ||
		wrong_use "$COMMAND: --cpus is 1 to 31, not '$2'" ;;
	--memory)
		[[ $2 =~ ^[1-9][0-9]{0,6}[MG]$ ]] && [ $(($(megabytes "$2") >= 256)) = 1 ] ||
			wrong_use "$COMMAND: --memory is a size such as 512M or 4G, 256M at least, not '$2'"
		MEMORY=$2
		;;
	--numa) whole_number "$@" && NUMA=$2 ;;
	--timeout) whole_number "$@" && TIMEOUT=$2 ;;
	--cmdline) CMDLINE="$CMDLINE $2" ;;
	--cycles)
		[ "$COMMAND" = live-update ] || wrong_use "$COMMAND: --cycles is for live-update"
		whole_number "$@" && CYCLES=$2
		[ "$CYCLES" -ge 1 ] || wrong_use "$COMMAND: --cycles is 1 at least"
		;;
	--expect-report) EXPECTED=$2 ;;
	*) wrong_use "$COMMAND: unknown option '$1'" ;;
	esac
}

whole_number() {
	[[ $2 =~ ^(0|[1-9][0-9]{0,6})$ ]] || wrong_use "$COMMAND: $1 is a whole number, not '$2'"
}

megabytes() {
	case $1 in
	*G) echo $((${1%G} * 1024)) ;;
	*M) echo "${1%M}" ;;
	esac
}

run_guest() {
	command -v "$QEMU" >/dev/null ||
		die "$UNAVAILABLE" "missing to run the guest: $QEMU" "On Debian: sudo apt-get install qemu-system-x86"
	FAILED=$BROKEN
	if [ -z "$KERNEL" ]; then
		need_kernel "$FLAVOUR" "$UNPATCHED" >&2
	fi
	need_initrd
	new_temporary RUN
	write_job
	machine_options
	start_guest
	wait_for_guest
	judge
}

# What the guest's first process reads; see lab/init.c.
write_job() {
	export GMEM_DIR=${GMEM_DIR:-$RUN/gmem}
	mkdir -p "$GMEM_DIR" 2>/dev/null || wrong_use "$COMMAND: cannot make GMEM_DIR=$GMEM_DIR"
	GMEM_DIR=$(cd "$GMEM_DIR" && pwd)
	mkdir "$RUN/job"
	pwd | tr -d '\n' >"$RUN/job/cwd"
	printf '%s\0' "${ARGV[@]}" >"$RUN/job/argv"
	env -0 -u OLDPWD -u SHLVL -u _ >"$RUN/job/env"
	ln -s "$(realpath "$KERNEL")" "$RUN/job/kernel"
	ln -s "$(realpath "$INITRD")" "$RUN/job/initrd"
	: >"$RUN/console"
	: >"$RUN/status"
}

# Commas separate QEMU's options, so one in a path is written twice.
quoted() {
	printf '%s' "${1//,/,,}"
}

# Sets MACHINE, the options of QEMU.
machine_options() {
	# Four levels of page tables: while Linux identifies the boot CPU it forgets for a moment that there are
	# five, and KASAN takes what a timer interrupt accesses then for wild.
	local cpu=max,-la57 accel=tcg,thread=multi
	MACHINE=(-nodefaults -no-user-config -no-reboot -display none -machine q35)
	if [ "$DETERMINISTIC" ]; then
		# A string instruction would count once per byte where it is "fast".
		cpu=max,-erms,-fsrm accel=tcg,thread=single
		MACHINE+=(-icount "shift=0,sleep=off" -seed 1 -rtc "base=2026-01-01,clock=vm")
	fi
	MACHINE+=(-accel "$accel" -cpu "$cpu" -smp $((FIRST_CPU + CPUS)) -m "$MEMORY")
	[ "$NUMA" -eq 0 ] || numa_options
	MACHINE+=(-kernel "$KERNEL" -initrd "$INITRD" -append "$(kernel_cmdline)")
	MACHINE+=(-chardev "file,id=console,path=$(quoted "$RUN/console")" -serial chardev:console)
	MACHINE+=(-device virtio-serial-pci)
	add_port status "$RUN/status"
	add_share host / readonly=on,multidevs=remap
	add_share job "$RUN/job" readonly=on,multidevs=remap
	add_share gmem "$GMEM_DIR" multidevs=remap
	if [ "$ON_TERMINAL" ]; then
		MACHINE+=(-chardev "stdio,id=terminal,signal=off" -device "virtconsole,chardev=terminal")
		return
	fi
	add_port stdout "$RUN/stdout"
	# Into one file: one port, so that the order of the lines stays.
	[ /dev/stdout -ef /dev/stderr ] || add_port stderr "$RUN/stderr"
}

add_port() {
	MACHINE+=(-chardev "file,id=$1,path=$(quoted "$2")" -device "virtserialport,chardev=$1,name=lab.$1")
}

add_share() {
	MACHINE+=(-fsdev "local,id=$1,path=$(quoted "$2"),security_model=none,$3")
	MACHINE+=(-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

kernel_cmdline() {
	printf '%s' "$DEFAULT_CMDLINE"
	# Ten seconds of counted instructions to find out that it cannot be calibrated; then it is not used either.
	[ -z "$DETERMINISTIC" ] || printf ' nolapic_timer'
	# What the next kernel needs before it knows what was handed over to it: KASAN's shadow is an eighth. Left to itself, the
	# kernel reserves most of the memory there is, or finds no room and does without live update.
	[ "$FLAVOUR" != debug ] ||
		printf ' kho_scratch=64M,128M,%dM' $(($(megabytes "$MEMORY") / (NUMA ? NUMA : 1) / 5))
	printf '%s' " LAB_STAGE=0 LAB_CYCLES=$CYCLES LAB_LEAKS=$LEAK_SCAN LAB_TTY=${ON_TERMINAL:-0} LAB_FIRST_CPU=$FIRST_CPU"
	if [ "$LEAK_SCAN" = 0 ]; then
		# Bookkeeping for a scan that will not be takes a third of the time.
		printf ' kmemleak=off'
	elif [ "$FLAVOUR" = debug ]; then
		# What leaked before a kexec is gone with that kernel: only the last one is scanned, and lab/init.c
		# gives that one its kmemleak back.
		[ "$CYCLES" -eq 0 ] || printf ' kmemleak=off'
		# The slab allocator's per-CPU sheaves keep addresses of what was allocated from them, in which
		# kmemleak sees references. A cache with consistency checks has none.
		printf ' slab_debug=F'
	fi
	printf '%s' "$CMDLINE"
}

numa_options() {
	local node cpu megabytes share
	megabytes=$(megabytes "$MEMORY")
	share=$((megabytes / NUMA))
	for ((node = 0; node < NUMA; node++)); do
		[ $node -lt $((NUMA - 1)) ] || share=$((megabytes - share * node))
		MACHINE+=(-object "memory-backend-ram,id=node$node,size=${share}M" -numa "node,nodeid=$node,memdev=node$node")
	done
	[ "$FIRST_CPU" = 0 ] || MACHINE+=(-numa "cpu,node-id=0,socket-id=0")
	for ((cpu = 0; cpu < CPUS; cpu++)); do
		MACHINE+=(-numa "cpu,node-id=$((cpu * NUMA / CPUS)),socket-id=$((FIRST_CPU + cpu))")
	done
	MACHINE+=(-smp "$((FIRST_CPU + CPUS)),sockets=$((FIRST_CPU + CPUS))")
}

start_guest() {
	RELAYS=()
	if [ "$ON_TERMINAL" ]; then
		start_qemu
		return
	fi
	mkfifo "$RUN/stdout" "$RUN/stderr"
	cat "$RUN/stdout" &
	RELAYS+=($!)
	if [ ! /dev/stdout -ef /dev/stderr ]; then
		cat "$RUN/stderr" >&2 &
		RELAYS+=($!)
	fi
	CHILDREN+=("${RELAYS[@]}")
	start_qemu </dev/null
}

# setpriv, here and for the clock below: not even a killed lab leaves anything running.
start_qemu() {
	# <&0: what runs in the background has no input unless one is named.
	setpriv --pdeathsig KILL "$QEMU" "${MACHINE[@]}" <&0 2>"$RUN/qemu" &
	GUEST=$!
	CHILDREN+=("$GUEST")
}

# Waits until QEMU ends, time is up or nobody reads the output any more. Sets ENDED, why it ended.
wait_for_guest() {
	local clock='' who status
	ENDED=
	if [ "$TIMEOUT" -gt 0 ]; then
		setpriv --pdeathsig KILL sleep "$TIMEOUT" &
		clock=$!
		CHILDREN+=("$clock")
	fi
	while kill -0 "$GUEST" 2>/dev/null; do
		status=0
		wait -n -p who "$GUEST" "${RELAYS[@]}" ${clock:+"$clock"} || status=$?
		if [ "$who" = "$GUEST" ]; then
			break
		elif [ "$who" = "$clock" ]; then
			ENDED=timeout
			break
		elif [ $status -ne 0 ]; then
			ENDED=output
			OUTPUT_STATUS=$status
			break
		fi
		forget_relay "$who"
	done
	kill "$GUEST" ${clock:+"$clock"} 2>/dev/null || true
	wait "$GUEST" 2>/dev/null || true
	# All the output that there is, before anything is said about it.
	[ "$ENDED" = output ] || [ -s "$RUN/status" ] || kill "${RELAYS[@]}" 2>/dev/null || true
	wait "${RELAYS[@]}" 2>/dev/null || true
	CHILDREN=()
}

forget_relay() {
	local pid keep=()
	for pid in "${RELAYS[@]}"; do
		[ "$pid" = "$1" ] || keep+=("$pid")
	done
	RELAYS=("${keep[@]}")
}

# how_far STATUS_FILE LAST-STAGE: what was under way when time was up.
how_far() {
	local up
	up=$(sed -n 's/^up //p' "$1" | tail -n 1)
	if [ "$up" = "$2" ]; then
		echo "the kernel ${2:+after stage $2 }did not come up"
	else
		echo "the command did not end${2:+, in the stage after $2}"
	fi
}

# From what the guest said to the exit status.
judge() {
	local stage status='' last='' words
	while read -r words; do
		read -r stage status <<<"$words"
		last=$stage
	done < <(sed -n 's/^exit //p' "$RUN/status")
	if [ "$ENDED" = output ]; then
		exit "$OUTPUT_STATUS"
	fi
	if show_reports "$RUN/console" "$EXPECTED" >&2; then
		say "the kernel printed a report (above)${status:+; the command itself ended with $status}"
		exit "$REPORT"
	elif [ -z "$EXPECTED" ] && tainted "$RUN/status"; then
		tail -n 50 "$RUN/console" >&2
		say "the kernel is tainted by a report that did not reach the console (its end is above)"
		exit "$REPORT"
	elif [ "$ENDED" = timeout ]; then
		# Whoever hung: the kernel may have said something, and must have if it never came up.
		tail -n 20 "$RUN/console" >&2
		die "$TIMED_OUT" "no end after $TIMEOUT s: $(how_far "$RUN/status" "$last") (above: the kernel's last messages)" \
			"A longer one: --timeout S"
	elif [ -z "$status" ] || { [ "$status" -eq 0 ] && [ "$last" -lt "$CYCLES" ]; }; then
		cat "$RUN/qemu" >&2
		tail -n 20 "$RUN/console" >&2
		die "$BROKEN" "the guest ended before the command did$(sed -n 's/^error /: /p' "$RUN/status")"
	fi
	exit "$status"
}
