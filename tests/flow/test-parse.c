/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Flows are read completely, every mistake is told with its place and with what was expected. */
#include "../quick-check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verb.h"

#define VM    "vm g\n"
#define FILE_ VM "file ram 1M shared mappable\n"
#define MAP_  FILE_ "map view ram\n"

static struct flow *flow;
static struct flow_mistake mistake;

static int parse(const char *text)
{
	memset(&mistake, 0, sizeof(mistake));
	flow_free(flow);
	flow = NULL;
	return flow_parse("test", text, strlen(text), &flow, &mistake);
}

static void teardown(void)
{
	flow_free(flow);
	flow = NULL;
}

/* Each with where the mistake is and a part of what is said about it. */
static const struct {
	const char *text;
	unsigned int line, column;
	const char *said;
} mistakes[] = {
	{ "", 1, 1, "expected a step" },
	{ "# nothing\n\n", 2, 1, "expected a step" },
	{ "frob x\n", 1, 1, "expected a verb (vm, require, slot, unslot, file, " },
	{ "frob x\n", 1, 1, "say, expect), got 'frob'" },
	{ VM "guest frob 0\n", 2, 7,
	  "one of read, write, fill, check, resume, share, unshare, request after 'guest', got "
	  "'frob'" },
	{ VM "expect frob 0\n", 2, 8, "one of error, refused, value, " },
	{ VM "host\n", 2, 1, "got nothing" },
	{ "file ram 1M shared\n", 1, 1, "expected a 'vm' line before" },
	{ "vm\n", 1, 3, "got the end of the line (usage: vm NAME" },
	{ "vm 1st\n", 1, 4, "expected a name for the VM" },
	{ "vm g-very-long-name-of-more-than-31-bytes\n", 1, 4, "expected a name for the VM" },
	{ "vm g type tdz\n", 1, 11,
	  "expected a VM type: default, sw-protected, sev, sev-es, snp, tdx" },
	{ "vm g type 32\n", 1, 11, "expected a VM type" },
	{ "vm g vcpus 0\n", 1, 1, "expected 1 to 64 vCPUs" },
	{ "vm g vcpus 65\n", 1, 1, "expected 1 to 64 vCPUs" },
	{ "vm g vcpus 1 vcpus 2\n", 1, 14, "one of the options type, got 'vcpus'" },
	{ "vm g blue\n", 1, 6, "one of the options type, vcpus, got 'blue'" },
	{ "vm g type 1 vcpus 1 blue\n", 1, 21, "the end of the line, got 'blue'" },
	{ VM "vm g\n", 2, 4, "line 1 gave it to a VM" },
	{ VM "file g 1M shared\n", 2, 6, "line 1 gave it to a VM" },
	{ VM "file ram 1M\n", 2, 12, "expected private|shared, got the end" },
	{ VM "file ram 1M secret\n", 2, 13, "expected private|shared, got 'secret'" },
	{ VM "file ram 1X shared\n", 2, 10, "expected size, a number" },
	{ VM "file ram -1 shared\n", 2, 10, "expected size, a number" },
	{ VM "file ram 0x shared\n", 2, 10, "expected size, a number" },
	{ VM "file ram \"1M\" shared\n", 2, 10, "expected size, a number" },
	{ VM "file ram 18446744073709551616 shared\n", 2, 10, "a number below 2^64" },
	{ VM "file ram 16777216T shared\n", 2, 10, "a number below 2^64" },
	{ VM "file ram 1M shared vm h\n", 2, 23, "expected the name of a VM (g), got 'h'" },
	{ VM "file ram 1M shared vm ram\n", 2, 23, "expected the name of a VM (g), got 'ram'" },
	{ FILE_ "slot 30000 ram at 0\n", 3, 1, "slot number below 30000" },
	{ FILE_ "slot 0 ram 0\n", 3, 12, "expected 'at', got '0'" },
	{ FILE_ "convert rom 0 4K private\n", 3, 9, "the name of a file (ram), got 'rom'" },
	{ FILE_ "convert g 0 4K private\n", 3, 9, "the name of a file (ram), got 'g'" },
	{ FILE_ "convert ram 0 4K private attempts 0\n", 3, 1, "1 to 4294967295 attempts" },
	{ FILE_ "convert ram 0 4K private attempts 4G\n", 3, 1, "1 to 4294967295 attempts" },
	{ FILE_ "convert ram 0 4K private timeout 1T\n", 3, 1, "milliseconds" },
	{ FILE_ "convert ram 0 4K private release r\n", 3, 34,
	  "name of a pin (there is none here)" },
	{ FILE_ "close ram\nconvert ram 0 4K private\n", 4, 9, "there is none here" },
	{ MAP_ "unmap view\nhost read view 0\n", 5, 11, "there is none here" },
	{ MAP_ "host fill view 0 4K\n", 4, 20, "'zero', 'value N' or 'seed N'" },
	{ MAP_ "host fill view 0 4K blue\n", 4, 21, "'zero', 'value N' or 'seed N'" },
	{ MAP_ "host fill view 0 4K seed\n", 4, 25, "a number" },
	{ MAP_ "host read view 0 now\n", 4, 18, "one of the options in, got 'now'" },
	{ MAP_ "host read view 0 in\n", 4, 20, "the name of a process (there is none here)" },
	{ MAP_ "host read view 0 in view\n", 4, 21, "the name of a process (there is none" },
	{ MAP_ "fork c\nend c\nhost read view 0 in c\n", 6, 21, "a process (there is none" },
	{ MAP_ "fork c\nhost read view 0 in d\n", 5, 21, "the name of a process (c), got 'd'" },
	{ MAP_ "fork view\n", 4, 6, "line 3 gave it to a mapping" },
	{ FILE_ "convert ram 0 4K private zero preserve\n", 3, 1, "not both" },
	{ FILE_ "convert ram 0 4K private emulate\n", 3, 1, "expected zero with emulate" },
	{ FILE_ "convert ram 0 4K private zero zero\n", 3, 31, "one of the options preserve, " },
	{ FILE_ "convert ram 0 4K private step\n", 3, 30, "expected step, a number" },
	{ VM "serve zero preserve\n", 2, 1, "not both" },
	{ FILE_ "query ram 0\n", 3, 12, "expected size, a number" },
	{ FILE_ "query ram 0 4K\nexpect state secret\n", 4, 14, "expected private|shared" },
	{ FILE_ "query ram 0 4K\nexpect state private allocated\n", 4, 31, "allocated, a number" },
	{ FILE_ "query ram 0 4K\nexpect extents 4K private\n", 4, 16, "text in double quotes" },
	{ FILE_ "query ram 0 4K\nexpect extents \"\"\n", 4, 1, "got none" },
	{ FILE_ "query ram 0 4K\nexpect extents \"4K\"\n", 4, 1, "size, state, comma" },
	{ FILE_ "query ram 0 4K\nexpect extents \"0 private\"\n", 4, 1, "size, state, comma" },
	{ FILE_ "query ram 0 4K\nexpect extents \"4K secret\"\n", 4, 1, "size, state, comma" },
	{ FILE_ "query ram 0 4K\nexpect extents \"4K private,\"\n", 4, 1, "size, state, comma" },
	{ FILE_ "query ram 0 4K\nexpect extents \"4K private, \"\n", 4, 1, "size, state, " },
	{ FILE_ "query ram 0 4K\nexpect extents \"4K private; 4K shared\"\n", 4, 1, "comma" },
	{ FILE_ "query ram 0 4K\nexpect extents \"4K shared, 4K shared\"\n", 4, 1,
	  "another state in each" },
	{ FILE_ "query ram 0 4K\nexpect extents \"4K shared, 0x1000 private\"\n", 0, 0, NULL },
	{ "level high\n", 1, 7,
	  "none|create|map|convert|policy|query|live-update|mixed|full, got 'high'" },
	{ VM "launch-update 1G\n", 2, 17, "expected value, a number" },
	{ VM "launch-update 0x40000008 1\n", 2, 1, "the address of a page of 4K" },
	{ "launch-update 1G 1\n", 1, 1, "expected a 'vm' line before" },
	{ "imitate sev\n", 1, 9, "expected none|scramble|tdx|snp-finalized, got 'sev'" },
	{ "imitate tdx\n", 0, 0, NULL },
	{ FILE_ "raw convert ram 0 4K\n", 3, 21, "expected attributes, a number" },
	{ FILE_ "raw convert ram 0 4K 8 on fire\n", 3, 27, "expected file|vm|kvm|vcpu|pipe|" },
	{ FILE_ "raw convert ram 0 4K 8 in 7\n", 3, 24, "one of the options flags, reserved, " },
	{ VM "session g\n", 2, 9, "line 1 gave it to a VM" },
	{ VM "preserve g s 1\n", 2, 10, "one of vm, file, blob after 'preserve', got 'g'" },
	{ VM "preserve vm g s 1\n", 2, 15, "the name of a session (there is none here), got 's'" },
	{ FILE_ "session s\npreserve file ram s\n", 4, 20, "expected token, a number" },
	{ FILE_ "session s\npreserve file ram s 1 private\n", 4, 23, "one of the options mixed" },
	{ VM "session s\nunpreserve s\npreserve vm g s 1\n", 4, 15, "there is none here" },
	{ VM "live-update\nguest read 0\n", 3, 1, "expected a 'vm' line before this one" },
	{ FILE_ "live-update\nclose ram\n", 4, 7, "the name of a file (there is none here)" },
	{ VM "session s\nlive-update\nfinish s\n", 4, 8, "there is none here" },
	{ VM "live-update\nexpect error ENOENT\n", 3, 1,
	  "what comes after line 2 is another kernel" },
	{ VM "live-update refused\nexpect error ENOENT\nguest read 0\n", 0, 0, NULL },
	{ VM "live-update soon\n", 2, 13, "one of the options refused, got 'soon'" },
	{ "retrieve session s\nretrieve vm g s 1 vcpus 65\n", 2, 1, "expected 1 to 64 vCPUs" },
	{ "retrieve session s\nretrieve file ram s 1\nslot 0 ram at 0\n", 3, 1,
	  "expected a 'vm' line" },
	{ VM "guest fill 1G 7 zero\n", 2, 1, "multiples of 8" },
	{ VM "guest check 8G 8 zero\n", 2, 1, "below 8 GiB" },
	{ VM "guest share 1G 100\n", 2, 1, "a multiple of 4K" },
	{ VM "expect sigbus\n", 0, 0, NULL }, /* a step is before it: fine */
	{ "say \"x\"\nexpect sigbus\n", 2, 1, "expected a step before this line" },
	{ "expect sigbus\n", 1, 1, "expected a step before this line" },
	{ VM "expect sigbus\nexpect sigbus\n", 3, 1, "line 2 tells already" },
	{ VM "expect error EFOO\n", 2, 14, "the name of an errno" },
	{ VM "expect error unknown\n", 2, 14, "the name of an errno" },
	{ VM "expect error\n", 2, 13, "the name of an errno" },
	{ "say hello\n", 1, 5, "text in double quotes" },
	{ "say \"hello\n", 1, 5, "no closing quote" },
	{ "say \"hello\"x\n", 1, 12, "a blank after the closing quote" },
	{ "say he\"llo\"\n", 1, 7, "a quote inside a word" },
	{ "vm g\r\n", 1, 5, "carriage return" },
	{ "say \"\033[2J\"\n", 1, 6, "0x1b is not printable" },
	{ "# \x80\n", 1, 3, "0x80 is not printable" },
	{ "# \xc0\x80\n", 1, 3, "0xc0 is not printable" },
	{ "# \xed\xa0\x80\n", 1, 3, "0xed is not printable" },
	{ "# \xc2\x9b\n", 1, 3, "0xc2 is not printable" },
	{ "# \xe2\x80\xae\n", 1, 3, "0xe2 is not printable" },
	{ "# \xe2\x82", 1, 3, "0xe2 is not printable" },
};

