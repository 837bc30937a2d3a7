/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the host can still learn about private memory without reading it, and where that ends: the
 * second table of doc/private-memory.md names these tests.
 */
#include "kernel.h"
#include "vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GPA (1ULL << 30)

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

static struct guestvm *guest;
static int gmem;
static uint8_t *mapped;

/* Pages 0 to 3 are private and have memory, 4 to 7 are private and have none, the rest is shared.
 */
static void open_guest(void)
{
	const char *step = NULL;
	struct guestvm_slot slot = { .gpa = GPA, .size = FILE_SIZE };
	int err = guestvm_create(&(struct guestvm_options){ .type = VM_PROTECTED }, &guest, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	gmem = new_gmem(guestvm_vm_fd(guest), FILE_SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
	slot.gmem_fd = gmem;
	slot.userspace_addr = (uintptr_t)mapped;
	must_give(guestvm_set_slot(guest, &slot), 0);
	for (int page = 0; page < 4; page++)
		fill_page(mapped + page * PAGE, page, 6);
	must_give(convert(gmem, 0, 8 * PAGE, PRIVATE), 0);
	must_write(mapped + 8 * PAGE, 1);
}

static void close_guest(void)
{
	munmap(mapped, FILE_SIZE);
	close(gmem);
	guestvm_destroy(guest);
}

static struct guestvm_result run(enum guestvm_op op, uint64_t a, uint64_t b)
{
	return vcpu_run(guest, &(struct guestvm_cmd){ op, { a, b } });
}

/* ---- states and memory, page by page ---- */

static uint64_t allocated(uint64_t page)
{
	struct gmem_uapi_extent extent;
	struct gmem_uapi_query query = {
		.offset = page * PAGE,
		.size = PAGE,
		.flags = GMEM_UAPI_QUERY_ALLOCATED,
		.extents = (uintptr_t)&extent,
		.nr_extents = 1,
	};

	ck_assert(!ioctl(gmem, GMEM_UAPI_QUERY, &query));
	return extent.allocated;
}

static bool in_core(uint64_t page)
{
	unsigned char byte;

	ck_assert(!mincore(mapped + page * PAGE, PAGE, &byte));
	return byte & 1;
}

/* Linux 7.3: include/uapi/linux/mman.h; pages in the cache, or -errno. */
static long cached(uint64_t page, uint64_t count)
{
	uint64_t range[2] = { page * PAGE, count * PAGE }, result[5] = { 0 };

	if (syscall(SYS_cachestat, gmem, range, result, 0))
		return -errno;
	return (long)result[0];
}

START_TEST(the_query_tells_states_and_which_private_pages_have_memory)
{
	if (!system_capability(GMEM_CAP_QUERY)) {
		skip_case("the_query_tells_states_and_which_private_pages_have_memory",
			  "no query of state");
		return;
	}
	ck_assert_uint_eq(allocated(0), PAGE);
	ck_assert_uint_eq(allocated(4), 0);
	ck_assert_int_eq(run(GUESTVM_READ8, GPA + 4 * PAGE, 0).exit, GUESTVM_DONE);
	ck_assert_msg(allocated(4) == PAGE, "the guest's first access is not to be seen");
}
END_TEST

START_TEST(mincore_tells_which_private_pages_have_memory)
{
	ck_assert(in_core(0));
	ck_assert(!in_core(4));
	ck_assert_int_eq(run(GUESTVM_READ8, GPA + 4 * PAGE, 0).exit, GUESTVM_DONE);
	ck_assert_msg(in_core(4), "the guest's first access is not to be seen");
}
END_TEST

START_TEST(cachestat_tells_which_private_pages_have_memory)
{
	if (cached(0, 8) == -ENOSYS) {
		skip_case("cachestat_tells_which_private_pages_have_memory",
			  "this kernel has no cachestat");
		return;
	}
	ck_assert_int_eq(cached(0, 8), 4);
	ck_assert_int_eq(cached(4, 1), 0);
	ck_assert_int_eq(run(GUESTVM_READ8, GPA + 4 * PAGE, 0).exit, GUESTVM_DONE);
	ck_assert_int_eq(cached(4, 1), 1);
}
END_TEST

START_TEST(an_access_tells_the_state)
{
	uint8_t byte;

	ck_assert(!try_read(mapped, &byte));
	ck_assert(!try_read(mapped + 7 * PAGE, &byte));
	ck_assert(try_read(mapped + 8 * PAGE, &byte));
}
END_TEST

/* ---- what the kernel shows of files and mappings ---- */

static char *text_of(const char *path)
{
	static char text[1 << 20];
	size_t size = 0;
	FILE *file = fopen(path, "re");

	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	return text;
}

/* The number of a line of /proc/self/smaps about our mapping, in bytes. */
static uint64_t smaps(const char *name)
{
	char *text = text_of("/proc/self/smaps"), start[64], line[64];
	unsigned long long kib;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)mapped);
	snprintf(line, sizeof(line), "\n%s:", name);
	text = strstr(text, start);
	ck_assert(text);
	text = strstr(text, line);
	ck_assert(text && sscanf(text + strlen(line), "%llu", &kib) == 1);
	return kib * 1024;
}

