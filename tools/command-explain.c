/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl explain: what an errno means, of one call or of all. */
#include <libgmem/cause.h>
#include <libgmem/error.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "explain.h"
#include "gmemctl.h"
#include "output.h"

#define JSON_VERSION 1
#define ERRNO_MAX    133 /* above this Linux has only numbers that no system call returns */

/* What is asked for, and how it is told. */
struct question {
	const struct explain_call *call; /* NULL: all */
	const char *cause;		 /* name of a cause: that, and nothing else */
	int code;			 /* positive; 0: all */
	bool json;
	unsigned int answers;
};

/* "KVM_SET_MEMORY_ATTRIBUTES2", "set_memory_attributes2", "gmem_convert", "convert" */
static bool names(const char *word, const char *name)
{
	static const char *const prefixes[] = { "gmem_", "KVM_" };

	if (!strcasecmp(word, name))
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])) &&
		    !strcasecmp(word, name + strlen(prefixes[i])))
			return true;
	return false;
}

static const struct explain_call *find_call(const char *word)
{
	for (const struct explain_call *call = explain_library; call->name; call++)
		if (names(word, call->name))
			return call;
	for (const struct explain_call *call = explain_kernel; call->name; call++)
		if (names(word, call->name))
			return call;
	return NULL;
}

/* "EAGAIN", "eagain", "11" or "-11"; 0 if it is none. */
static int find_code(const char *word)
{
	const char *digits = word + (*word == '-');
	char *end;
	long number = strtol(digits, &end, 10);

	if (*digits >= '0' && *digits <= '9' && !*end)
		return number > 0 && number <= ERRNO_MAX &&
				       strcmp(gmem_error_name((int)number), "unknown")
			       ? (int)number
			       : 0;
	if (!strcasecmp(word, "EWOULDBLOCK"))
		return EAGAIN;
	if (!strcasecmp(word, "ENOTSUP"))
		return EOPNOTSUPP;
	for (int code = 1; code <= ERRNO_MAX; code++)
		if (*word && !strcasecmp(word, gmem_error_name(code)) &&
		    strcmp(gmem_error_name(code), "unknown"))
			return code;
	return 0;
}

static void answer_json(struct question *q, const struct explain_call *call, bool library,
			const struct explain_error *error, const struct explain_advice *advice)
{
	const char *remedy = advice ? advice->remedy : error->remedy;

	printf("%s{\"call\":\"%s\",\"kind\":\"%s\",\"error\":\"%s\",\"code\":%d,\"when\":",
	       q->answers ? "," : "", call->name, library ? "library" : "kernel",
	       gmem_error_name(error->code), error->code);
	output_json_string(stdout, error->when);
	fputs(",\"cause\":", stdout);
	if (advice)
		output_json_string(stdout, advice->cause);
	else
		fputs("null", stdout);
	fputs(",\"remedy\":", stdout);
	output_json_string(stdout, remedy);
	putchar('}');
}

/* Text after a label, broken at blanks so that it fits on a terminal. */
static void put_wrapped(const char *label, const char *text)
{
	const int indent = 14, width = 84;
	int column = printf("  %-*s", indent - 2, label);

	while (*text) {
		int size = (int)strcspn(text, " ");

		if (column > indent && column + 1 + size > width)
			column = printf("\n%*s", indent, "") - 1;
		column += printf("%s%.*s", column > indent ? " " : "", size, text);
		text += size + (text[size] == ' ');
	}
	putchar('\n');
}

static void answer_human(struct question *q, const struct explain_call *call, bool library,
			 const struct explain_error *error, const struct explain_advice *advice)
{
	if (q->answers)
		putchar('\n');
	printf("%s: %s (%d)\n", call->name, gmem_error_name(error->code), error->code);
	put_wrapped("When:", error->when);
	if (advice)
		put_wrapped("Why:", advice->cause);
	put_wrapped("What to do:", advice ? advice->remedy : error->remedy);
	if (library && q->call)
		printf("  %-12s%s(3)\n", "See:", call->name);
}

static void answer_call(struct question *q, const struct explain_call *call, bool library)
{
	if (q->call && q->call != call)
		return;
	for (const struct explain_error *error = call->errors; error->code; error++) {
		const struct explain_advice *advice =
			library ? explain_find_advice(call->name, error->code) : NULL;

		if (q->code && q->code != error->code)
			continue;
		(q->json ? answer_json : answer_human)(q, call, library, error, advice);
		q->answers++;
	}
}

static void answer_cause(struct question *q)
{
	const char *why = gmem_cause_explain(q->cause), *remedy = gmem_cause_remedy(q->cause);

	q->answers++;
	if (q->json) {
		printf("{\"kind\":\"cause\",\"cause_name\":\"%s\",\"cause\":", q->cause);
		output_json_string(stdout, why);
		fputs(",\"remedy\":", stdout);
		output_json_string(stdout, remedy);
		putchar('}');
		return;
	}
	printf("%s (a cause that reports have)\n", q->cause);
	put_wrapped("Why:", why);
	put_wrapped("What to do:", remedy);
}