START_TEST(a_mistake_is_told_with_its_place_and_what_was_expected)
{
	int err = parse(mistakes[_i].text);

	if (!mistakes[_i].said) {
		ck_assert_msg(!err, "%s: %s", mistakes[_i].text, mistake.text);
		return;
	}
	ck_assert_int_eq(err, -EINVAL);
	ck_assert_ptr_null(flow);
	ck_assert_msg(strstr(mistake.text, mistakes[_i].said) != NULL, "'%s' said: %s",
		      mistakes[_i].text, mistake.text);
	ck_assert_msg(mistake.line == mistakes[_i].line && mistake.column == mistakes[_i].column,
		      "'%s' at %u:%u, expected %u:%u", mistakes[_i].text, mistake.line,
		      mistake.column, mistakes[_i].line, mistakes[_i].column);
}
END_TEST

static const struct {
	const char *word;
	int err;
	uint64_t number;
} numbers[] = {
	{ "0", 0, 0 },
	{ "4096", 0, 4096 },
	{ "0x1000", 0, 4096 },
	{ "0XfF", 0, 255 },
	{ "4K", 0, 4096 },
	{ "0x10K", 0, 16384 },
	{ "2M", 0, 2 << 20 },
	{ "3G", 0, 3ULL << 30 },
	{ "1T", 0, 1ULL << 40 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "0xffffffffffffffff", 0, UINT64_MAX },
	{ "16777215T", 0, 16777215ULL << 40 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "0x10000000000000000", -ERANGE, 0 },
	{ "18014398509481984K", -ERANGE, 0 },
	{ "99999999999999999999999999999999999", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "x", -EINVAL, 0 },
	{ "0x", -EINVAL, 0 },
	{ "K", -EINVAL, 0 },
	{ "4k", -EINVAL, 0 },
	{ "4KB", -EINVAL, 0 },
	{ "4 ", -EINVAL, 0 },
	{ "+4", -EINVAL, 0 },
	{ "-4", -EINVAL, 0 },
	{ "1e3", -EINVAL, 0 },
};

