/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "minivmm.h"

#include <getopt.h>
#include <time.h>

static const char usage[] =
	"[--vcpus N] [--rounds N] [--stress SECONDS] [--journal FILE] [--live-update]\n"
	"Runs a small guest, whose memory is private to it but for what it shares with a disk. Exit\n"
	"status: 0 all checksums hold, 1 something failed, 2 wrong use, 77 this machine cannot.\n"
	"  --vcpus N         so many vCPUs, 1 to 8 (4)\n"
	"  --rounds N        how often each uses the disk, before and after a reset (20)\n"
	"  --stress SECONDS  instead, vCPUs and the host convert ranges that overlap\n"
	"  --journal FILE    a new file for the journal: gmemctl journal FILE prints it\n"
	"  --live-update     with GMEM_STAGE=0 in the environment: run for a while, and leave a process\n"
	"                    that holds the guest until the kexec; else: go on with that guest\n";

struct vm vm = { .fd = -1,
		 .convert.size = sizeof(vm.convert),
		 .wish = { .vcpus = 4, .rounds = 20 } };
_Thread_local struct gmem_error *report;

void check(int code)
{
	if (code < 0)
		exit(explain(report));
}

/* The host converts, too. */
static void stress(void)
{
	const char *given = getenv("GMEM_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	uint64_t conversions = 0, first, pages;
	time_t end = time(NULL) + (time_t)vm.wish.stress;
	enum gmem_state state;
	int r;

	printf("GMEM_SEED=%u\n", seed);
	while (time(NULL) < end) {
		first = (uint64_t)rand_r(&seed) % GUEST_ARENA_PAGES;
		pages = (uint64_t)rand_r(&seed) % (GUEST_ARENA_PAGES - first) + 1;
		state = rand_r(&seed) % 2 ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE;
		r = gmem_space_convert(vm.space, GUEST_ARENA + first * GUEST_PAGE,
				       pages * GUEST_PAGE, state, &vm.convert, report);
		check(r == -EAGAIN ? 0 : r);
		conversions += r == 0;
	}
	vm.control->stop = 1;
	printf("host: %" PRIu64 " conversions\n", conversions);
}

/* Returns whether it is a live update. */
static bool parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "vcpus", required_argument, NULL, 'v' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "stress", required_argument, NULL, 's' },
		{ "journal", required_argument, NULL, 'j' },
		{ "live-update", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool live_update = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'v')
			vm.wish.vcpus = strtoul(optarg, NULL, 10);
		else if (option == 'r')
			vm.wish.rounds = strtoul(optarg, NULL, 10);
		else if (option == 's')
			vm.wish.stress = strtoul(optarg, NULL, 10);
		else if (option == 'j')
			vm.journal = optarg;
		else if (option == 'l')
			live_update = true;
		else
			errx(option == 'h' ? EXIT_SUCCESS : 2, "%s", usage);
	}
	if (optind < argc || vm.wish.vcpus < 1 || vm.wish.vcpus > GUEST_VCPUS || !vm.wish.rounds)
		errx(2, "%s", usage);
	vm.wish.resets = !vm.wish.stress && !live_update;
	return live_update;
}

int main(int argc, char **argv)
{
	const char *stage = getenv("GMEM_STAGE");
	bool live_update = parse(argc, argv);
	uint64_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	check(gmem_error_new(&report));
	if (live_update && (!stage || !strcmp(stage, "0")))
		return live_update_save();
	if (live_update) {
		live_update_restore();
	} else {
		vm_open();
		vm_power_on();
	}
	printf("mode %s, contents %s, %" PRIu64 " vCPUs\n",
	       gmem_mode_name(gmem_space_get_mode(vm.space)),
	       vm.wish.keeps_contents ? "kept" : "not kept", vm.wish.vcpus);
	do {
		if (vm.reset)
			vm_reset();
		vcpus_start();
		if (vm.wish.stress)
			stress();
		vcpus_wait();
		for (i = 0; i < vm.wish.vcpus; i++)
			printf("vCPU %" PRIu64 ": %" PRIu64 " rounds, %" PRIu64
			       " conversions, %" PRIu64 " refused\n",
			       i, vm.control->vcpu[i].rounds, vm.control->vcpu[i].conversions,
			       vm.control->vcpu[i].refused);
	} while (vm.reset);
	printf("the disk could not let go at once %lu times\n", vm.not_at_once);
	printf("all checksums hold\n");
	return EXIT_SUCCESS;
}
