/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What it takes to load a file into guest memory: gmem_populate() beside the loops that programs
 * write by hand, on the machine's own KVM and disk, in one run, in turns.
 *
 * Usage: populate [--size MIB] [--rounds N] [--check] FILE: FILE is made, and removed afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgmem/gmem.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define MIB	   (UINT64_C(1) << 20)
#define BLOCK	   (UINT64_C(1) << 20)
#define MAX_ROUNDS 15

static struct {
	const char *name;
	int fd, vm;
	uint64_t size, rounds;
	unsigned char *buffer; /* has what the file has */
	bool check;
} bench = { .size = 1024 * MIB, .rounds = 5 };

/* What is measured; each gets a new guest_memfd, and mappings that nobody has touched. */
struct target {
	struct gmem *gmem;
	unsigned char *mapped;
	struct gmem_populate_result result;
};

static bool by_library(struct target *target, enum gmem_populate_way way)
{
	struct gmem_populate_options options = { .size = sizeof(options), .way = way };

	target->result.size = sizeof(target->result);
	options.ret_result = &target->result;
	return gmem_populate(target->gmem, 0, bench.size, bench.fd, &options, NULL) == 0;
}

static bool best(struct target *target)
{
	return by_library(target, GMEM_POPULATE_BEST);
}

static bool plain(struct target *target)
{
	return by_library(target, GMEM_POPULATE_PLAIN);
}

static bool direct(struct target *target)
{
	return by_library(target, GMEM_POPULATE_DIRECT);
}

static bool memory(struct target *target)
{
	return gmem_populate_memory(target->gmem, 0, bench.size, bench.buffer, NULL, NULL) == 0;
}

static bool read_into(unsigned char *to, int fd)
{
	for (uint64_t at = 0; at < bench.size;) {
		uint64_t size = bench.size - at < BLOCK ? bench.size - at : BLOCK;
		ssize_t n = pread(fd, to + at, size, (off_t)at);

		if (n <= 0)
			return false;
		at += (uint64_t)n;
	}
	return true;
}

static bool by_read(struct target *target)
{
	return read_into(target->mapped, bench.fd);
}

static bool by_mmap(struct target *target)
{
	void *source = mmap(NULL, bench.size, PROT_READ, MAP_PRIVATE, bench.fd, 0);

	if (source == MAP_FAILED)
		return false;
	madvise(source, bench.size, MADV_SEQUENTIAL);
	memcpy(target->mapped, source, bench.size);
	munmap(source, bench.size);
	return true;
}

static bool by_memcpy(struct target *target)
{
	memcpy(target->mapped, bench.buffer, bench.size);
	return true;
}