START_TEST(a_number_is_exact_or_refused)
{
	uint64_t number = 77;
	int err = flow_parse_number(numbers[_i].word, &number);

	ck_assert_msg(err == numbers[_i].err, "'%s': %d", numbers[_i].word, err);
	ck_assert_uint_eq(number, err ? 77 : numbers[_i].number);
}
END_TEST

START_TEST(a_step_has_the_arguments_of_its_line)
{
	const struct flow_step *step;

	ck_assert_int_eq(parse(FILE_ "\n  # a comment\n\tconvert  ram 4K 0x2000 private timeout 5 "
				     "attempts 9 # why\n"),
			 0);
	ck_assert_uint_eq(flow->steps, 3);
	step = &flow->step[2];
	ck_assert_str_eq(step->verb->name, "convert");
	ck_assert_uint_eq(step->line, 5);
	ck_assert_str_eq(step->text, "convert ram 4K 0x2000 private timeout 5 attempts 9");
	ck_assert_str_eq(flow->object[flow_number(step, "file", 99)].name, "ram");
	ck_assert_uint_eq(flow_number(step, "offset", 0), 4096);
	ck_assert_uint_eq(flow_number(step, "size", 0), 8192);
	ck_assert_uint_eq(flow_number(step, "state", 9), 0);
	ck_assert_uint_eq(flow_number(step, "attempts", 0), 9);
	ck_assert_uint_eq(flow_number(step, "timeout", 0), 5);
	ck_assert_ptr_null(flow_arg(step, "release"));
	ck_assert_uint_eq(step->vm, 0);
	ck_assert_uint_eq(step->expect.line, 0);
}
END_TEST