START_TEST(smaps_counts_shared_pages_only)
{
	ck_assert_uint_eq(smaps("Size"), FILE_SIZE);
	ck_assert_uint_eq(smaps("Rss"), PAGE);
	ck_assert_int_eq(run(GUESTVM_WRITE8, GPA, 1).exit, GUESTVM_DONE);
	ck_assert_uint_eq(smaps("Rss"), PAGE);
	ck_assert_uint_eq(smaps("Pss_Dirty"), PAGE);
}
END_TEST

static uint64_t pagemap(uint64_t page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	ck_assert_int_ge(fd, 0);
	ck_assert(pread(fd, &entry, 8, (off_t)(((uintptr_t)mapped / PAGE + page) * 8)) == 8);
	close(fd);
	return entry;
}

START_TEST(pagemap_tells_nothing_of_private_pages)
{
	const uint64_t soft_dirty = 1ULL << 55, present = 1ULL << 63;

	ck_assert_uint_eq(pagemap(0) & ~soft_dirty, 0);
	ck_assert_uint_eq(pagemap(4) & ~soft_dirty, 0);
	ck_assert_int_eq(run(GUESTVM_WRITE8, GPA, 1).exit, GUESTVM_DONE);
	ck_assert_uint_eq(pagemap(0) & ~soft_dirty, 0);
	ck_assert(pagemap(8) & present);
}
END_TEST

static uint64_t by_frame(const char *path, uint64_t frame)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert(pread(fd, &entry, 8, (off_t)(frame * 8)) == 8);
	close(fd);
	return entry;
}

/* A page stays where it is, so who knew its frame while it was shared knows it still. */
START_TEST(a_private_page_is_still_in_the_frame_it_was_in)
{
	uint64_t frame = pagemap(8) & ((1ULL << 55) - 1), flags;

	ck_assert_uint_gt(frame, 0);
	ck_assert_uint_eq(by_frame("/proc/kpagecount", frame), 1);
	must_give(convert(gmem, 8 * PAGE, PAGE, PRIVATE), 0);
	ck_assert_uint_eq(by_frame("/proc/kpagecount", frame), 0);
	flags = by_frame("/proc/kpageflags", frame);
	for (int i = 0; i < 100; i++)
		run(i % 2 ? GUESTVM_READ8 : GUESTVM_WRITE8, GPA + 8 * PAGE, (uint64_t)i);
	ck_assert_msg(by_frame("/proc/kpageflags", frame) == flags,
		      "what the guest does is to be seen in the flags of its page");
	must_give(convert(gmem, 8 * PAGE, PAGE, SHARED), 0);
	must_write(mapped + 8 * PAGE, 2);
	ck_assert_uint_eq(pagemap(8) & ((1ULL << 55) - 1), frame);
}
END_TEST

START_TEST(fstat_tells_the_size_and_when_memory_was_punched_or_allocated)
{
	struct stat before, after;

	ck_assert(!fstat(gmem, &before));
	ck_assert_uint_eq((uint64_t)before.st_size, FILE_SIZE);
	ck_assert_uint_eq((uint64_t)before.st_blocks, 0);
	usleep(50000);
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), 0);
	ck_assert_int_eq(run(GUESTVM_WRITE8, GPA, 1).exit, GUESTVM_DONE);
	ck_assert(!fstat(gmem, &after));
	ck_assert(!memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)));
	ck_assert_uint_eq((uint64_t)after.st_blocks, 0);
	must_give(punch(gmem, 0, PAGE), 0);
	ck_assert(!fstat(gmem, &after));
	ck_assert(memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)));
}
END_TEST

