/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl explain has something to say about every failure. TAP. */
#include <libgmem/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"

static unsigned int points, failures;

static bool says(const char *text)
{
	return text && text[0];
}

static void point(bool ok, const char *call, int code, const char *text)
{
	printf("%sok %u - %s%s%s: %s\n", ok ? "" : "not ", ++points, call, code ? " " : "",
	       code ? gmem_error_name(code) : "", text);
	failures += !ok;
}

static void each_errno_once(const struct explain_call *call)
{
	bool once = true;

	for (const struct explain_error *a = call->errors; a->code; a++)
		for (const struct explain_error *b = a + 1; b->code; b++)
			once &= a->code != b->code;
	point(once, call->name, 0, "tells each errno once");
}

int main(void)
{
	for (const struct explain_call *call = explain_library; call->name; call++) {
		each_errno_once(call);
		for (const struct explain_error *error = call->errors; error->code; error++) {
			const struct explain_advice *advice =
				explain_find_advice(call->name, error->code);

			point(says(error->when) && advice && says(advice->cause) &&
				      says(advice->remedy),
			      call->name, error->code, "when, why, what to do");
		}
	}
	for (const struct explain_call *call = explain_kernel; call->name; call++) {
		each_errno_once(call);
		for (const struct explain_error *error = call->errors; error->code; error++)
			point(says(error->when) && says(error->remedy), call->name, error->code,
			      "when, what to do");
	}
	printf("1..%u\n", points);
	return !points || failures;
}
