/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The same memory through as many live updates as the lab is told to make: random bytes, states
 * that change each time, all of it verified each time, and no page leaked on the way.
 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "free-memory.h"
#include "plan.h"
#include "stage.h"

/*
 * What one boot may differ from another by: what is freed late, and where allocations land. The
 * debug flavour keeps freed memory for a while, and never comes to rest.
 */
#define NOISE	    (2 * MIB)
#define NOISE_DEBUG (32 * MIB)
#define SAMPLES	    100

enum {
	VM_TOKEN,
	GMEM_TOKEN
};

static uint64_t size = 256 * MIB;

/* What was free in the stage before with the memory and its session there, 0 in the first. */
static uint64_t load_free(void)
{
	unsigned long long bytes = 0;
	FILE *file = stage_file("soak.free", "r");

	if (file) {
		ck_assert_int_eq(fscanf(file, "%llu", &bytes), 1);
		fclose(file);
	}
	return bytes;
}

static void save_free(uint64_t bytes)
{
	FILE *file = stage_file("soak.free", "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "%llu\n", (unsigned long long)bytes);
	fclose(file);
}

/* The most that is free at one time; how exact that is in *@ret_noise. */
static uint64_t most_free(uint64_t *ret_noise)
{
	uint64_t most = 0, now;

	*ret_noise = NOISE;
	if (access("/sys/kernel/debug/kmemleak", F_OK)) {
		must_give(free_memory(&most), 0);
		return most;
	}
	*ret_noise = NOISE_DEBUG;
	for (int i = 0; i < SAMPLES; i++) {
		must_give(free_memory_now(&now), 0);
		most = now > most ? now : most;
		usleep(10000);
	}
	return most;
}

/*
 * The first kernel has not had a session before it, so the second one is what all others are
 * compared with: a page that is leaked in each kernel adds up.
 */
static void compare_free(void)
{
	uint64_t before = load_free(), noise, now = most_free(&noise);

	printf("# stage %llu: %llu KiB free\n", (unsigned long long)stage_number(),
	       (unsigned long long)now / 1024);
	if (stage_number() == 1)
		save_free(now);
	else if (stage_number() > 1)
		ck_assert_msg(now + noise >= before, "%llu KiB leaked",
			      (unsigned long long)(before - now) / 1024);
}

START_TEST(memory_comes_through)
{
	const struct plan plan = { stage_seed(), size / PAGE, true, true };
	int session, vm, gmem;

	if (!stage_number()) {
		vm = new_vm(VM_PROTECTED);
		gmem = new_gmem(vm, size, MAPPABLE | INIT_SHARED);
		plan_create(&plan, gmem, 0);
	} else {
		session = old_session(stage_session("soak", stage_number() - 1));
		gmem = retrieve(session, GMEM_TOKEN);
		vm = retrieve(session, VM_TOKEN);
		ck_assert_msg(gmem >= 0 && vm >= 0, "retrieve: %s, %s", error_name(-gmem),
			      error_name(-vm));
		plan_verify(&plan, gmem, stage_number() - 1);
		plan_change(&plan, gmem, stage_number());
		must_give(finish(session), 0);
		close(session);
	}
	compare_free();
	if (stage_is_last())
		return;
	session = new_session(stage_session("soak", stage_number()));
	must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	must_give(preserve(session, gmem, GMEM_TOKEN), 0);
	must_give(preserve(session, vm, VM_TOKEN), 0);
	keep(session);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("live-update-soak");

	if (argc == 3 && !strcmp(argv[1], "--mib")) {
		size = strtoull(argv[2], NULL, 0) * MIB;
	} else if (argc > 1) {
		fprintf(stderr, "usage: live-update-soak [--mib SIZE]\n");
		return 2;
	}
	need_in_place();
	need_live_update();
	need_debugfs();
	stage_begin();
	start_holder();
	tcase_add_test(new_case(suite, "soak"), memory_comes_through);
	return run_suite(suite);
}
