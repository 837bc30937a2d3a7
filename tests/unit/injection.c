/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Every system call of every function fails once, with every errno; and two of them in one call.
 *
 * Functions run on a model of a kernel that works and counts what is open and mapped. Each is run
 * once to see that it succeeds and how many system calls that takes. Then it is run again for each
 * of these calls and each errno. Whatever happens, the result is documented, the report says it,
 * outputs are untouched, nothing leaks, and the next call works as if nothing had been.
 *
 * GMEM_INJECTION=short: every call still, but only the errnos that the library knows by name, and
 * two it does not. The others take the same way through the code, and valgrind is slow.
 */
#include <stdlib.h>
#include <string.h>
#include "injection.h"
#include "unit.h"

/* The calls to fail, counted from 1; 0 fails none. */
static struct failure {
	int call, code;
} failures[2];
static int calls, injected;

bool injects(int code)
{
	return failures[0].code == code || failures[1].code == code;
}

bool fails(int *ret_code)
{
	int i;

	calls++;
	for (i = 0; i < COUNT(failures); i++) {
		if (failures[i].call == calls) {
			injected++;
			*ret_code = failures[i].code;
			return true;
		}
	}
	return false;
}

/* A file that stands for all tests, and one on a kernel without policies. */
struct gmem *gmem;
static struct gmem *plain;

static int run_create(void)
{
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };
	struct gmem *made = (struct gmem *)ADDRESS;
	int r = gmem_create(VM_FD, FILE_SIZE, &options, &made, report);

	if (r < 0) {
		ck_assert_ptr_eq(made, ADDRESS);
		return r;
	}
	ck_assert_int_eq(open_files, 1);
	gmem_release(made);
	return r;
}

static int run_create_at_a_level(void)
{
	struct gmem_create_options options = { .size = sizeof(options), .init = GMEM_INIT_SHARED };
	struct gmem *made = (struct gmem *)ADDRESS;
	int r;

	/* The level has the VM looked at, whose private memory then refuses what is asked for. */
	gmem_level_set(GMEM_LEVEL_MAP);
	r = gmem_create(VM_FD, FILE_SIZE, &options, &made, report);
	gmem_level_set(GMEM_LEVEL_FULL);
	if (r == 0)
		gmem_release(made);
	else
		ck_assert_ptr_eq(made, ADDRESS);
	return r == -EOPNOTSUPP ? 0 : r;
}

static int run_adopt(void)
{
	struct gmem *made = (struct gmem *)ADDRESS;
	int r;

	open_files++;
	r = gmem_adopt(GMEM_FD, NULL, &made, report);
	/* On failure the file is the caller's. */
	ck_assert_int_eq(open_files, 1);
	if (r < 0) {
		ck_assert_ptr_eq(made, ADDRESS);
		open_files--;
		/* The one mapping that cannot be taken back is that which munmap() refused. */
		if (!strcmp(gmem_error_get_system_call(report), "munmap"))
			mappings--;
		return r;
	}
	gmem_release(made);
	return r;
}

static int run_probe(void)
{
	struct gmem_probe *made = (struct gmem_probe *)ADDRESS;
	int r = gmem_probe_new(VM_FD, NULL, &made, report);

	if (r < 0)
		ck_assert_ptr_eq(made, ADDRESS);
	else
		gmem_probe_free(made);
	return r;
}

static int run_convert(void)
{
	return gmem_convert(gmem, 0, 2 * PAGE, GMEM_STATE_PRIVATE, NULL, report);
}

static int convert_with(struct gmem *file, enum gmem_policy policy, bool emulate)
{
	enum gmem_guarantee guarantee = (enum gmem_guarantee)77;
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.policy = policy,
		.step_size = PAGE,
		.ret_guarantee = &guarantee,
		.emulate = emulate,
	};
	int r = gmem_convert(file, 0, 3 * PAGE, GMEM_STATE_SHARED, &options, report);

	if (r == 0) {
		ck_assert_int_eq(guarantee,
				 emulate ? GMEM_GUARANTEE_EMULATED : GMEM_GUARANTEE_NATIVE);
		return 0;
	}
	ck_assert_int_eq(guarantee, 77);
	/* Steps before the one that failed are done: two calls each if one of them discards. */
	if (failures[0].code != -EAGAIN && failures[0].code != -EINTR)
		ck_assert_uint_eq(gmem_error_get_done(report),
				  (uint64_t)((failures[0].call - 1) / (emulate ? 2 : 1)) * PAGE);
	return r;
}

