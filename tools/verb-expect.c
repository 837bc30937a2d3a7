/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a flow tells: say, and how the step before is expected to end. */
#include "run.h"

static void take_offset(const struct flow_step *line, struct flow_expect *expect)
{
	const struct flow_arg *at = flow_arg(line, "at");

	expect->has_offset = at != NULL;
	expect->offset = at ? at->number : 0;
}

static void expect_error(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_ERROR;
	expect->err = (int)flow_number(line, "errno", 0);
	take_offset(line, expect);
}

static void expect_refused(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_REFUSED;
	expect->err = (int)flow_number(line, "errno", 0);
}

static void expect_value(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_DONE;
	expect->has_value = true;
	expect->value = flow_number(line, "value", 0);
}

static void take_allocated(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_DONE;
	expect->has_allocated = flow_arg(line, "allocated") != NULL;
	expect->allocated = flow_number(line, "allocated", 0);
}

static void expect_state(const struct flow_step *line, struct flow_expect *expect)
{
	take_allocated(line, expect);
	expect->state = flow_arg(line, "state")->word;
}

static void expect_extents(const struct flow_step *line, struct flow_expect *expect)
{
	take_allocated(line, expect);
	expect->extents = flow_arg(line, "extents")->word;
}

static const char *check_extents(const struct flow_step *line)
{
	return extents_check(flow_arg(line, "extents")->word);
}

static void expect_sigbus(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_SIGBUS;
	take_offset(line, expect);
}

static void expect_different(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_DIFFERS;
	take_offset(line, expect);
}

static void expect_memory_fault(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_MEMORY_FAULT;
	expect->private_wanted = flow_number(line, "wanted", 0) == 0;
	take_offset(line, expect);
}

static void expect_mmio(const struct flow_step *line, struct flow_expect *expect)
{
	expect->outcome = FLOW_MMIO;
	take_offset(line, expect);
}

const struct verb verbs_expect[] = {
	{
		.name = "say",
		.syntax = "<text:text>",
		.help = "a line of the story",
	},
	{
		.name = "expect error",
		.syntax = "<errno:errno> [at <number:at>]",
		.help = "a call fails, at a byte offset of the file",
		.expect = expect_error,
	},
	{
		.name = "expect refused",
		.syntax = "<errno:errno>",
		.help = "the guest's request is answered with an errno, nothing is converted",
		.expect = expect_refused,
	},
	{
		.name = "expect value",
		.syntax = "<number:value>",
		.help = "a read gives this value",
		.expect = expect_value,
	},
	{
		.name = "expect state",
		.syntax = "{state:private|shared} [allocated <number:allocated>]",
		.help = "a query finds this state everywhere, and so many bytes with memory",
		.expect = expect_state,
	},
	{
		.name = "expect extents",
		.syntax = "<text:extents> [allocated <number:allocated>]",
		.help = "a query finds these extents, such as \"16K private, 4K shared\"",
		.check = check_extents,
		.expect = expect_extents,
	},
	{
		.name = "expect sigbus",
		.syntax = "[at <number:at>]",
		.help = "the kernel refuses a host access, at a byte offset of the mapping",
		.expect = expect_sigbus,
	},
	{
		.name = "expect different",
		.syntax = "[at <number:at>]",
		.help = "a check finds something else, at an offset or guest-physical address",
		.expect = expect_different,
	},
	{
		.name = "expect memory-fault",
		.syntax = "{wanted:private|shared} [at <number:at>]",
		.help = "KVM stops the guest, which wanted the other state, at an address",
		.expect = expect_memory_fault,
	},
	{
		.name = "expect mmio",
		.syntax = "[at <number:at>]",
		.help = "the guest touches a place without memory, at an address",
		.expect = expect_mmio,
	},
	{ 0 },
};