START_TEST(an_expectation_belongs_to_the_step_before)
{
	const struct flow_expect *expect;

	ck_assert_int_eq(parse(FILE_ "convert ram 0 4K private\nexpect error EAGAIN at 0x3000\n"
				     "guest read 0\n expect value 7\n guest read 0\n"
				     "expect memory-fault private at 4K\n"),
			 0);
	ck_assert_uint_eq(flow->steps, 5);
	expect = &flow->step[2].expect;
	ck_assert_int_eq(expect->outcome, FLOW_ERROR);
	ck_assert_int_eq(expect->err, EAGAIN);
	ck_assert(expect->has_offset);
	ck_assert_uint_eq(expect->offset, 0x3000);
	ck_assert_uint_eq(expect->line, 4);
	expect = &flow->step[3].expect;
	ck_assert(expect->outcome == FLOW_DONE && expect->has_value && expect->value == 7);
	ck_assert(!expect->extents && !expect->state && !expect->has_allocated);
	expect = &flow->step[4].expect;
	ck_assert(expect->outcome == FLOW_MEMORY_FAULT && expect->private_wanted &&
		  expect->has_offset && expect->offset == 4096);
}
END_TEST

START_TEST(a_query_expects_a_state_or_extents)
{
	const struct flow_expect *expect;

	ck_assert_int_eq(parse(FILE_ "query ram 0 8K\nexpect state private allocated 4K\n"
				     "query ram 0 8K\nexpect extents \"4K private, 4K shared\"\n"),
			 0);
	expect = &flow->step[2].expect;
	ck_assert(expect->outcome == FLOW_DONE && !expect->extents && expect->has_allocated);
	ck_assert_str_eq(expect->state, "private");
	ck_assert_uint_eq(expect->allocated, 4096);
	expect = &flow->step[3].expect;
	ck_assert(expect->outcome == FLOW_DONE && !expect->state && !expect->has_allocated);
	ck_assert_str_eq(expect->extents, "4K private, 4K shared");
}
END_TEST