static int run_convert_in_steps(void)
{
	return convert_with(gmem, GMEM_POLICY_PRESERVE, false);
}

static int run_convert_emulating(void)
{
	return convert_with(plain, GMEM_POLICY_ZERO, true);
}

static int run_allocate(void)
{
	return gmem_allocate(gmem, 0, FILE_SIZE, NULL, report);
}

static int run_discard(void)
{
	return gmem_discard(gmem, 0, FILE_SIZE, report);
}

static int run_map(void)
{
	void *address = &calls;
	int r = gmem_map(gmem, 0, PAGE, NULL, &address, report);

	if (r < 0)
		ck_assert_ptr_eq(address, &calls);
	else
		mappings--;
	return r;
}

static int run_unmap(void)
{
	int r;

	mappings++;
	r = gmem_unmap(ADDRESS, PAGE, report);
	/* It is still there, and still the caller's. */
	if (r < 0)
		mappings--;
	return r;
}

static int run_query(void)
{
	struct gmem_query_options options = { .size = sizeof(options), .batch = 1 };
	struct gmem_extent extent = { .offset = 77 };
	struct gmem_query *query;
	uint64_t offset = 0;
	int r, failed = 0;

	ck_assert_int_eq(gmem_query_new(gmem, 0, 4 * PAGE, &options, &query, report), 0);
	/* A failure loses no extent: the query goes on. */
	while ((r = gmem_query_next(query, &extent, report)) != -ENODATA) {
		if (r < 0) {
			ck_assert_uint_eq(extent.offset, offset ? offset - PAGE : 77);
			ck_assert_int_eq(failed < COUNT(failures), true);
			failed++;
			if (failures[1].call == 0)
				ck_assert_int_eq(r, gmem_error_get_code(report));
			continue;
		}
		ck_assert_uint_eq(extent.offset, offset);
		offset += extent.size;
	}
	ck_assert_uint_eq(offset, 4 * PAGE);
	gmem_query_free(query);
	return failed ? gmem_error_get_code(report) : 0;
}

static int run_get_state(void)
{
	enum gmem_state state = (enum gmem_state)77;
	int r = gmem_get_state(gmem, PAGE, &state, report);

	ck_assert_int_eq(state, r < 0 ? 77 : GMEM_STATE_PRIVATE);
	return r;
}

static int run_compare(void)
{
	struct gmem_extent expected = { 0, 4 * PAGE, 0, GMEM_STATE_SHARED, 0 };
	struct gmem_extent difference = { .offset = 77 };
	bool equal = true;
	int r = gmem_compare(gmem, &expected, 1, &equal, &difference, report);

	ck_assert_int_eq(equal, r < 0);
	ck_assert_uint_eq(difference.offset, r < 0 ? 77 : PAGE);
	return r;
}

#define FUNCTION(name, run, count)                                                                 \
	{                                                                                          \
#name, (const int[])DOCUMENTED_##name, run, count                                  \
	}