/* Of all calls, or of one, there is none with this errno. */
static int no_answer(const struct question *q)
{
	const char *name = gmem_error_name(q->code);

	if (!q->call) {
		complain("%s is an errno of Linux, but no call that gmemctl knows fails with it",
			 name);
		return EXIT_FAILED;
	}
	fprintf(stderr, "gmemctl: %s never fails with %s. It fails with", q->call->name, name);
	for (const struct explain_error *error = q->call->errors; error->code; error++)
		fprintf(stderr, "%s %s", error == q->call->errors ? "" : ",",
			gmem_error_name(error->code));
	fputs(".\n", stderr);
	return EXIT_FAILED;
}

static int answer(struct question *q)
{
	if (q->json)
		printf("{\"version\":%d,\"explanations\":[", JSON_VERSION);
	if (q->cause)
		answer_cause(q);
	for (const struct explain_call *call = explain_library; !q->cause && call->name; call++)
		answer_call(q, call, true);
	for (const struct explain_call *call = explain_kernel; !q->cause && call->name; call++)
		answer_call(q, call, false);
	if (q->json)
		puts("]}");
	return finish_output(q->answers ? EXIT_OK : no_answer(q));
}

static bool known(const struct explain_call *calls, int code)
{
	for (; calls->name; calls++)
		for (const struct explain_error *error = calls->errors; error->code; error++)
			if (error->code == code)
				return true;
	return false;
}

static int list(void)
{
	puts("Functions of libgmem:");
	for (const struct explain_call *call = explain_library; call->name; call++)
		printf("  %-30s %s\n", call->name, call->brief);
	puts("\nCalls of the kernel:");
	for (const struct explain_call *call = explain_kernel; call->name; call++)
		printf("  %-30s %s\n", call->name, call->brief);
	puts("\nErrors that these fail with:");
	for (int code = 1; code <= ERRNO_MAX; code++)
		if (known(explain_library, code) || known(explain_kernel, code))
			printf("  %-30s %s\n", gmem_error_name(code), strerror(code));
	puts("\nCauses that reports of libgmem have (cause_name in JSON):");
	for (unsigned int i = 0; gmem_cause_name(i); i++)
		printf("  %-30s %s\n", gmem_cause_name(i), gmem_cause_explain(gmem_cause_name(i)));
	return finish_output(EXIT_OK);
}

/* A call, an errno or a cause. */
static int read_word(const char *word, bool alone, struct question *q)
{
	const struct explain_call *call = q->call ? NULL : find_call(word);
	int code = call || q->code ? 0 : find_code(word);

	if (!q->cause && call) {
		q->call = call;
	} else if (!q->cause && code) {
		q->code = code;
	} else if (alone && gmem_cause_explain(word)) {
		q->cause = word;
	} else {
		return wrong_use(&command_explain,
				 "expected %s, got '%s': gmemctl explain --list has calls and "
				 "causes",
				 q->cause || (q->call && q->code) ? "no more words"
				 : q->call			  ? "an errno such as EAGAIN or 11"
				 : q->code			  ? "a call such as convert"
					   : "a call, an errno or a cause, such as convert EAGAIN",
				 word);
	}
	return EXIT_OK;
}

/* By hand: for getopt() "-11" would be an option. */
static int run(int argc, char **argv)
{
	struct question q = { 0 };
	bool options = true;
	int words = 0, status = EXIT_OK;

	for (int i = 1; i < argc && status == EXIT_OK; i++) {
		const char *word = argv[i];

		if (!options || word[0] != '-' || (word[1] >= '0' && word[1] <= '9'))
			status = read_word(word, !words++, &q);
		else if (!strcmp(word, "--"))
			options = false;
		else if (!strcmp(word, "--json"))
			q.json = true;
		else if (!strcmp(word, "--list"))
			return list();
		else
			status = wrong_use(&command_explain, "unknown option '%s'", word);
	}
	if (status == EXIT_OK && !words)
		status = wrong_use(&command_explain, "no call, errno or cause to explain");
	return status == EXIT_OK ? answer(&q) : status;
}

const struct command command_explain = {
	.name = "explain",
	.summary = "what an errno means, of a call or of all calls, and what to do",
	.help = "Usage: gmemctl explain [--json] [CALL] [ERRNO]\n"
		"       gmemctl explain [--json] CAUSE\n"
		"       gmemctl explain --list\n"
		"\n"
		"Tells when a call fails with an errno, why that usually is, and what to do. CALL is a\n"
		"function of libgmem or one of the kernel's calls, with or without its prefix: convert,\n"
		"gmem_convert, KVM_SET_MEMORY_ATTRIBUTES2. ERRNO is a name or a number. Without CALL,\n"
		"all calls that can fail with it; without ERRNO, all that CALL can fail with: for a\n"
		"function of libgmem that set is closed. CAUSE is the name that a report gives to its\n"
		"cause, as in the member cause_name of its JSON.\n"
		"\n"
		"  gmemctl explain convert EAGAIN\n"
		"  gmemctl explain EPERM\n"
		"  gmemctl explain create\n"
		"  gmemctl explain no-policy\n"
		"\n"
		"What a program got is told better by the program, with gmem_error_explain(): it knows\n"
		"the range, the first offset that failed, and which of several causes it was.\n"
		"\n"
		"Options:\n"
		"  --json    one JSON object on a line (gmemctl(1) lists its members)\n"
		"  --list    the calls, errors and causes that can be asked about\n"
		"\n"
		"Exit status: 0, 1 if the call never fails with this errno, 2 wrong use.\n",
	.run = run,
};
