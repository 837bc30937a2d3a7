/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Sessions and preserved files, as far as they can be found out: the kernel has no list of them.
 * What processes have open is seen in /proc; a session that came and that nobody has retrieved yet
 * is not.
 */
#ifndef GMEMCTL_SESSIONS_H
#define GMEMCTL_SESSIONS_H

#include <libgmem/gmem.h>
#include <sys/types.h>

/* A descriptor of a process that is a session or a guest_memfd. */
struct found {
	pid_t pid;
	int fd; /* there */
	char command[32];
	bool is_session;
	/* of a session */
	char name[GMEM_SESSION_NAME_MAX + 1];
	enum gmem_direction direction; /* 0: this process may not ask */
	/* of a guest_memfd */
	uint64_t size;
	bool asked; /* live_update is known */
	struct gmem_live_update live_update;
};

struct sessions {
	int device;    /* 0: sessions can be made here; otherwise a negative errno of opening
			  /dev/liveupdate */
	int preserves; /* mask of GMEM_CAP_LIVE_UPDATE; -1: there is no KVM to ask */
	/* whether the kernel before has sent something */
	bool before_known, before_sent;
	struct found *found;
	size_t founds;
	bool all_seen; /* no process was closed to us */
};

/* 0 or -ENOMEM. */
int sessions_find(struct sessions *sessions);
void sessions_free(struct sessions *sessions);

#endif