static const struct function {
	const char *name;
	const int *documented;
	/* runs it once, checks its outputs, takes back what it made */
	int (*run)(void);
	/* system calls on success, with those of taking back; a change wants a look at the test */
	int calls;
} functions[] = {
	FUNCTION(gmem_create, run_create, 4),
	FUNCTION(gmem_create, run_create_at_a_level, 1),
	FUNCTION(gmem_adopt, run_adopt, 7),
	FUNCTION(gmem_probe_new, run_probe, 11),
	FUNCTION(gmem_convert, run_convert, 1),
	FUNCTION(gmem_convert, run_convert_in_steps, 3),
	FUNCTION(gmem_convert, run_convert_emulating, 6),
	FUNCTION(gmem_allocate, run_allocate, 4),
	FUNCTION(gmem_discard, run_discard, 1),
	FUNCTION(gmem_map, run_map, 1),
	FUNCTION(gmem_unmap, run_unmap, 1),
	FUNCTION(gmem_query_next, run_query, 4),
	FUNCTION(gmem_get_state, run_get_state, 1),
	FUNCTION(gmem_compare, run_compare, 3),
	FUNCTION(gmem_populate, run_populate, 25),
	FUNCTION(gmem_populate, run_populate_private, 12),
	FUNCTION(gmem_populate_memory, run_populate_memory, 3),
	FUNCTION(gmem_numa_place, run_numa_place, 9),
	FUNCTION(gmem_numa_place_guest, run_numa_place_guest, 18),
	FUNCTION(gmem_numa_count, run_numa_count, 8),
	FUNCTION(gmem_batch_new, run_batch_new, 4),
	FUNCTION(gmem_batch_finish, run_batch_in_ring, 6),
	FUNCTION(gmem_batch_finish, run_batch_in_threads, 4),
	FUNCTION(gmem_session_create, run_session_create, 4),
	FUNCTION(gmem_session_retrieve, run_session_retrieve, 4),
	FUNCTION(gmem_session_adopt, run_session_adopt, 4),
	FUNCTION(gmem_session_finish, run_session_finish, 1),
	FUNCTION(gmem_preserve_vm, run_preserve_vm, 3),
	FUNCTION(gmem_preserve, run_preserve, 2),
	FUNCTION(gmem_preserve_fd, run_preserve_fd, 1),
	FUNCTION(gmem_get_live_update, run_get_live_update, 1),
	FUNCTION(gmem_retrieve_vm, run_retrieve_vm, 3),
	FUNCTION(gmem_retrieve_fd, run_retrieve_fd, 1),
	FUNCTION(gmem_retrieve, run_retrieve, 12),
	FUNCTION(gmem_blob_add_file, run_blob_add_file, 4),
	FUNCTION(gmem_preserve_blob, run_preserve_blob, 6),
	FUNCTION(gmem_retrieve_blob, run_retrieve_blob, 6),
	FUNCTION(gmem_store_push, run_store_push, 3),
	FUNCTION(gmem_store_take, run_store_take, 4),
	FUNCTION(gmem_store_remove, run_store_remove, 3),
};

static void inject(struct failure first, struct failure second)
{
	failures[0] = first;
	failures[1] = second;
	calls = 0;
	injected = 0;
	stuck = 0;
}

static const struct failure none = { 0, 0 };

static bool is_documented(const struct function *f, int result)
{
	const int *code;

	for (code = f->documented; *code; code++) {
		if (result == -*code)
			return true;
	}
	return result == 0;
}

/* Runs the function with the failures that were injected. */
static void check_failing_run(const struct function *f)
{
	struct gmem_error *fresh;
	const char *what;
	int r;

	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&fresh), 0);
	report = fresh;
	r = f->run();
	what = gmem_error_name(failures[0].code);
	ck_assert_msg(is_documented(f, r), "%s: %d (%s) for %s (%d) of call %d", f->name, r,
		      gmem_error_name(r), what, failures[0].code, failures[0].call);
	ck_assert_msg(injected > 0, "%s: call %d never came", f->name, failures[0].call);
	if (r < 0) {
		ck_assert_int_eq(gmem_error_get_code(report), r);
		ck_assert_str_eq(gmem_error_get_call(report), f->name);
		/* What came out of a session can be wrong without a call that says so. */
		if (r != -EBADMSG)
			ck_assert_ptr_nonnull(gmem_error_get_system_call(report));
		ck_assert_str_ne(gmem_error_get_cause(report), "none");
	}
	ck_assert_msg(open_files == 0, "%s: %s of call %d leaves a file open", f->name, what,
		      failures[0].call);
	ck_assert_msg(mappings == 0, "%s: %s of call %d leaves a mapping", f->name, what,
		      failures[0].call);
}

static void check_working_run(const struct function *f)
{
	inject(none, none);
	ck_assert_msg(f->run() == 0, "%s: does not work afterwards", f->name);
	ck_assert_int_eq(calls, f->calls);
	ck_assert_int_eq(open_files, 0);
	ck_assert_int_eq(mappings, 0);
}

