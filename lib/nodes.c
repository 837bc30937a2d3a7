/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libnuma prints what it does not like. So it gets only what it will like: the grammar and the
 * numbers are checked before.
 */
#include <errno.h>
#include "nodes.h"

#ifdef HAVE_LIBNUMA
#include <ctype.h>
#include <dlfcn.h>
#include <numa.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct functions {
	int (*available)(void);
	int (*max_node)(void);
	struct bitmask *(*parse)(const char *text);
	void (*free_mask)(struct bitmask *mask);
	int (*is_set)(const struct bitmask *mask, unsigned int node);
	/* those that the process may use */
	struct bitmask **all;
};

static bool look_up(void *library, const char *name, void *ret_pointer)
{
	void *pointer = dlsym(library, name);

	memcpy(ret_pointer, &pointer, sizeof(pointer));
	return pointer;
}

/* As for liburing: nothing is kept but the reference. */
static bool load_functions(struct functions *call)
{
	void *library = dlopen("libnuma.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	return library && look_up(library, "numa_available", &call->available) &&
	       look_up(library, "numa_max_node", &call->max_node) &&
	       look_up(library, "numa_parse_nodestring", &call->parse) &&
	       look_up(library, "numa_bitmask_free", &call->free_mask) &&
	       look_up(library, "numa_bitmask_isbitset", &call->is_set) &&
	       look_up(library, "numa_all_nodes_ptr", &call->all);
}

static bool is_allowed(const struct functions *call, unsigned long node)
{
	return node <= (unsigned long)call->max_node() && node < GMEM_MAX_NODES &&
	       call->is_set(*call->all, (unsigned int)node);
}

static unsigned long count_allowed(const struct functions *call)
{
	unsigned long node, count = 0;

	for (node = 0; node < GMEM_MAX_NODES; node++)
		count += is_allowed(call, node);
	return count;
}

static bool read_number(const char **text, unsigned long *ret_number)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*ret_number = strtoul(*text, &end, 10);
	*text = end;
	return !errno;
}

/* A number, or two with a dash. */
static bool check_part(const struct functions *call, const char **text, bool relative)
{
	unsigned long first, last, node, allowed = relative ? count_allowed(call) : 0;

	if (!read_number(text, &first))
		return false;
	last = first;
	if (**text == '-') {
		++*text;
		if (!read_number(text, &last))
			return false;
	}
	if (first > last || last >= GMEM_MAX_NODES)
		return false;
	for (node = first; node <= last; node++) {
		if (relative ? node >= allowed : !is_allowed(call, node))
			return false;
	}
	return true;
}

static bool check_text(const struct functions *call, const char *text)
{
	bool relative;

	if (*text == '!')
		text++;
	relative = *text == '+';
	if (relative)
		text++;
	if (!strcmp(text, "all"))
		return true;
	while (check_part(call, &text, relative)) {
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
	return false;
}

static int parse_nodes(const char *text, struct gmem_nodes *ret_nodes)
{
	struct gmem_nodes nodes = { { 0 } };
	struct functions call;
	struct bitmask *mask;
	unsigned int node;
	bool some = false;

	if (!load_functions(&call))
		return -ENOSYS;
	if (call.available() < 0)
		return -ENODEV;
	if (!check_text(&call, text))
		return -EINVAL;
	mask = call.parse(text);
	if (!mask)
		return -ENOMEM;
	for (node = 0; node < mask->size && node < GMEM_MAX_NODES; node++) {
		if (!call.is_set(mask, node) || !is_allowed(&call, node))
			continue;
		nodes.words[node / GMEM_NODES_PER_WORD] |= 1UL << node % GMEM_NODES_PER_WORD;
		some = true;
	}
	call.free_mask(mask);
	if (!some)
		return -EINVAL;
	*ret_nodes = nodes;
	return 0;
}
#else
static int parse_nodes(const char *text, struct gmem_nodes *ret_nodes)
{
	(void)text;
	(void)ret_nodes;
	return -ENOSYS;
}
#endif

static const struct gmem_node_parser libnuma = { .parse = parse_nodes };

const struct gmem_node_parser *gmem_node_parser = &libnuma;
