/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl seccomp: what a sandbox has to allow. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gmemctl.h"
#include "output.h"
#include "seccomp.h"

#define JSON_VERSION 1

static bool wanted(const struct seccomp_part *part, int names, char **name)
{
	for (int i = 0; i < names; i++)
		if (!strcmp(name[i], part->name))
			return true;
	return !names;
}

static bool part_exists(const char *name)
{
	for (const struct seccomp_part *part = seccomp_parts; part->name; part++)
		if (!strcmp(part->name, name))
			return true;
	return false;
}

static void put_functions(const struct seccomp_part *part, const char *between, const char *quote)
{
	for (size_t i = 0; part->functions[i]; i++)
		printf("%s%s%s%s", i ? between : "", quote, part->functions[i], quote);
}

/* What malloc() and the like do, wherever it stands in the list: a line for all. */
static bool is_of_c_library(const struct seccomp_rule *rule)
{
	return rule->when == SECCOMP_C_LIBRARY && !rule->on;
}

static void put_rule(const struct seccomp_rule *rule)
{
	printf("    %s%s%s", rule->call, rule->argument ? " " : "",
	       rule->argument ? rule->argument : "");
	if (rule->on)
		printf(" on %s%s", rule->on[0] == '/' ? "" : "the ", rule->on);
	if (rule->argument && !strcmp(rule->call, "ioctl"))
		printf(" (0x%08x)", rule->argument_value);
	printf("%s%s\n", rule->when == SECCOMP_ALWAYS ? "" : ": ",
	       seccomp_when_describe(rule->when));
}

static void part_human(const struct seccomp_part *part, bool first)
{
	const struct seccomp_rule *rule;
	bool any = false;

	printf("%s%s: %s\n  ", first ? "" : "\n", part->name, part->brief);
	put_functions(part, ", ", "");
	putchar('\n');
	for (rule = part->rules; rule->call; rule++) {
		if (!is_of_c_library(rule))
			put_rule(rule);
	}
	for (rule = part->rules; rule->call; rule++) {
		if (!is_of_c_library(rule))
			continue;
		printf("%s%s", any ? ", " : "    the C library, if need be: ", rule->call);
		any = true;
	}
	if (any)
		putchar('\n');
}

static void part_json(const struct seccomp_part *part, bool first)
{
	printf("%s{\"part\":\"%s\",\"brief\":\"%s\",\"functions\":[", first ? "" : ",", part->name,
	       part->brief);
	put_functions(part, ",", "\"");
	fputs("],\"system_calls\":[", stdout);
	for (const struct seccomp_rule *rule = part->rules; rule->call; rule++) {
		printf("%s{\"name\":\"%s\",\"number\":%ld,\"argument\":",
		       rule == part->rules ? "" : ",", rule->call, rule->number);
		if (rule->argument)
			printf("{\"index\":1,\"name\":\"%s\",\"value\":%u}", rule->argument,
			       rule->argument_value);
		else
			fputs("null", stdout);
		fputs(",\"on\":", stdout);
		if (rule->on)
			output_json_string(stdout, rule->on);
		else
			fputs("null", stdout);
		printf(",\"when\":\"%s\"}", seccomp_when_name(rule->when));
	}
	fputs("]}", stdout);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	bool json = false, first = true;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			return wrong_use(&command_seccomp, "unknown option '%s'", argv[optind - 1]);
		json = true;
	}
	for (int i = optind; i < argc; i++)
		if (!part_exists(argv[i]))
			return wrong_use(&command_seccomp,
					 "libgmem has no part '%s': gmemctl seccomp lists them all",
					 argv[i]);
	if (json)
		printf("{\"version\":%d,\"parts\":[", JSON_VERSION);
	for (const struct seccomp_part *part = seccomp_parts; part->name; part++) {
		if (!wanted(part, argc - optind, argv + optind))
			continue;
		(json ? part_json : part_human)(part, first);
		first = false;
	}
	if (json)
		puts("]}");
	return finish_output(EXIT_OK);
}

const struct command command_seccomp = {
	.name = "seccomp",
	.summary = "the system calls that each part of libgmem needs, for a sandbox",
	.help = "Usage: gmemctl seccomp [--json] [PART...]\n"
		"\n"
		"Lists the system calls, and the requests of ioctl, that the functions of libgmem make:\n"
		"for each part of the library, or those named, what a seccomp filter around a VMM has to\n"
		"allow. Creating VMs, slots and vCPUs is the VMM's own and not in the list. A program\n"
		"that only converts, say, needs the part convert, and report for gmem_error_new().\n"
		"\n"
		"Options:\n"
		"  --json    one JSON object on a line, with numbers for this architecture (gmemctl(1)\n"
		"            lists its members)\n"
		"\n"
		"The numbers of system calls and what the C library does are those of the machine that\n"
		"gmemctl was built for. Exit status: 0, 2 wrong use.\n",
	.run = run,
};
