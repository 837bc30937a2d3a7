/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Capability levels on a real kernel that has everything: what a program finds at each of them, and
 * that the environment variable reaches a program that knows nothing of levels.
 *
 * level --probe: prints the features of a VM with private memory, for the test itself.
 */
#include "library.h"
#include "lib/uapi/live_update.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * What a VM with private memory, and one without, is offered at each level, as letters. Live update
 * is also up to how the kernel was started: see offered().
 */
static const struct {
	const char *level;
	const char *protected, *ordinary;
} levels[] = {
	{ "none", "---p-------", "-----------" },
	{ "create", "c--p-------", "c----------" },
	{ "map", "cm-p-------", "cms--------" },
	{ "convert", "cmsp-ic----", "cms--i-----" },
	{ "policy", "cmsp-icp---", "cms--i-----" },
	{ "query", "cmsp-icpq--", "cms--i--q--" },
	{ "live-update", "cmsp-icpql-", "cms--i--ql-" },
	{ "mixed", "cmsp-icpqlx", "cms--i--qlx" },
	{ "full", "cmsp-icpqlx", "cms--i--qlx" },
};
#define NR_LEVELS ((int)(sizeof(levels) / sizeof(levels[0])))

static const char letters[] = "cmspvicpqlx";

/* What the table says, without what live update lacks on this kernel. */
static const char *offered(const char *features)
{
	int live_update = system_capability(GMEM_CAP_LIVE_UPDATE);
	static char text[64];

	snprintf(text, sizeof(text), "%s", features);
	if (text[GMEM_FEATURE_LIVE_UPDATE] == 'l' && !(live_update & 1))
		text[GMEM_FEATURE_LIVE_UPDATE] = '-';
	if (text[GMEM_FEATURE_MIXED] == 'x' && live_update != 3)
		text[GMEM_FEATURE_MIXED] = '-';
	return text;
}

static void write_features(unsigned int vm_type, char *text)
{
	struct gmem_probe *probe;
	int i, vm = new_vm(vm_type);

	must(gmem_probe_new(vm, NULL, &probe, report), 0);
	for (i = 0; letters[i]; i++) {
		text[i] = gmem_probe_has(probe, (enum gmem_feature)i) ? letters[i] : '-';
	}
	text[i] = '\0';
	gmem_probe_free(probe);
	close(vm);
}

START_TEST(each_level_offers_what_its_kernel_would)
{
	char text[sizeof(letters)];
	enum gmem_level level;

	must(gmem_level_parse(levels[_i].level, &level), 0);
	must(gmem_level_set(level), 0);
	write_features(VM_PROTECTED, text);
	ck_assert_str_eq(text, offered(levels[_i].protected));
	write_features(VM_DEFAULT, text);
	ck_assert_str_eq(text, offered(levels[_i].ordinary));
}
END_TEST

START_TEST(calls_do_what_the_probe_says)
{
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };
	enum gmem_state state = GMEM_STATE_SHARED;
	const char *has = levels[_i].protected;
	int vm = new_vm(VM_PROTECTED);
	struct gmem *gmem, *shared;
	enum gmem_level level;
	void *address;

	must(gmem_level_parse(levels[_i].level, &level), 0);
	must(gmem_level_set(level), 0);
	must(gmem_create(vm, PAGE, &options, &gmem, report), has[1] == 'm' ? 0 : -EOPNOTSUPP);
	if (has[1] != 'm') {
		must(gmem_create(vm, PAGE, NULL, &gmem, report), has[0] == 'c' ? 0 : -EOPNOTSUPP);
		if (has[0] == 'c')
			gmem_release(gmem);
		close(vm);
		return;
	}
	options.init = GMEM_INIT_SHARED;
	must(gmem_create(vm, PAGE, &options, &shared, report), has[2] == 's' ? 0 : -EOPNOTSUPP);
	if (has[2] == 's')
		gmem_release(shared);
	must(gmem_map(gmem, 0, PAGE, NULL, &address, report), 0);
	must(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, NULL, report),
	     has[6] == 'c' ? 0 : -EOPNOTSUPP);
	must(gmem_get_state(gmem, 0, &state, report), has[8] == 'q' ? 0 : -EOPNOTSUPP);
	ck_assert_int_eq(state, GMEM_STATE_SHARED);
	/* Whatever the level says, the page is what the kernel has made of it. */
	ck_assert_int_eq(try_read(address, &(uint8_t){ 0 }), has[6] == 'c');
	must(gmem_unmap(address, PAGE, report), 0);
	gmem_release(gmem);
	close(vm);
}
END_TEST

static const struct {
	const char *value, *output;
	int status;
} environments[] = {
	{ "convert", "cmsp-ic----\n", 0 },
	{ "full", "cmsp-icpqlx\n", 0 },
	{ "", "cmsp-icpqlx\n", 0 },
	{ "covert", "EINVAL level-name\n", 1 },
};

START_TEST(the_environment_reaches_every_program)
{
	char output[64] = "", program[4096] = "", command[5000];
	FILE *child;
	size_t n;
	int status;

	ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	ck_assert_int_eq(setenv("GMEM_LEVEL", environments[_i].value, 1), 0);
	snprintf(command, sizeof(command), "'%s' --probe", program);
	child = popen(command, "r");
	ck_assert_ptr_nonnull(child);
	n = fread(output, 1, sizeof(output) - 1, child);
	output[n] = '\0';
	status = pclose(child);
	ck_assert_str_eq(output, offered(environments[_i].output));
	ck_assert_int_eq(WEXITSTATUS(status), environments[_i].status);
}
END_TEST

/* A program that knows nothing of levels; no test, so that it can assert nothing. */
static int print_features(void)
{
	int i, r, kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(kvm, GMEM_UAPI_CREATE_VM, (unsigned long)VM_PROTECTED);
	char text[sizeof(letters)] = "";
	struct gmem_probe *probe;

	if (vm < 0 || gmem_error_new(&report) < 0)
		return 2;
	r = gmem_probe_new(vm, NULL, &probe, report);
	if (r < 0) {
		printf("%s %s\n", gmem_error_name(r), gmem_error_get_cause(report));
		gmem_error_free(report);
		return 1;
	}
	for (i = 0; letters[i]; i++)
		text[i] = gmem_probe_has(probe, (enum gmem_feature)i) ? letters[i] : '-';
	puts(text);
	gmem_probe_free(probe);
	gmem_error_free(report);
	return 0;
}

int main(int argc, char **argv)
{
	Suite *suite;
	TCase *tests;

	if (argc == 2 && !strcmp(argv[1], "--probe"))
		return print_features();
	suite = suite_create("library-level");
	tests = library_case(suite, "levels");
	need_in_place();
	tcase_add_loop_test(tests, each_level_offers_what_its_kernel_would, 0, NR_LEVELS);
	tcase_add_loop_test(tests, calls_do_what_the_probe_says, 0, NR_LEVELS);
	tcase_add_loop_test(tests, the_environment_reaches_every_program, 0, 4);
	return run_suite(suite);
}
