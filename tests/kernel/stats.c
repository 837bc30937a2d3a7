/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the kernel tells of conversions: the lines of fdinfo and the events of tracefs, against what
 * was done.
 */
#include "command.h"
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACEFS "/sys/kernel/tracing"
#define EVENTS	TRACEFS "/events/kvm/"

static int vm, gmem;
static uint8_t *mapped;

static void open_all(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
}

static void close_all(void)
{
	munmap(mapped, FILE_SIZE);
	close(gmem);
	close(vm);
}

/* ---- fdinfo ---- */

struct told {
	uint64_t size, flags, allocated, frozen, private, shared, to_private, to_shared, busy,
		failed;
};

static struct told fdinfo(int file)
{
	struct told told;
	const struct {
		const char *name;
		uint64_t *value;
	} lines[] = {
		{ "gmem-size", &told.size },
		{ "gmem-flags", &told.flags },
		{ "gmem-allocated", &told.allocated },
		{ "gmem-frozen", &told.frozen },
		{ "gmem-private", &told.private },
		{ "gmem-shared", &told.shared },
		{ "gmem-to-private", &told.to_private },
		{ "gmem-to-shared", &told.to_shared },
		{ "gmem-busy", &told.busy },
		{ "gmem-failed", &told.failed },
	};
	char path[64], line[128];
	size_t found = 0;
	FILE *from;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", file);
	from = fopen(path, "re");
	ck_assert(from != NULL);
	while (fgets(line, sizeof(line), from)) {
		char name[64];
		long long value;

		if (sscanf(line, "%63[^:]:%lli", name, &value) != 2)
			continue;
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
			if (!strcmp(name, lines[i].name)) {
				*lines[i].value = (uint64_t)value;
				found++;
			}
		}
	}
	fclose(from);
	/* Each of them once. */
	ck_assert_uint_eq(found, sizeof(lines) / sizeof(lines[0]));
	return told;
}

START_TEST(the_capability_tells_what_there_is)
{
	ck_assert_int_eq(system_capability(GMEM_CAP_STATS),
			 GMEM_UAPI_STATS_FDINFO | GMEM_UAPI_STATS_TRACEPOINTS);
	ck_assert_int_eq(vm_capability(vm, GMEM_CAP_STATS),
			 GMEM_UAPI_STATS_FDINFO | GMEM_UAPI_STATS_TRACEPOINTS);
}
END_TEST

START_TEST(a_new_file_is_described)
{
	struct told told = fdinfo(gmem);
	int private = new_gmem(vm, 3 * PAGE, INIT_PRIVATE);

	ck_assert_uint_eq(told.size, FILE_SIZE);
	ck_assert_uint_eq(told.flags, MAPPABLE | INIT_SHARED);
	ck_assert_uint_eq(told.allocated, 0);
	ck_assert_uint_eq(told.frozen, 0);
	ck_assert_uint_eq(told.private, 0);
	ck_assert_uint_eq(told.shared, FILE_SIZE);
	ck_assert(!told.to_private && !told.to_shared && !told.busy && !told.failed);
	told = fdinfo(private);
	ck_assert_uint_eq(told.size, 3 * PAGE);
	ck_assert_uint_eq(told.flags, 0);
	ck_assert_uint_eq(told.private, 3 * PAGE);
	ck_assert_uint_eq(told.shared, 0);
	close(private);
}
END_TEST

START_TEST(memory_is_counted_when_it_is_allocated_and_freed)
{
	must_give(allocate(gmem, PAGE, 5 * PAGE), 0);
	ck_assert_uint_eq(fdinfo(gmem).allocated, 5 * PAGE);
	must_give(punch(gmem, 2 * PAGE, 2 * PAGE), 0);
	must_write(mapped, 1);
	ck_assert_uint_eq(fdinfo(gmem).allocated, 4 * PAGE);
}
END_TEST

START_TEST(random_conversions_are_counted)
{
	uint64_t random = test_seed(), to[2] = { 0 };
	bool is_private[NPAGE] = { false };
	struct ring ring;

	must_give(ring_open(&ring), 0);
	for (int round = 0; round < 200; round++) {
		uint64_t first = random_below(&random, NPAGE);
		struct gmem_uapi_attributes attributes = {
			.offset = first * PAGE,
			.size = (1 + random_below(&random, NPAGE - first)) * PAGE,
			.attributes = next_random(&random) & 1 ? PRIVATE : SHARED,
		};
		struct gmem_uapi_conversion one = {
			.offset = attributes.offset,
			.size = attributes.size,
			.attributes = attributes.attributes,
		};
		struct told told;
		uint64_t size = 0;

		switch (round % 3) {
		case 0:
			must_give(convert_raw(gmem, &attributes), 0);
			break;
		case 1:
			must_give(command_run(&ring, command_set(gmem, &attributes)), 0);
			break;
		case 2:
			must_give(command_run(&ring, command_convert(gmem, &one, 1, 0)), 0);
		}
		to[attributes.attributes == PRIVATE]++;
		for (uint64_t at = first; at < first + attributes.size / PAGE; at++)
			is_private[at] = attributes.attributes == PRIVATE;
		for (uint64_t page = 0; page < NPAGE; page++)
			size += is_private[page] ? PAGE : 0;
		told = fdinfo(gmem);
		ck_assert_uint_eq(told.private, size);
		ck_assert_uint_eq(told.shared, FILE_SIZE - size);
		ck_assert_uint_eq(told.to_private, to[1]);
		ck_assert_uint_eq(told.to_shared, to[0]);
		ck_assert(!told.busy && !told.failed);
	}
	ring_close(&ring);
}
END_TEST

