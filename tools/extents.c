/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Lists of extents as flows have them: "16K private, 16K shared, 32K private". */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

struct item {
	uint64_t size;
	char state[16];
};

/* Move *at behind the next item. 1: there is one; 0: end of the list; -EINVAL: that is none. */
static int next(const char **at, struct item *item)
{
	char number[32];
	int length = 0;

	if (!**at)
		return 0;
	if (sscanf(*at, "%31[0-9A-Za-z] %15[a-z]%n", number, item->state, &length) != 2 ||
	    flow_parse_number(number, &item->size) || !item->size)
		return -EINVAL;
	if (strcmp(item->state, "private") && strcmp(item->state, "shared"))
		return -EINVAL;
	*at += length;
	if (!**at)
		return 1;
	if (strncmp(*at, ", ", 2) || !(*at)[2])
		return -EINVAL;
	*at += 2;
	return 1;
}

const char *extents_check(const char *list)
{
	char before[16] = "";
	struct item item;
	int more;

	if (!*list)
		return "expected extents such as \"16K private, 4K shared\", got none";
	while ((more = next(&list, &item)) > 0) {
		if (!strcmp(item.state, before))
			return "expected another state in each extent than in the one before";
		memcpy(before, item.state, sizeof(before));
	}
	return more ? "expected extents such as \"16K private, 4K shared\": size, state, comma"
		    : NULL;
}

void extents_size(char *buffer, size_t buffer_size, uint64_t size)
{
	static const char units[] = "\0KMGT";
	size_t unit = 0;

	while (size && !(size % 1024) && unit + 1 < sizeof(units) - 1) {
		size /= 1024;
		unit++;
	}
	snprintf(buffer, buffer_size, "%llu%.1s", (unsigned long long)size, units + unit);
}

void extents_add(char *list, size_t list_size, uint64_t size, const char *state)
{
	static const char more[] = ", ...";
	size_t used = strlen(list);
	char number[32];
	int length;

	if (used >= sizeof(more) && !strcmp(list + used - sizeof(more) + 1, more))
		return;
	extents_size(number, sizeof(number), size);
	length =
		snprintf(list + used, list_size - used, "%s%s %s", used ? ", " : "", number, state);
	/* room for what tells that there is more is always left */
	if ((size_t)length + sizeof(more) > list_size - used)
		snprintf(list + used, list_size - used, "%s", more);
}

bool extents_equal(const char *a, const char *b)
{
	struct item one, other;
	int more_a, more_b;

	do {
		more_a = next(&a, &one);
		more_b = next(&b, &other);
		if (more_a < 0 || more_a != more_b)
			return false;
		if (more_a && (one.size != other.size || strcmp(one.state, other.state)))
			return false;
	} while (more_a);
	return true;
}

bool extents_all(const char *list, const char *state)
{
	struct item item;

	return next(&list, &item) == 1 && !*list && !strcmp(item.state, state);
}