/* The disk alone, into memory that is there. */
static bool disk_limit(struct target *target)
{
	int fd = open(bench.name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	bool good;

	(void)target;
	if (fd < 0)
		return false;
	good = read_into(bench.buffer, fd);
	close(fd);
	return good;
}

struct method {
	const char *name, *text;
	bool (*run)(struct target *target);
	bool ours, from_file, warm_too;
	uint64_t cold[MAX_ROUNDS], warm[MAX_ROUNDS];
	struct gmem_populate_result result[2];
};

static struct method methods[] = {
	{ .name = "populate", .text = "gmem_populate()", .run = best, .ours = true },
	{ .name = "populate-plain",
	  .text = "gmem_populate(), read only",
	  .run = plain,
	  .ours = true },
	{ .name = "populate-direct",
	  .text = "gmem_populate(), direct only",
	  .run = direct,
	  .ours = true },
	{ .name = "read", .text = "read() into the mapping", .run = by_read },
	{ .name = "mmap", .text = "mmap() and memcpy()", .run = by_mmap },
	{ .name = "populate-memory",
	  .text = "gmem_populate_memory()",
	  .run = memory,
	  .ours = true },
	{ .name = "memcpy", .text = "memcpy() from a prepared buffer", .run = by_memcpy },
	{ .name = "disk", .text = "O_DIRECT read into anonymous memory", .run = disk_limit },
};

enum {
	POPULATE,
	PLAIN,
	DIRECT,
	READ,
	MMAP,
	MEMORY,
	MEMCPY,
	DISK,
	METHODS
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool open_target(struct target *target)
{
	struct gmem_create_options options = { .size = sizeof(options),
					       .init = GMEM_INIT_SHARED,
					       .mappable = 1 };
	void *mapped;

	memset(target, 0, sizeof(*target));
	if (gmem_create(bench.vm, bench.size, &options, &target->gmem, NULL) < 0)
		return false;
	if (gmem_map(target->gmem, 0, bench.size, NULL, &mapped, NULL) < 0) {
		gmem_release(target->gmem);
		return false;
	}
	target->mapped = mapped;
	return true;
}

static void close_target(struct target *target)
{
	gmem_unmap(target->mapped, bench.size, NULL);
	gmem_release(target->gmem);
}

/* The file's pages leave the page cache, or all of them come in. */
static bool set_cache(bool warm)
{
	static unsigned char block[BLOCK];

	if (!warm)
		return fdatasync(bench.fd) == 0 &&
		       posix_fadvise(bench.fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
	for (uint64_t at = 0; at < bench.size; at += BLOCK)
		if (pread(bench.fd, block, BLOCK, (off_t)at) <= 0)
			return false;
	return true;
}

static bool measure(struct method *method, bool warm, uint64_t round)
{
	struct target target;
	uint64_t start, *times = warm ? method->warm : method->cold;
	bool good;

	if (!open_target(&target) || !set_cache(warm))
		return false;
	start = now();
	good = method->run(&target);
	times[round] = now() - start;
	if (good && method->run != disk_limit)
		good = !memcmp(target.mapped, bench.buffer, bench.size);
	method->result[warm] = target.result;
	close_target(&target);
	if (!good)
		fprintf(stderr, "populate: %s failed\n", method->name);
	return good;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double speed(const struct method *method, bool warm)
{
	const uint64_t *times = warm ? method->warm : method->cold;

	return (double)bench.size / (double)MIB / ((double)times[bench.rounds / 2] / 1e9);
}

/* Methods take turns, so that what else the machine does falls on all of them. */
static bool measure_all(void)
{
	for (uint64_t round = 0; round < bench.rounds; round++) {
		for (int i = 0; i < METHODS; i++) {
			fprintf(stderr, "\rround %d of %d: %-40s", (int)round + 1,
				(int)bench.rounds, methods[i].text);
			if (!measure(&methods[i], false, round) ||
			    (i != DISK && !measure(&methods[i], true, round)))
				return false;
		}
	}
	fprintf(stderr, "\r%60s\r", "");
	for (int i = 0; i < METHODS; i++) {
		qsort(methods[i].cold, bench.rounds, sizeof(uint64_t), by_size);
		qsort(methods[i].warm, bench.rounds, sizeof(uint64_t), by_size);
	}
	return true;
}

static double faster(int a, int b, bool warm)
{
	return speed(&methods[a], warm) > speed(&methods[b], warm) ? speed(&methods[a], warm)
								   : speed(&methods[b], warm);
}

static bool print_bar(const char *name, const char *text, double bar, double value, bool last)
{
	bool holds = value >= bar;

	printf("    {\"name\": \"%s\", \"text\": \"%s\", \"at_least\": %.2f, \"value\": %.3f, "
	       "\"holds\": %s}%s\n",
	       name, text, bar, value, holds ? "true" : "false", last ? "" : ",");
	return holds;
}

static bool print_bars(void)
{
	double cold = speed(&methods[POPULATE], false), warm = speed(&methods[POPULATE], true);
	double by_hand = faster(READ, MMAP, false), disk = speed(&methods[DISK], false);
	bool good;

	printf("  \"bars\": [\n");
	/* Where the disk is not that much faster than the loops, nobody can be. */
	good = disk < 1.5 * by_hand ||
	       print_bar("cold", "times as fast as the best loop by hand, cold", 1.5,
			 cold / by_hand, false);
	good &= print_bar("disk", "part of the disk's own speed, cold", 0.8, cold / disk, false);
	good &= print_bar("warm", "times as fast as the best loop by hand, warm", 1,
			  warm / faster(READ, MMAP, true), false);
	good &= print_bar("memory", "times as fast as memcpy() from a prepared buffer", 1,
			  speed(&methods[MEMORY], true) / speed(&methods[MEMCPY], true), true);
	printf("  ]\n");
	return good;
}

static bool print_all(void)
{
	struct utsname name;
	bool good;

	uname(&name);
	printf("{\n  \"format\": \"libgmem-bench-populate\",\n  \"version\": 1,\n");
	printf("  \"kernel\": \"%s %s\",\n", name.release, name.version);
	printf("  \"memory\": \"guest_memfd\",\n  \"size\": %llu,\n  \"rounds\": %llu,\n",
	       (unsigned long long)bench.size, (unsigned long long)bench.rounds);
	printf("  \"cpus\": %ld,\n  \"rows\": [\n", sysconf(_SC_NPROCESSORS_ONLN));
	for (int i = 0; i < METHODS; i++) {
		const struct method *method = &methods[i];

		printf("    {\"name\": \"%s\", \"text\": \"%s\", \"cold_mib_s\": %.0f",
		       method->name, method->text, speed(method, false));
		if (i != DISK)
			printf(", \"warm_mib_s\": %.0f", speed(method, true));
		if (method->ours)
			printf(", \"cold_direct\": %llu, \"warm_direct\": %llu, \"threads\": %llu",
			       (unsigned long long)method->result[0].direct,
			       (unsigned long long)method->result[1].direct,
			       (unsigned long long)method->result[0].threads);
		printf("}%s\n", i + 1 < METHODS ? "," : "");
	}
	printf("  ],\n");
	good = print_bars();
	printf("}\n");
	return good;
}

/* Random enough that no disk or file system makes it smaller. */
static bool make_file(void)
{
	uint64_t x = 88172645463325252, *words = (uint64_t *)bench.buffer;

	for (uint64_t i = 0; i < bench.size / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
	bench.fd = open(bench.name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (bench.fd < 0)
		return false;
	for (uint64_t at = 0; at < bench.size;) {
		ssize_t n = write(bench.fd, bench.buffer + at, bench.size - at);

		if (n <= 0)
			return false;
		at += (uint64_t)n;
	}
	return fsync(bench.fd) == 0;
}

static bool open_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct target target;

	if (kvm < 0)
		return false;
	/* Any signal, and work that an I/O ring has left for this thread, is in its way. */
	do {
		bench.vm = ioctl(kvm, KVM_CREATE_VM, 0);
	} while (bench.vm < 0 && errno == EINTR);
	close(kvm);
	if (bench.vm < 0 || !open_target(&target))
		return false;
	close_target(&target);
	return true;
}

static bool read_arguments(int argc, char **argv)
{
	static const struct option options[] = { { "size", required_argument, NULL, 's' },
						 { "rounds", required_argument, NULL, 'r' },
						 { "check", no_argument, NULL, 'c' },
						 { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			bench.size = strtoull(optarg, NULL, 10) * MIB;
		else if (option == 'r')
			bench.rounds = strtoull(optarg, NULL, 10);
		else if (option == 'c')
			bench.check = true;
		else
			return false;
	}
	bench.name = argv[optind];
	return optind + 1 == argc && bench.size && bench.rounds && bench.rounds <= MAX_ROUNDS;
}

int main(int argc, char **argv)
{
	bool good;

	if (!read_arguments(argc, argv)) {
		fprintf(stderr, "usage: populate [--size MIB] [--rounds N] [--check] FILE\n");
		return 2;
	}
	if (!open_vm()) {
		fprintf(stderr, "populate: this machine's KVM has no shared guest_memfd\n");
		return 77;
	}
	bench.buffer =
		mmap(NULL, bench.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bench.buffer == MAP_FAILED || !make_file()) {
		fprintf(stderr, "populate: cannot make %s: %s\n", bench.name, strerror(errno));
		return 1;
	}
	good = measure_all();
	unlink(bench.name);
	if (!good)
		return 1;
	return print_all() || !bench.check ? 0 : 1;
}
