/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a space costs: serving a guest's request compared with the two system calls that this takes,
 * and splitting a range over slots. bench/README.md says how to read it.
 */
#include <errno.h>
#include <libgmem/gmem.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestvm.h"
#include "ticks.h"
#include "uapi/guest_memfd.h"

#define PAGE	  4096ULL
#define GPA	  (UINT64_C(1) << 30)
#define ROUNDS	  200
#define MAX_SLOTS 4096

static const char usage[] = "usage: space [--check]\n"
			    "\n"
			    "Measures a space and prints JSON. Run it in the lab:\n"
			    "  lab/lab run --deterministic -- build/bench/space\n"
			    "\n"
			    "  --check  exit status 1 if a bar does not hold\n";

struct bench {
	struct guestvm *guest;
	struct gmem_space *space;
	struct gmem *file;
	struct kvm_run *run;
	size_t run_size;
	struct gmem_error *error;
};

/* One page of a request: by the raw ioctl, or served. */
struct served {
	uint64_t ioctl, serve;
};

static const unsigned int touched[] = { 1, 64, 1000 };
static const unsigned int there[] = { 1, 64, 1000, MAX_SLOTS };

#define TOUCHED (sizeof(touched) / sizeof(touched[0]))
#define THERE	(sizeof(there) / sizeof(there[0]))

static struct served served[2]; /* to shared, to private */
/* ticks of a conversion that touches so many slots, among so many; 0: cannot be */
static uint64_t split[TOUCHED][THERE];
/* the same slots' ranges by as many raw ioctls */
static uint64_t raw[TOUCHED];

static int fail(const struct bench *bench, const char *what, int err)
{
	char text[2048] = "";

	gmem_error_explain(bench->error, text, sizeof(text));
	fprintf(stderr, "space: %s: %s\n%s\n", what, strerror(-err), text);
	return err;
}

static void close_bench(struct bench *bench)
{
	if (bench->run)
		munmap(bench->run, bench->run_size);
	gmem_space_free(bench->space);
	gmem_release(bench->file);
	guestvm_destroy(bench->guest);
}

/* A page in each slot, all of one file; in guest-physical memory without gaps. */
static int open_bench(struct bench *bench, unsigned int slots)
{
	struct guestvm_options options = { .type = GUESTVM_TYPE_SW_PROTECTED, .vcpus = 1 };
	struct gmem_space_options space = { .size = sizeof(space), .vm_type = options.type };
	struct gmem_slot slot = { .size = sizeof(slot), .memory_size = PAGE };
	const char *step = "";
	int err;

	err = guestvm_create(&options, &bench->guest, &step);
	if (err)
		return fail(bench, step, err);
	err = gmem_space_new(guestvm_vm_fd(bench->guest), &space, &bench->space, bench->error);
	if (!err)
		err = gmem_space_create(bench->space, slots * PAGE, GMEM_INIT_SHARED, &bench->file,
					bench->error);
	slot.gmem = bench->file;
	for (; !err && slot.number < slots; slot.number++) {
		slot.gpa = GPA + slot.number * PAGE;
		slot.offset = slot.number * PAGE;
		err = gmem_space_bind(bench->space, &slot, bench->error);
	}
	/* Where the memory comes from is not measured. */
	if (!err)
		err = gmem_allocate(bench->file, 0, slots * PAGE, NULL, bench->error);
	return err ? fail(bench, "a space", err) : 0;
}

static int convert_raw(struct bench *bench, uint64_t offset, bool private)
{
	struct gmem_uapi_attributes request = {
		.offset = offset,
		.size = PAGE,
		.attributes = private ? GMEM_UAPI_ATTRIBUTE_PRIVATE : 0,
	};

	return ioctl(gmem_get_fd(bench->file), GMEM_UAPI_SET_ATTRIBUTES, &request) ? -errno : 0;
}

/* The guest asks; then what it asked for is done and it goes on, which is what is measured. */
static int serve_once(struct bench *bench, struct gmem_server *server, bool private,
		      uint64_t *ret_ticks)
{
	struct guestvm_cmd ask = { GUESTVM_MAP_GPA, { GPA, 1, private ? GUESTVM_HC_PRIVATE : 0 } };
	int vcpu = guestvm_vcpu_fd(bench->guest, 0), err;
	struct guestvm_result result;
	uint64_t start;

	err = guestvm_run(bench->guest, 0, &ask, &result);
	if (!err && result.exit != GUESTVM_HYPERCALL)
		err = -EIO;
	if (err)
		return fail(bench, "a hypercall", err);
	start = ticks_now();
	if (server) {
		err = gmem_space_serve(bench->space, bench->run, 0, server, bench->error);
	} else {
		err = convert_raw(bench, 0, private);
		bench->run->hypercall.ret = 0;
	}
	if (!err && ioctl(vcpu, KVM_RUN, 0))
		err = -errno;
	*ret_ticks = ticks_now() - start;
	if (!err && bench->run->exit_reason != KVM_EXIT_HLT)
		err = -EIO;
	return err ? fail(bench, "a request", err) : 0;
}

static void keep_least(uint64_t *least, uint64_t ticks)
{
	if (!*least || ticks < *least)
		*least = ticks;
}

static int measure_serving(struct bench *bench)
{
	struct gmem_server server = { .size = sizeof(server) };
	uint64_t ticks = 0;
	int i, err;

	for (i = 0; i < 4 * ROUNDS; i++) {
		bool private = i % 2 == 0, by_library = i / 2 % 2;

		err = serve_once(bench, by_library ? &server : NULL, private, &ticks);
		if (!err && by_library && server.result)
			err = fail(bench, "the guest was refused", server.result);
		if (err)
			return err;
		keep_least(by_library ? &served[private].serve : &served[private].ioctl, ticks);
	}
	return 0;
}

