/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Nothing is lost and nothing shows that should not: what was promised to be preserved has the same
 * checksum in every page, for host and guest; a conversion that fails changes no state and no byte;
 * no page ever shows bytes of another file, another page, or what it held before a hole was
 * punched.
 */
#include "kernel.h"
#include "pin.h"
#include "vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ZERO	 GMEM_UAPI_CONTENT_ZERO
#define PRESERVE GMEM_UAPI_CONTENT_PRESERVE

#define GPA   (1ULL << 30)
#define PAGES 256
#define SIZE  (PAGES * PAGE)

static struct guestvm *guest;
static int gmem;
static uint8_t *mapped;
static uint64_t seed;

static int convert_with(int file, uint64_t offset, uint64_t size, uint64_t state, uint64_t flags)
{
	struct gmem_uapi_attributes request = {
		.offset = offset,
		.size = size,
		.attributes = state,
		.flags = flags,
	};

	return convert_raw(file, &request);
}

static void imitate(const char *name)
{
	int fd = open("/sys/module/kvm/parameters/gmem_imitate", O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "no parameter gmem_imitate: %s", strerror(errno));
	ck_assert_int_eq(write(fd, name, strlen(name)), (ssize_t)strlen(name));
	close(fd);
}

static void new_guest(void)
{
	const char *step = NULL;
	int err = guestvm_create(&(struct guestvm_options){ .type = VM_PROTECTED }, &guest, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
}

static void open_shared(void)
{
	new_guest();
	gmem = new_gmem(guestvm_vm_fd(guest), SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, SIZE);
	must_give(set_slot(guestvm_vm_fd(guest), 0, GPA, SIZE, gmem, 0), 0);
	seed = test_seed();
}

static void close_all(void)
{
	munmap(mapped, SIZE);
	close(gmem);
	guestvm_destroy(guest);
}

static struct guestvm_result run(enum guestvm_op op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct guestvm_cmd command = { op, { a, b, c, d } };
	struct guestvm_result result = vcpu_run(guest, &command);

	ck_assert_msg(result.exit == GUESTVM_DONE, "the guest came out with %s",
		      guestvm_exit_name(result.exit));
	return result;
}

static uint64_t guest_checksum(uint64_t page)
{
	return run(GUESTVM_CHECKSUM, GPA + page * PAGE, PAGE, 0, 0).value;
}

static uint64_t host_checksum(uint64_t page)
{
	uint8_t byte;

	ck_assert_msg(try_read(mapped + page * PAGE, &byte), "page %llu raises SIGBUS",
		      (unsigned long long)page);
	return guestvm_checksum(mapped + page * PAGE, PAGE);
}

/* ---- what is preserved ---- */

/* All of the file in steps, or random ranges in random order until all of it has the state. */
static void convert_all(uint64_t state, uint64_t step)
{
	if (step) {
		for (uint64_t at = 0; at < SIZE; at += step)
			must_give(convert_with(gmem, at, step, state, PRESERVE), 0);
		return;
	}
	for (int i = 0; i < 100; i++) {
		uint64_t first = random_below(&seed, PAGES);
		uint64_t count = 1 + random_below(&seed, PAGES - first);

		must_give(convert_with(gmem, first * PAGE, count * PAGE,
				       next_random(&seed) & 1 ? PRIVATE : SHARED, PRESERVE),
			  0);
	}
	must_give(convert_with(gmem, 0, SIZE, state, PRESERVE), 0);
}

START_TEST(preserve_keeps_the_checksum_of_every_page)
{
	static const uint64_t steps[] = { SIZE, PAGE, 16 * PAGE, 0 };
	static uint64_t sums[PAGES];

	for (uint64_t round = 1; round < (in_a_hurry() ? 2 : 4); round++) {
		for (uint64_t page = 0; page < PAGES; page++) {
			fill_page(mapped + page * PAGE, page, 2 * round);
			sums[page] = host_checksum(page);
		}
		convert_all(PRIVATE, steps[_i]);
		for (uint64_t page = 0; page < PAGES; page++)
			ck_assert_msg(guest_checksum(page) == sums[page],
				      "the guest finds other bytes in page %llu",
				      (unsigned long long)page);
		for (uint64_t page = 0; page < PAGES; page++) {
			run(GUESTVM_FILL, GPA + page * PAGE, PAGE, 2 * round + 1, page * PAGE);
			sums[page] = guest_checksum(page);
		}
		convert_all(SHARED, steps[_i]);
		for (uint64_t page = 0; page < PAGES; page++)
			ck_assert_msg(host_checksum(page) == sums[page],
				      "the host finds other bytes in page %llu",
				      (unsigned long long)page);
	}
}
END_TEST

/* ---- what fails ---- */

/* All there is to know: states, what has memory, and the bytes of what has. */
struct snapshot {
	struct gmem_uapi_extent extents[PAGES];
	uint64_t nr_extents;
	uint64_t sums[PAGES]; /* of each extent */
};

static void take(struct snapshot *ret_snapshot)
{
	struct gmem_uapi_query query = {
		.size = SIZE,
		.flags = GMEM_UAPI_QUERY_ALLOCATED,
		.extents = (uintptr_t)ret_snapshot->extents,
		.nr_extents = PAGES,
	};

	memset(ret_snapshot, 0, sizeof(*ret_snapshot));
	ck_assert(!ioctl(gmem, GMEM_UAPI_QUERY, &query));
	ck_assert_uint_eq(query.size, 0);
	ret_snapshot->nr_extents = query.nr_extents;
	for (uint64_t i = 0; i < query.nr_extents; i++) {
		const struct gmem_uapi_extent *extent = &ret_snapshot->extents[i];

		/* Looking at what has no memory would give it some. */
		if (extent->allocated != extent->size)
			continue;
		ret_snapshot->sums[i] =
			run(GUESTVM_CHECKSUM, GPA + extent->offset, extent->size, 0, 0).value;
	}
}

/*
 * Extents of 16 pages: shared and private ones, those of a kind alternately with memory and
 * without. One shared page is held.
 */
#define HELD 200

static int make_mixed(void)
{
	int ring;

	for (uint64_t page = 0; page < PAGES; page++)
		if (page / 32 % 2 == 0)
			fill_page(mapped + page * PAGE, page, 5);
	for (uint64_t page = 0; page < PAGES; page += 32)
		must_give(convert(gmem, page * PAGE, 16 * PAGE, PRIVATE), 0);
	must_give(convert(gmem, HELD * PAGE, PAGE, SHARED), 0);
	ring = pin(mapped + HELD * PAGE, PAGE);
	ck_assert_msg(ring >= 0, "registered buffer: %s", strerror(-ring));
	return ring;
}

static const struct {
	const char *imitation;
	uint64_t offset, size, state, flags, reserved;
	int error;
} failures[] = {
	{ "none", 0, SIZE, PRIVATE, 0, 0, -EAGAIN },
	{ "none", 0, SIZE, PRIVATE, ZERO, 0, -EAGAIN },
	{ "none", 0, SIZE, PRIVATE, PRESERVE, 0, -EAGAIN },
	{ "scramble", 0, SIZE, PRIVATE, 0, 0, -EAGAIN },
	{ "tdx", 0, SIZE, PRIVATE, 0, 0, -EAGAIN },
	{ "tdx", 0, SIZE, PRIVATE, ZERO, 0, -EOPNOTSUPP },
	{ "tdx", 0, SIZE, PRIVATE, PRESERVE, 0, -EOPNOTSUPP },
	{ "tdx", 0, SIZE, SHARED, PRESERVE, 0, -EOPNOTSUPP },
	{ "snp-finalized", 0, SIZE, PRIVATE, 0, 0, -EAGAIN },
	{ "snp-finalized", 0, SIZE, PRIVATE, ZERO, 0, -EOPNOTSUPP },
	{ "snp-finalized", 0, SIZE, PRIVATE, PRESERVE, 0, -EOPNOTSUPP },
	{ "snp-finalized", 0, SIZE, SHARED, PRESERVE, 0, -EOPNOTSUPP },
	{ "none", 0, SIZE, SHARED, ZERO | PRESERVE, 0, -EINVAL },
	{ "none", 0, SIZE, SHARED, 1ULL << 63 | ZERO, 0, -EINVAL },
	{ "none", 0, SIZE, SHARED, ZERO, 1, -EINVAL },
	{ "none", 0, SIZE, 1, ZERO, 0, -EINVAL },
	{ "none", 0, SIZE + PAGE, SHARED, ZERO, 0, -EINVAL },
	{ "none", PAGE, SIZE, SHARED, ZERO, 0, -EINVAL },
	{ "none", 1, PAGE, SHARED, ZERO, 0, -EINVAL },
	{ "none", 0, 0, SHARED, ZERO, 0, -EINVAL },
	{ "none", PAGE, -PAGE, SHARED, ZERO, 0, -EINVAL },
};
#define NR_FAILURES ((int)(sizeof(failures) / sizeof(failures[0])))

START_TEST(a_failed_conversion_changes_no_state_and_no_byte)
{
	static struct snapshot before, after;
	struct gmem_uapi_attributes request = {
		.offset = failures[_i].offset,
		.size = failures[_i].size,
		.attributes = failures[_i].state,
		.flags = failures[_i].flags,
		.reserved = { [10] = failures[_i].reserved },
	};
	int ring = make_mixed();

	take(&before);
	ck_assert_uint_gt(before.nr_extents, 2 * PAGES / 32);
	imitate(failures[_i].imitation);
	for (int i = 0; i < 3; i++)
		must_give(convert_raw(gmem, &request), failures[_i].error);
	imitate("none");
	take(&after);
	ck_assert_msg(!memcmp(before.extents, after.extents, sizeof(before.extents)),
		      "a conversion that failed with %s changed states or memory",
		      error_name(-failures[_i].error));
	ck_assert_msg(!memcmp(before.sums, after.sums, sizeof(before.sums)),
		      "a conversion that failed with %s changed bytes",
		      error_name(-failures[_i].error));
	unpin(ring);
}
END_TEST

/* ---- whose bytes are shown ---- */

enum {
	NR_FILES = 4,
	FILE_PAGES = 24
};
#define FILE_BYTES (FILE_PAGES * PAGE)

static struct model_file {
	int fd;
	uint8_t *at;
	bool private[FILE_PAGES];
	uint64_t life[FILE_PAGES]; /* what it was filled with; 0: zeroes */
} files[NR_FILES];
/* No two fillings are alike, whatever the file and the page. */
static uint64_t lives;

static uint64_t gpa_of(int index)
{
	return GPA + (uint64_t)index * FILE_BYTES;
}

static void open_file(int index)
{
	struct model_file *file = &files[index];
	bool private = next_random(&seed) & 1;

	*file = (struct model_file){ 0 };
	file->fd = new_gmem(guestvm_vm_fd(guest), FILE_BYTES,
			    MAPPABLE | (private ? INIT_PRIVATE : INIT_SHARED));
	file->at = map_gmem(file->fd, 0, FILE_BYTES);
	memset(file->private, private, sizeof(file->private));
	must_give(set_slot(guestvm_vm_fd(guest), (uint32_t)index, gpa_of(index), FILE_BYTES,
			   file->fd, 0),
		  0);
}

static void close_file(int index)
{
	must_give(delete_slot(guestvm_vm_fd(guest), (uint32_t)index), 0);
	munmap(files[index].at, FILE_BYTES);
	close(files[index].fd);
}

/* Fills what the kernel is going to give out next. */
static void dirty_free_memory(void)
{
	uint64_t size = 4 * MIB;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(at != MAP_FAILED);
	memset(at, 0xA5, size);
	munmap(at, size);
}

static void fill(int index, int page)
{
	struct model_file *file = &files[index];

	file->life[page] = ++lives;
	if (file->private[page] || next_random(&seed) & 1)
		run(GUESTVM_FILL, gpa_of(index) + (uint64_t)page * PAGE, PAGE, lives, 0);
	else
		fill_page(file->at + page * PAGE, 0, lives);
}

static void check_page(int index, int page)
{
	struct model_file *file = &files[index];
	uint64_t gpa = gpa_of(index) + (uint64_t)page * PAGE, life = file->life[page];
	bool good;
	uint8_t byte;

	ck_assert_int_eq(try_read(file->at + page * PAGE, &byte), !file->private[page]);
	if (!file->private[page]) {
		good = life ? page_is_filled(file->at + page * PAGE, 0, life)
			    : page_is_zero(file->at + page * PAGE);
		ck_assert_msg(good,
			      "the host finds other bytes than life %llu in page %d of file %d",
			      (unsigned long long)life, page, index);
	}
	good = run(life ? GUESTVM_CHECK : GUESTVM_COMPARE, gpa, PAGE, life, 0).value == PAGE;
	ck_assert_msg(good, "the guest finds other bytes than life %llu in page %d of file %d",
		      (unsigned long long)life, page, index);
}

static void convert_some(int index, int first, int count, uint64_t policy)
{
	struct model_file *file = &files[index];
	bool private = next_random(&seed) & 1;

	must_give(convert_with(file->fd, (uint64_t)first * PAGE, (uint64_t)count * PAGE,
			       private ? PRIVATE : SHARED, policy),
		  0);
	for (int page = first; page < first + count; page++) {
		file->private[page] = private;
		if (policy == ZERO)
			file->life[page] = 0;
	}
}

static void step(void)
{
	int index = (int)random_below(&seed, NR_FILES);
	int first = (int)random_below(&seed, FILE_PAGES);
	int count = 1 + (int)random_below(&seed, (uint64_t)(FILE_PAGES - first));
	struct model_file *file = &files[index];

	switch (random_below(&seed, 12)) {
	case 0:
	case 1:
		must_give(punch(file->fd, (uint64_t)first * PAGE, (uint64_t)count * PAGE), 0);
		memset(file->life + first, 0, (size_t)count * sizeof(file->life[0]));
		break;
	case 2:
		must_give(allocate(file->fd, (uint64_t)first * PAGE, (uint64_t)count * PAGE), 0);
		break;
	case 3:
		close_file(index);
		open_file(index);
		break;
	case 4:
		convert_some(index, first, count, ZERO);
		break;
	case 5:
		convert_some(index, first, count, PRESERVE);
		break;
	case 6:
	case 7:
		convert_some(index, first, count, 0);
		break;
	case 8:
		dirty_free_memory();
		break;
	default:
		for (int page = first; page < first + count; page++)
			fill(index, page);
	}
	for (int i = 0; i < 4; i++)
		check_page((int)random_below(&seed, NR_FILES),
			   (int)random_below(&seed, FILE_PAGES));
}

START_TEST(no_page_shows_the_bytes_of_another_life)
{
	new_guest();
	seed = test_seed();
	for (int index = 0; index < NR_FILES; index++)
		open_file(index);
	for (int i = 0; i < (in_a_hurry() ? 150 : 2000); i++)
		step();
	for (int index = 0; index < NR_FILES; index++) {
		for (int page = 0; page < FILE_PAGES; page++)
			check_page(index, page);
		close_file(index);
	}
	guestvm_destroy(guest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("contents");
	TCase *preserved = new_case(suite, "preserved");
	TCase *failed = new_case(suite, "failed");
	TCase *lives_case = new_case(suite, "lives");

	need_in_place();
	if (!system_capability(GMEM_CAP_CONTENT_POLICIES) || !system_capability(GMEM_CAP_QUERY))
		skip_all("this kernel has no content policies or no query of state");
	test_seed();
	tcase_add_checked_fixture(preserved, open_shared, close_all);
	tcase_add_loop_test(preserved, preserve_keeps_the_checksum_of_every_page, 0, 4);
	tcase_add_checked_fixture(failed, open_shared, close_all);
	tcase_add_loop_test(failed, a_failed_conversion_changes_no_state_and_no_byte, 0,
			    NR_FAILURES);
	tcase_add_test(lives_case, no_page_shows_the_bytes_of_another_life);
	return run_suite(suite);
}
