/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "uapi/live_update.h"

static uint64_t number, seed;
static bool is_last;

static bool more_kexecs(void)
{
	FILE *file = fopen("/proc/cmdline", "r");
	char line[4096] = "";
	const char *cycles;

	if (!file || !fgets(line, sizeof(line), file))
		skip_all("/proc/cmdline: %s", strerror(errno));
	fclose(file);
	cycles = strstr(line, "LAB_CYCLES=");
	return cycles && number < strtoull(cycles + strlen("LAB_CYCLES="), NULL, 10);
}

static void share_seed(void)
{
	FILE *file = stage_file(program_invocation_short_name, number ? "r" : "w");
	unsigned long long text = 0;

	if (!file)
		skip_all("no seed in GMEM_DIR: %s", strerror(errno));
	if (!number) {
		text = test_seed();
		fprintf(file, "%llu\n", text);
	} else if (fscanf(file, "%llu", &text) != 1) {
		skip_all("no seed in GMEM_DIR");
	}
	fclose(file);
	seed = text;
}

void stage_begin(void)
{
	const char *text = getenv("GMEM_STAGE");

	if (!text)
		skip_all("this is no live update (GMEM_STAGE)");
	number = strtoull(text, NULL, 10);
	is_last = !more_kexecs();
	share_seed();
}

uint64_t stage_number(void)
{
	return number;
}

bool stage_is_last(void)
{
	return is_last;
}

uint64_t stage_seed(void)
{
	return seed;
}

const char *stage_session(const char *what, uint64_t stage)
{
	static char name[GMEM_UAPI_LIVEUPDATE_NAME_SIZE];

	snprintf(name, sizeof(name), "%s-%llu", what, (unsigned long long)stage);
	return name;
}

FILE *stage_file(const char *name, const char *mode)
{
	const char *directory = getenv("GMEM_DIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", directory ? directory : ".", name);
	return fopen(path, mode);
}