START_TEST(thousands_of_extents_add_up)
{
	const uint64_t pages = 6000;
	int file = new_gmem(vm, pages * PAGE, INIT_SHARED);

	for (uint64_t page = 0; page < pages; page += 3)
		must_give(convert(file, page * PAGE, PAGE, PRIVATE), 0);
	ck_assert_uint_eq(fdinfo(file).private, pages / 3 * PAGE);
	ck_assert_uint_eq(fdinfo(file).shared, pages / 3 * 2 * PAGE);
	ck_assert_uint_eq(fdinfo(file).to_private, pages / 3);
	close(file);
}
END_TEST

static void imitate(const char *name)
{
	int fd = open("/sys/module/kvm/parameters/gmem_imitate", O_WRONLY | O_CLOEXEC);

	ck_assert(fd >= 0 && write(fd, name, strlen(name)) > 0);
	close(fd);
}

START_TEST(failures_are_counted_by_kind)
{
	struct gmem_uapi_attributes zero = {
		.size = PAGE,
		.attributes = PRIVATE,
		.flags = GMEM_UAPI_CONTENT_ZERO,
	};
	struct told told;
	int holder, ret;

	must_write(mapped + 3 * PAGE, 1);
	holder = pin(mapped + 3 * PAGE, PAGE);
	ck_assert_int_ge(holder, 0);
	for (int i = 0; i < 3; i++)
		must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), -EAGAIN);
	unpin(holder);
	imitate("tdx");
	ret = convert_raw(gmem, &zero);
	imitate("none");
	must_give(ret, -EOPNOTSUPP);
	/* No conversions at all. */
	must_give(convert(gmem, 1, PAGE, PRIVATE), -EINVAL);
	must_give(convert(gmem, FILE_SIZE, PAGE, PRIVATE), -EINVAL);
	told = fdinfo(gmem);
	ck_assert_uint_eq(told.busy, 3);
	ck_assert_uint_eq(told.failed, 1);
	ck_assert_uint_eq(told.to_private, 0);
	ck_assert_uint_eq(told.private, 0);
}
END_TEST

/* ---- events ---- */

