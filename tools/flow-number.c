/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Numbers as people write them: sizes, offsets, addresses. */
#include <errno.h>
#include <string.h>

#include "flow.h"

int flow_parse_number(const char *word, uint64_t *ret_number)
{
	static const char units[] = "KMGT";
	unsigned int base = 10, digits = 0;
	uint64_t number = 0;
	const char *unit;

	if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X')) {
		base = 16;
		word += 2;
	}
	for (;; word++, digits++) {
		unsigned int digit;

		if (*word >= '0' && *word <= '9')
			digit = (unsigned int)(*word - '0');
		else if (base == 16 && *word >= 'a' && *word <= 'f')
			digit = (unsigned int)(*word - 'a') + 10;
		else if (base == 16 && *word >= 'A' && *word <= 'F')
			digit = (unsigned int)(*word - 'A') + 10;
		else
			break;
		if (__builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return -ERANGE;
	}
	if (!digits)
		return -EINVAL;
	if (*word) {
		unit = strchr(units, *word);
		if (!unit || word[1])
			return -EINVAL;
		if (__builtin_mul_overflow(number, 1ULL << (10 * (unit - units + 1)), &number))
			return -ERANGE;
	}
	*ret_number = number;
	return 0;
}
