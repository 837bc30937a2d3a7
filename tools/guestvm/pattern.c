/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The host's counterparts of the guest's fill, check, compare and checksum. */
#include "guestvm.h"

/* volatile: each word is read once and written once, in order, so that a fault comes where the
 * caller expects it and a page that changes under us is not read twice. */

void guestvm_host_fill(void *addr, uint64_t size, uint64_t seed, uint64_t position)
{
	volatile uint64_t *p = addr;

	for (uint64_t i = 0; i < size; i += 8)
		p[i / 8] = guestvm_pattern(seed, position + i);
}

uint64_t guestvm_host_check(const void *addr, uint64_t size, uint64_t seed, uint64_t position,
			    uint64_t *ret_found)
{
	const volatile uint64_t *p = addr;

	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t found = p[i / 8];

		if (found != guestvm_pattern(seed, position + i)) {
			if (ret_found)
				*ret_found = found;
			return i;
		}
	}
	return size;
}

uint64_t guestvm_host_compare(const void *addr, uint64_t size, uint64_t value, uint64_t *ret_found)
{
	const volatile uint64_t *p = addr;

	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t found = p[i / 8];

		if (found != value) {
			if (ret_found)
				*ret_found = found;
			return i;
		}
	}
	return size;
}

uint64_t guestvm_checksum(const void *addr, uint64_t size)
{
	const volatile uint64_t *p = addr;
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (uint64_t i = 0; i < size; i += 8) {
		sum = (sum ^ p[i / 8]) * 0x100000001b3ULL;
		sum = sum << 29 | sum >> 35;
	}
	return sum;
}
