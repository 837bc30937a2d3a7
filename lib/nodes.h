/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Sets of nodes out of strings: what libnuma knows, as a table that unit tests replace. libnuma is
 * loaded when the first string is read.
 */
#ifndef GMEM_NODES_H
#define GMEM_NODES_H

/** As many nodes as Linux can have. */
#define GMEM_MAX_NODES	    1024
#define GMEM_NODES_PER_WORD (8 * sizeof(unsigned long))

struct gmem_nodes {
	unsigned long words[GMEM_MAX_NODES / GMEM_NODES_PER_WORD];
};

struct gmem_node_parser {
	/**
	 * -ENOSYS if there is no libnuma, -ENODEV if the kernel has no nodes, -EINVAL if these are
	 * no nodes or the process may not use them, -ENOMEM
	 */
	int (*parse)(const char *text, struct gmem_nodes *ret_nodes);
};

/** The table in use: libnuma, except in unit tests. */
extern const struct gmem_node_parser *gmem_node_parser __attribute__((visibility("hidden")));

#endif