/* What the library tells apart, anywhere in lib/; and one that it does not, and one that nobody
 * has. */
static const int named_codes[] = {
	EAFNOSUPPORT, EALREADY,	 EBADMSG, EBUSY,    ECONNREFUSED, EEXIST, EFBIG,      EISDIR,
	ENOBUFS,      ENOENT,	 ENOSPC,  ENOTCONN, ENOTDIR,	  ENXIO,  EPROTOTYPE, ESPIPE,
	ETOOMANYREFS, E2BIG,	 EACCES,  EAGAIN,   EBADE,	  EBADF,  ECANCELED,  EHWPOISON,
	EINTR,	      EINVAL,	 EMFILE,  ENFILE,   ENODATA,	  ENODEV, ENOMEM,     ENOTTY,
	EOPNOTSUPP,   EOVERFLOW, EPERM,	  ENOSYS,   EFAULT,	  EIO,	  134,
};

/* Those by which the library finds out why, goes on, or cleans up. */
static const int first_codes[] = { EINVAL, EAGAIN, ENOMEM, ENOTTY, EINTR, EPERM, ENODEV };

/* The errnos to fail with: 1 to 134, or fewer. */
struct codes {
	const int *list; /* NULL: all */
	int count;
};

static struct codes codes_or(const int *few, int count)
{
	const char *wanted = getenv("GMEM_INJECTION");

	if (wanted && !strcmp(wanted, "short"))
		return (struct codes){ few, count };
	ck_assert_msg(!wanted, "GMEM_INJECTION is short or not set");
	return (struct codes){ NULL, 134 };
}

static int code_at(const struct codes *codes, int i)
{
	return codes->list ? codes->list[i] : i + 1;
}

START_TEST(each_system_call_fails_once_with_each_errno)
{
	const struct codes codes = codes_or(named_codes, COUNT(named_codes));
	const struct function *f = &functions[_i];
	int call, i;

	check_working_run(f);
	for (call = 1; call <= f->calls; call++) {
		for (i = 0; i < codes.count; i++) {
			inject((struct failure){ call, -code_at(&codes, i) }, none);
			check_failing_run(f);
			check_working_run(f);
		}
	}
}
END_TEST

START_TEST(a_second_system_call_fails_on_the_way_out)
{
	/* The first of those above: what is refused, and what is tried again. */
	const struct codes codes = codes_or(first_codes, 3);
	const struct function *f = &functions[_i];
	int call, first, second, i;

	for (call = 1; call <= f->calls; call++) {
		for (first = 0; first < (codes.list ? 3 : COUNT(first_codes)); first++) {
			for (second = call + 1; second <= call + 3; second++) {
				for (i = 0; i < codes.count; i++) {
					inject((struct failure){ call, -first_codes[first] },
					       (struct failure){ second, -code_at(&codes, i) });
					check_failing_run(f);
				}
			}
		}
	}
	check_working_run(f);
}
END_TEST

static void begin(void)
{
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };

	gmem_sys = &model;
	gmem_uring = &model_uring;
	gmem_node_parser = &model_node_parser;
	memset(loaded, 'x', sizeof(loaded));
	inject(none, none);
	ck_assert_int_eq(gmem_create(VM_FD, FILE_SIZE, &options, &gmem, report), 0);
	/* The last call is the question for policies: it is not known, so there are none. */
	inject((struct failure){ 3, -EPERM }, none);
	ck_assert_int_eq(gmem_create(VM_FD, FILE_SIZE, &options, &plain, report), 0);
	inject(none, none);
	begin_live_update();
	open_files = 0;
}

static void end(void)
{
	inject(none, none);
	gmem_release(gmem);
	gmem_release(plain);
	end_live_update();
}

Suite *unit_suite(void)
{
	Suite *suite = suite_create("injection");
	TCase *tests = scripted_case(suite, "failing system calls");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, each_system_call_fails_once_with_each_errno, 0,
			    COUNT(functions));
	tcase_add_loop_test(tests, a_second_system_call_fails_on_the_way_out, 0, COUNT(functions));
	return suite;
}