static int measure_split(struct bench *bench, unsigned int count, uint64_t *ret_ticks)
{
	uint64_t ticks;
	int i, err;

	for (i = 0; i < 6; i++) {
		uint64_t start = ticks_now();

		err = gmem_space_convert(bench->space, GPA, count * PAGE,
					 i % 2 ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE, NULL,
					 bench->error);
		ticks = ticks_now() - start;
		if (err)
			return fail(bench, "a conversion", err);
		/* Both directions count: each pair as one. */
		if (i % 2 == 0)
			*ret_ticks = *ret_ticks && *ret_ticks < ticks ? *ret_ticks : ticks;
	}
	return 0;
}

static int measure_raw(struct bench *bench, unsigned int count, uint64_t *ret_ticks)
{
	uint64_t start, i;
	int round, err;

	for (round = 0; round < 6; round++) {
		start = ticks_now();
		for (i = 0, err = 0; !err && i < count; i++)
			err = convert_raw(bench, i * PAGE, round % 2 == 0);
		if (err)
			return fail(bench, "raw ioctls", err);
		if (round % 2 == 0)
			keep_least(ret_ticks, ticks_now() - start);
	}
	return 0;
}

static int measure(struct gmem_error *error, size_t space)
{
	struct bench bench = { .error = error };
	size_t i;
	int err;

	fprintf(stderr, "space: %u slots\n", there[space]);
	err = open_bench(&bench, there[space]);
	for (i = 0; !err && i < TOUCHED && touched[i] <= there[space]; i++) {
		err = measure_split(&bench, touched[i], &split[i][space]);
		if (!err && space == THERE - 1)
			err = measure_raw(&bench, touched[i], &raw[i]);
	}
	if (!err && space == 0) {
		bench.run_size = (size_t)sysconf(_SC_PAGESIZE);
		bench.run = mmap(NULL, bench.run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
				 guestvm_vcpu_fd(bench.guest, 0), 0);
		if (bench.run == MAP_FAILED) {
			bench.run = NULL;
			err = fail(&bench, "mmap of struct kvm_run", -errno);
		}
		if (!err)
			err = measure_serving(&bench);
	}
	close_bench(&bench);
	return err;
}

/* ---- printing ---- */

static bool print_bar(const char *name, const char *text, double most, double value, bool last)
{
	printf("    {\"name\": \"%s\", \"text\": \"%s\", \"at_most\": %g, \"value\": %.3f, "
	       "\"holds\": %s}%s\n",
	       name, text, most, value, value <= most ? "true" : "false", last ? "" : ",");
	return value <= most;
}

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

static bool print(void)
{
	double serve = 0, there_matters = 0;
	bool good = true;
	size_t i, j;

	printf("{\n  \"format\": \"libgmem-bench-space\",\n  \"version\": 1,\n  \"unit\": \"%s\",\n",
	       ticks_are_instructions() ? "instructions" : "tsc");
	printf("  \"serve\": {\n");
	for (i = 0; i < 2; i++) {
		printf("    \"%s\": {\"ioctl\": %llu, \"serve\": %llu}%s\n",
		       i ? "to_private" : "to_shared", (unsigned long long)served[i].ioctl,
		       (unsigned long long)served[i].serve, i ? "" : ",");
		if (ratio(served[i].serve, served[i].ioctl) > serve)
			serve = ratio(served[i].serve, served[i].ioctl);
	}
	printf("  },\n  \"split\": [\n");
	for (i = 0; i < TOUCHED; i++) {
		printf("    {\"touched\": %u, \"raw\": %llu", touched[i],
		       (unsigned long long)raw[i]);
		for (j = 0; j < THERE; j++) {
			if (!split[i][j])
				continue;
			printf(", \"of_%u\": %llu", there[j], (unsigned long long)split[i][j]);
		}
		printf("}%s\n", i + 1 < TOUCHED ? "," : "");
	}
	/* 64 slots among 64 and among 4096; 1000 slots a thousandth of which is one. */
	there_matters = ratio(split[1][3], split[1][1]);
	printf("  ],\n  \"bars\": [\n");
	good &= print_bar("serve", "serving a request over the two system calls that it takes", 1.1,
			  serve, false);
	good &= print_bar("slots-there",
			  "64 slots converted among 4096 over the same among 64 slots", 1.05,
			  there_matters, false);
	good &= print_bar("slots-touched",
			  "a slot's share of 1000 slots converted over its share of 64", 1.05,
			  ratio(split[2][3], 1000) / ratio(split[1][3], 64), true);
	printf("  ]\n}\n");
	return good;
}

int main(int argc, char **argv)
{
	bool check = argc == 2 && !strcmp(argv[1], "--check"), good;
	struct gmem_error *error;
	size_t i;

	if (argc > 1 && !check) {
		fputs(usage, stderr);
		return 2;
	}
	if (gmem_error_new(&error) < 0)
		return 1;
	if (!ticks_are_instructions())
		fprintf(stderr, "space: ticks are no instructions here; use lab/lab run "
				"--deterministic\n");
	for (i = 0; i < THERE; i++) {
		if (measure(error, i) < 0)
			return gmem_error_get_code(error) == -EOPNOTSUPP ? 77 : 1;
	}
	good = print();
	gmem_error_free(error);
	if (fflush(stdout) || ferror(stdout))
		return 1;
	return check && !good;
}
