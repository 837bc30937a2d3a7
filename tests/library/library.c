/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "library.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct gmem_error *report;

static void begin(void)
{
	must_give(gmem_error_new(&report), 0);
	must_give(gmem_level_set(GMEM_LEVEL_FULL), 0);
}

static void end(void)
{
	gmem_error_free(report);
}

TCase *library_case(Suite *suite, const char *name)
{
	TCase *tests = new_case(suite, name);

	tcase_add_checked_fixture(tests, begin, end);
	return tests;
}

const char *explain_report(void)
{
	static char text[1024];

	if (!gmem_error_get_code(report))
		return "(no report)";
	gmem_error_explain(report, text, sizeof(text));
	return text;
}

struct file open_file(unsigned int vm_type, uint64_t size, enum gmem_init init)
{
	struct gmem_create_options options = { .size = sizeof(options), .init = init };
	struct file file = { .vm = new_vm(vm_type), .size = size };
	void *mapped;

	options.mappable = 1;
	must(gmem_create(file.vm, size, &options, &file.gmem, report), 0);
	must(gmem_map(file.gmem, 0, size, NULL, &mapped, report), 0);
	file.mapped = mapped;
	return file;
}

void close_file(struct file *file)
{
	must(gmem_unmap(file->mapped, file->size, report), 0);
	gmem_release(file->gmem);
	close(file->vm);
}

void imitate(const char *name)
{
	int fd = open("/sys/module/kvm/parameters/gmem_imitate", O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "no parameter gmem_imitate: %s", strerror(errno));
	ck_assert_int_eq(write(fd, name, strlen(name)), (ssize_t)strlen(name));
	close(fd);
}

void must_be(const struct file *file, uint64_t offset, uint64_t size, enum gmem_state state)
{
	struct gmem_extent expected = { .offset = offset, .size = size, .state = state };
	struct gmem_extent difference = { 0 };
	bool equal = false;

	must(gmem_compare(file->gmem, &expected, 1, &equal, &difference, report), 0);
	ck_assert_msg(equal, "0x%" PRIx64 " to 0x%" PRIx64 " is %s", difference.offset,
		      difference.offset + difference.size, gmem_state_name(difference.state));
}