START_TEST(a_name_means_the_vm_it_belongs_to)
{
	ck_assert_int_eq(parse("vm a\nfile ra 4K shared\nvm b\nfile rb 4K shared\n"
			       "file rc 4K shared vm a\nslot 0 rc at 0\nguest read 0\n"
			       "guest read 0 vm a\nslot 1 rb at 0 vm a\nsay \"x\"\n"),
			 0);
	ck_assert_uint_eq(flow->step[1].vm, 0);
	ck_assert_uint_eq(flow->step[3].vm, 2);
	ck_assert_uint_eq(flow->step[4].vm, 0);
	ck_assert_uint_eq(flow->step[5].vm, 0);
	ck_assert_uint_eq(flow->step[6].vm, 2);
	ck_assert_uint_eq(flow->step[7].vm, 0);
	ck_assert_uint_eq(flow->step[8].vm, 0);
}
END_TEST

START_TEST(a_released_name_is_free_again)
{
	ck_assert_int_eq(parse(MAP_ "unmap view\nmap view ram\nclose ram\nfile ram 4K private\n"),
			 0);
	ck_assert_uint_eq(flow->objects, 5);
}
END_TEST

START_TEST(a_live_update_ends_a_stage_and_all_names)
{
	size_t first, end;

	ck_assert_int_eq(parse(FILE_ "session s\nlive-update refused\nexpect error ENOENT\n"
				     "live-update\n" FILE_ "live-update\nsay \"x\"\n"),
			 0);
	ck_assert_uint_eq(flow->updates, 2);
	flow_stage(flow, 0, &first, &end);
	ck_assert(first == 0 && end == 5);
	flow_stage(flow, 1, &first, &end);
	ck_assert(first == 5 && end == 8);
	ck_assert_uint_eq(flow->step[6].vm, 3);
	flow_stage(flow, 2, &first, &end);
	ck_assert(first == 8 && end == 9);
	ck_assert_int_eq(parse(VM), 0);
	flow_stage(flow, 0, &first, &end);
	ck_assert(!flow->updates && first == 0 && end == 1);
}
END_TEST

START_TEST(the_comment_at_the_top_is_the_summary)
{
	ck_assert_int_eq(parse("# SPDX-License-Identifier: MIT\n# One.\n\n#  Zwei: \xc3\xa4.\n" VM
			       "# not this\n"),
			 0);
	ck_assert_uint_eq(flow->summaries, 2);
	ck_assert_str_eq(flow->summary[0], "One.");
	ck_assert_str_eq(flow->summary[1], "Zwei: \xc3\xa4.");
}
END_TEST