static void need_tracefs(void)
{
	if (access(TRACEFS "/events", F_OK) && mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		skip_all("no tracefs: %s", strerror(errno));
	if (access(EVENTS "kvm_gmem_convert_end/enable", W_OK))
		skip_all("this kernel has no events of conversions");
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Events of our file only. */
static void start_trace(void)
{
	struct stat status;
	char filter[64];

	ck_assert(!fstat(gmem, &status));
	snprintf(filter, sizeof(filter), "ino == %" PRIu64, (uint64_t)status.st_ino);
	write_text(EVENTS "kvm_gmem_convert_begin/filter", filter);
	write_text(EVENTS "kvm_gmem_convert_end/filter", filter);
	write_text(TRACEFS "/trace", "");
	write_text(EVENTS "kvm_gmem_convert_begin/enable", "1");
	write_text(EVENTS "kvm_gmem_convert_end/enable", "1");
}

static void stop_trace(void)
{
	write_text(EVENTS "kvm_gmem_convert_begin/enable", "0");
	write_text(EVENTS "kvm_gmem_convert_end/enable", "0");
	write_text(EVENTS "kvm_gmem_convert_begin/filter", "0");
	write_text(EVENTS "kvm_gmem_convert_end/filter", "0");
}

/* The lines of the trace that are about conversions, from the name of the event on. */
static char events[64][256];

static int read_trace(void)
{
	FILE *from = fopen(TRACEFS "/trace", "re");
	char line[512], *at;
	int count = 0;

	ck_assert(from != NULL);
	while (fgets(line, sizeof(line), from)) {
		at = strstr(line, "kvm_gmem_convert_");
		if (line[0] == '#' || !at)
			continue;
		ck_assert_int_lt(count, 64);
		at[strcspn(at, "\n")] = '\0';
		snprintf(events[count++], sizeof(events[0]), "%s", at);
	}
	fclose(from);
	return count;
}

/* That an event is this request; *ret_duration of an end. */
static void must_be(const char *event, const char *kind, const char *request, const char *end)
{
	char expected[256];
	struct stat status;
	size_t length;

	ck_assert(!fstat(gmem, &status));
	snprintf(expected, sizeof(expected), "kvm_gmem_convert_%s: ino %" PRIu64 " %s%s", kind,
		 (uint64_t)status.st_ino, request, end);
	length = strlen(expected);
	ck_assert_msg(!strncmp(event, expected, length), "event '%s', expected '%s'", event,
		      expected);
	if (*end) {
		unsigned long long duration;

		ck_assert(sscanf(event + length, "duration %llu ns", &duration) == 1);
		ck_assert(duration > 0 && duration < 1000000000000ULL);
	} else {
		ck_assert_str_eq(event + length, "");
	}
}

START_TEST(each_conversion_has_a_begin_and_an_end)
{
	static const struct {
		uint64_t offset, size, state, policy;
		int result;
		const char *request, *end;
	} steps[] = {
		{ 0, PAGE, PRIVATE, 0, 0, "offset 0x0 size 0x1000 to private policy unspecified",
		  " result 0 error_offset 0x0 " },
		{ 0, FILE_SIZE, PRIVATE, GMEM_UAPI_CONTENT_PRESERVE, -EAGAIN,
		  "offset 0x0 size 0x10000 to private policy preserve",
		  " result -11 error_offset 0x3000 " },
		{ 0, 2 * PAGE, SHARED, GMEM_UAPI_CONTENT_ZERO, 0,
		  "offset 0x0 size 0x2000 to shared policy zero", " result 0 error_offset 0x0 " },
		{ PAGE, PAGE, SHARED, 0, 0,
		  "offset 0x1000 size 0x1000 to shared policy unspecified",
		  " result 0 error_offset 0x0 " },
	};
	const int count = sizeof(steps) / sizeof(steps[0]);
	int holder, other = new_gmem(vm, FILE_SIZE, 0);

	must_write(mapped + 3 * PAGE, 1);
	holder = pin(mapped + 3 * PAGE, PAGE);
	ck_assert_int_ge(holder, 0);
	start_trace();
	for (int i = 0; i < count; i++) {
		struct gmem_uapi_attributes attributes = {
			.offset = steps[i].offset,
			.size = steps[i].size,
			.attributes = steps[i].state,
			.flags = steps[i].policy,
		};

		must_give(convert_raw(gmem, &attributes), steps[i].result);
		must_give(convert(other, 0, PAGE, SHARED), 0);
		must_give(convert(gmem, 1, PAGE, PRIVATE), -EINVAL);
	}
	stop_trace();
	must_give(convert(gmem, 0, PAGE, PRIVATE), 0);
	unpin(holder);
	close(other);
	ck_assert_int_eq(read_trace(), 2 * count);
	for (int i = 0; i < count; i++) {
		must_be(events[2 * i], "begin", steps[i].request, "");
		must_be(events[2 * i + 1], "end", steps[i].request, steps[i].end);
	}
}
END_TEST

START_TEST(commands_have_events_too)
{
	struct gmem_uapi_conversion two[2] = {
		{ .size = PAGE, .attributes = PRIVATE },
		{ .offset = PAGE, .size = PAGE, .attributes = PRIVATE },
	};
	struct gmem_uapi_attributes one = { .size = PAGE };
	struct ring ring;

	must_give(ring_open(&ring), 0);
	start_trace();
	must_give(command_run(&ring, command_convert(gmem, two, 2, 0)), 0);
	must_give(command_run(&ring, command_set(gmem, &one)), 0);
	stop_trace();
	ring_close(&ring);
	ck_assert_int_eq(read_trace(), 6);
	must_be(events[1], "end", "offset 0x0 size 0x1000 to private policy unspecified",
		" result 0 error_offset 0x0 ");
	must_be(events[2], "begin", "offset 0x1000 size 0x1000 to private policy unspecified", "");
	must_be(events[5], "end", "offset 0x0 size 0x1000 to shared policy unspecified",
		" result 0 error_offset 0x0 ");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stats");
	TCase *fdinfos = new_case(suite, "fdinfo");
	TCase *traces = new_case(suite, "events");

	need_in_place();
	if (!system_capability(GMEM_CAP_STATS))
		skip_all("this kernel has no statistics of guest_memfd");
	need_tracefs();
	test_seed();
	tcase_add_checked_fixture(fdinfos, open_all, close_all);
	tcase_add_test(fdinfos, the_capability_tells_what_there_is);
	tcase_add_test(fdinfos, a_new_file_is_described);
	tcase_add_test(fdinfos, memory_is_counted_when_it_is_allocated_and_freed);
	tcase_add_test(fdinfos, random_conversions_are_counted);
	tcase_add_test(fdinfos, thousands_of_extents_add_up);
	tcase_add_test(fdinfos, failures_are_counted_by_kind);
	tcase_add_checked_fixture(traces, open_all, close_all);
	tcase_add_test(traces, each_conversion_has_a_begin_and_an_end);
	tcase_add_test(traces, commands_have_events_too);
	return run_suite(suite);
}
