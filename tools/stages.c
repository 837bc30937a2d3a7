/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "stages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_LINE "gmemctl run 1\n"

/* A number that the environment has; -1 if it does not, or something else. */
static long long from_environment(const char *name)
{
	const char *text = getenv(name);
	uint64_t number;

	if (!text || flow_parse_number(text, &number) || number > 1000000)
		return -1;
	return (long long)number;
}

static int path(char *buffer, size_t size, const char *suffix)
{
	const char *directory = getenv("GMEM_DIR");
	int length = snprintf(buffer, size, "%s/gmemctl-run%s", directory ? directory : "", suffix);

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

bool stages_offered(size_t updates)
{
	long long cycles = from_environment("GMEM_CYCLES");

	if (from_environment("GMEM_STAGE") < 0 || !getenv("GMEM_DIR"))
		return false;
	/* whoever does not say how often has to know */
	return cycles < 0 || updates <= (size_t)cycles;
}

/* What the stage before has left. */
static int read_before(struct stages *stages, FILE *file)
{
	size_t stage, flows, index;
	char line[64];

	if (!fgets(line, sizeof(line), file) || strcmp(line, FIRST_LINE))
		return -ESTALE;
	if (fscanf(file, "stage %zu flows %zu points %u\n", &stage, &flows, &stages->points) != 3 ||
	    stage + 1 != stages->number || flows != stages->flows)
		return -ESTALE;
	while (fscanf(file, "skipped %zu\n", &index) == 1) {
		if (index >= flows)
			return -ESTALE;
		stages->skipped[index] = true;
	}
	return 0;
}

int stages_begin(struct stages *stages, struct flow *const *flow, size_t flows)
{
	size_t updates = 0;
	char name[4096];
	FILE *file;
	int err;

	*stages = (struct stages){ .flows = flows };
	stages->skipped = calloc(flows + 1, sizeof(*stages->skipped));
	if (!stages->skipped)
		return -ENOMEM;
	for (size_t i = 0; i < flows; i++)
		updates += flow[i]->updates;
	if (!updates || !stages_offered(0))
		return 0;
	stages->used = true;
	stages->number = (size_t)from_environment("GMEM_STAGE");
	err = path(name, sizeof(name), "");
	if (err || !stages->number)
		return err;
	file = fopen(name, "re");
	if (!file)
		return errno == ENOENT ? -ESTALE : -errno;
	err = read_before(stages, file);
	fclose(file);
	return err;
}

bool stages_has(const struct stages *stages, const struct flow *flow, size_t index)
{
	return flow->updates >= stages->number && !stages->skipped[index];
}

bool stages_go_on(const struct stages *stages, struct flow *const *flow)
{
	for (size_t i = 0; stages->used && i < stages->flows; i++)
		if (flow[i]->updates > stages->number && !stages->skipped[i])
			return true;
	return false;
}

int stages_end(const struct stages *stages, unsigned int points)
{
	char fresh[4096], name[4096];
	bool failed;
	FILE *file;
	int err;

	if (!stages->used)
		return 0;
	err = path(fresh, sizeof(fresh), ".new");
	if (!err)
		err = path(name, sizeof(name), "");
	if (err)
		return err;
	file = fopen(fresh, "we");
	if (!file)
		return -errno;
	fprintf(file, FIRST_LINE "stage %zu flows %zu points %u\n", stages->number, stages->flows,
		points);
	for (size_t i = 0; i < stages->flows; i++)
		if (stages->skipped[i])
			fprintf(file, "skipped %zu\n", i);
	failed = ferror(file);
	if (fclose(file) || failed)
		return errno ? -errno : -EIO;
	return rename(fresh, name) ? -errno : 0;
}

void stages_free(struct stages *stages)
{
	free(stages->skipped);
	stages->skipped = NULL;
}
