/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A program of a user, in the language that C and C++ have in common: see the script `installed`.
 */
#include <errno.h>
#include <libgmem/gmem.h>
#include <stdio.h>
#include <string.h>

static enum gmem_busy_action never_busy(const struct gmem_error *attempt, void *data)
{
	(void)attempt;
	(void)data;
	return GMEM_BUSY_STOP;
}

int main(void)
{
	struct gmem_convert_options options;
	struct gmem_error *error = NULL;
	struct gmem *gmem = NULL;

	memset(&options, 0, sizeof(options));
	options.size = sizeof(options);
	options.busy = never_busy;
	if (gmem_error_new(&error) < 0)
		return 1;
	/* Nothing is open: both must fail, and say so. */
	if (gmem_adopt(-1, NULL, &gmem, error) != -EBADF || gmem_error_get_code(error) != -EBADF)
		return 2;
	if (gmem_convert(gmem, 0, 4096, GMEM_STATE_PRIVATE, &options, error) != -EINVAL)
		return 3;
	gmem_error_free(error);
	puts(gmem_version());
	return 0;
}
