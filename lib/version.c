/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <libgmem/version.h>

const char *gmem_version(void)
{
	return GMEM_VERSION;
}