START_TEST(the_name_of_a_flow_is_made_printable)
{
	ck_assert_int_eq(flow_parse("a\033b\xff\xc3\xa4\n", VM, strlen(VM), &flow, &mistake), 0);
	ck_assert_str_eq(flow->name, "a?b?\xc3\xa4?");
}
END_TEST

START_TEST(limits_hold)
{
	char *text = malloc(FLOW_SIZE_MAX + 1);

	memset(text, '\n', FLOW_SIZE_MAX + 1);
	memcpy(text, VM, strlen(VM));
	ck_assert_int_eq(flow_parse("t", text, FLOW_SIZE_MAX, &flow, &mistake), 0);
	teardown();
	ck_assert_int_eq(flow_parse("t", text, FLOW_SIZE_MAX + 1, &flow, &mistake), -EINVAL);
	memset(text, ' ', FLOW_LINE_MAX + 1);
	ck_assert_int_eq(flow_parse("t", text, FLOW_LINE_MAX + 1, &flow, &mistake), -EINVAL);
	ck_assert_ptr_nonnull(strstr(mistake.text, "longer than"));
	for (int i = 0; i < FLOW_WORDS_MAX + 1; i++)
		memcpy(text + i * 2, "a ", 2);
	ck_assert_int_eq(flow_parse("t", text, (FLOW_WORDS_MAX + 1) * 2, &flow, &mistake), -EINVAL);
	ck_assert_ptr_nonnull(strstr(mistake.text, "words"));
	/* as many steps as fit */
	for (size_t i = 0; i + 8 <= FLOW_SIZE_MAX; i += 8)
		memcpy(text + i, "say \"x\"\n", 8);
	ck_assert_int_eq(flow_parse("t", text, FLOW_SIZE_MAX, &flow, &mistake), 0);
	ck_assert_uint_eq(flow->steps, FLOW_SIZE_MAX / 8);
	free(text);
}
END_TEST

START_TEST(every_verb_says_how_it_is_used)
{
	const struct verb *verb;

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		char usage[512];
		size_t words;

		ck_assert_int_lt(verb_usage(verb, usage, sizeof(usage)), 200);
		ck_assert_msg(!strpbrk(usage, "<>{}:"), "%s", usage);
		ck_assert_ptr_nonnull(verb->help);
		ck_assert(!verb->run != !verb->expect || !strcmp(verb->name, "say"));
		for (size_t n = 0; n < i; n++)
			ck_assert_str_ne(verb_at(n)->name, verb->name);
		snprintf(usage, sizeof(usage), "%s", verb->name);
		if (strchr(usage, ' '))
			*strchr(usage, ' ') = '\0';
		ck_assert_ptr_eq(verb_find(usage, verb->name + strlen(usage) + 1, &words), verb);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow-parse");
	TCase *tcase = tcase_create("parse");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 0); /* meson's is enough, and knows about valgrind */
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_loop_test(tcase, a_mistake_is_told_with_its_place_and_what_was_expected, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_loop_test(tcase, a_number_is_exact_or_refused, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_test(tcase, a_step_has_the_arguments_of_its_line);
	tcase_add_test(tcase, an_expectation_belongs_to_the_step_before);
	tcase_add_test(tcase, a_query_expects_a_state_or_extents);
	tcase_add_test(tcase, a_name_means_the_vm_it_belongs_to);
	tcase_add_test(tcase, a_released_name_is_free_again);
	tcase_add_test(tcase, a_live_update_ends_a_stage_and_all_names);
	tcase_add_test(tcase, the_comment_at_the_top_is_the_summary);
	tcase_add_test(tcase, the_name_of_a_flow_is_made_printable);
	tcase_add_test(tcase, limits_hold);
	tcase_add_test(tcase, every_verb_says_how_it_is_used);
	suite_add_tcase(suite, tcase);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