/* Nothing of places and bytes: stats.c has what the numbers are. */
START_TEST(fdinfo_tells_sizes_and_counts_only)
{
	static const char *const known[] = { "pos:", "flags:", "mnt_id:", "ino:", "gmem-" };
	char path[64], *line, *rest;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", gmem);
	for (line = strtok_r(text_of(path), "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		size_t i = 0;

		while (i < 5 && strncmp(line, known[i], strlen(known[i])) != 0)
			i++;
		ck_assert_msg(i < 5, "unknown line: %s", line);
	}
}
END_TEST

static unsigned long long number_after(const char *text, const char *name)
{
	unsigned long long number;

	text = strstr(text, name);
	ck_assert_msg(text, "no %s", name);
	ck_assert(sscanf(text + strlen(name), "%llu", &number) == 1);
	return number;
}

START_TEST(memory_of_private_pages_is_counted_as_unevictable)
{
	const uint64_t size = 8 * MIB;
	unsigned long long before, after;
	int file = new_gmem(guestvm_vm_fd(guest), size, INIT_PRIVATE);

	before = number_after(text_of("/proc/meminfo"), "Unevictable:");
	must_give(allocate(file, 0, size), 0);
	after = number_after(text_of("/proc/meminfo"), "Unevictable:");
	/* In steps of what each CPU counts for itself. */
	ck_assert_uint_ge(after * 1024 + MIB, before * 1024 + size);
	close(file);
}
END_TEST

START_TEST(kvm_counts_the_pages_a_guest_has_touched)
{
	unsigned long long before, after;

	if (access("/sys/kernel/debug/kvm/pages_4k", R_OK)) {
		skip_case("kvm_counts_the_pages_a_guest_has_touched", "no debugfs");
		return;
	}
	ck_assert_int_eq(run(GUESTVM_READ8, GUESTVM_SCRATCH, 0).exit, GUESTVM_DONE);
	before = strtoull(text_of("/sys/kernel/debug/kvm/pages_4k"), NULL, 10);
	for (uint64_t page = 0; page < 8; page++)
		ck_assert_int_eq(run(GUESTVM_READ8, GPA + page * PAGE, 0).exit, GUESTVM_DONE);
	after = strtoull(text_of("/sys/kernel/debug/kvm/pages_4k"), NULL, 10);
	/* Whatever else it maps for itself meanwhile. */
	ck_assert_uint_ge(after, before + 8);
}
END_TEST

/* ---- the guest ---- */

/* Software-protected VMs protect memory from accesses, not the vCPU's registers. */
START_TEST(registers_hold_what_the_guest_has_loaded)
{
	uint64_t expected, found;

	found = run(GUESTVM_READ64, GPA, 0).value;
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	memcpy(&expected, mapped, sizeof(expected));
	ck_assert_uint_eq(found, expected);
}
END_TEST

/* Nor may dirty pages be logged, by which accesses could be watched. */
START_TEST(dirty_pages_cannot_be_logged)
{
	struct gmem_uapi_memory_region region = {
		.slot = 1,
		.flags = GMEM_UAPI_MEM_GUEST_MEMFD | 1, /* KVM_MEM_LOG_DIRTY_PAGES */
		.guest_phys_addr = 2 * GPA,
		.memory_size = PAGE,
		.guest_memfd = gmem,
	};

	must_give(guestvm_delete_slot(guest, 0), 0);
	ck_assert(ioctl(guestvm_vm_fd(guest), GMEM_UAPI_SET_MEMORY_REGION, &region) == -1);
	ck_assert_int_eq(errno, EINVAL);
	region.flags = GMEM_UAPI_MEM_GUEST_MEMFD;
	ck_assert(!ioctl(guestvm_vm_fd(guest), GMEM_UAPI_SET_MEMORY_REGION, &region));
}
END_TEST

/* ---- who may do more ---- */

START_TEST(who_holds_the_file_can_share_and_read)
{
	must_sigbus(mapped);
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	ck_assert(page_is_filled(mapped, 0, 6));
}
END_TEST

START_TEST(who_holds_a_mapping_can_drop_private_memory)
{
	ck_assert(!madvise(mapped, PAGE, MADV_REMOVE));
	must_sigbus(mapped);
	must_give(convert(gmem, 0, 2 * PAGE, SHARED), 0);
	ck_assert(page_is_zero(mapped));
	ck_assert(page_is_filled(mapped + PAGE, 1, 6));
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *pages = new_case(suite, "pages");
	TCase *shown = new_case(suite, "shown");
	TCase *running = new_case(suite, "guest");
	TCase *holders = new_case(suite, "holders");

	tcase_add_checked_fixture(pages, open_guest, close_guest);
	tcase_add_test(pages, the_query_tells_states_and_which_private_pages_have_memory);
	tcase_add_test(pages, mincore_tells_which_private_pages_have_memory);
	tcase_add_test(pages, cachestat_tells_which_private_pages_have_memory);
	tcase_add_test(pages, an_access_tells_the_state);
	tcase_add_checked_fixture(shown, open_guest, close_guest);
	tcase_add_test(shown, smaps_counts_shared_pages_only);
	tcase_add_test(shown, pagemap_tells_nothing_of_private_pages);
	tcase_add_test(shown, a_private_page_is_still_in_the_frame_it_was_in);
	tcase_add_test(shown, fstat_tells_the_size_and_when_memory_was_punched_or_allocated);
	tcase_add_test(shown, fdinfo_tells_sizes_and_counts_only);
	tcase_add_test(shown, memory_of_private_pages_is_counted_as_unevictable);
	tcase_add_test(shown, kvm_counts_the_pages_a_guest_has_touched);
	tcase_add_checked_fixture(running, open_guest, close_guest);
	tcase_add_test(running, registers_hold_what_the_guest_has_loaded);
	tcase_add_test(running, dirty_pages_cannot_be_logged);
	tcase_add_checked_fixture(holders, open_guest, close_guest);
	tcase_add_test(holders, who_holds_the_file_can_share_and_read);
	tcase_add_test(holders, who_holds_a_mapping_can_drop_private_memory);
}

int main(void)
{
	Suite *suite = suite_create("observable");

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
