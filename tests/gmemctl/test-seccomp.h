/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the test of system calls share.
 */
#ifndef TEST_SECCOMP_H
#define TEST_SECCOMP_H

#include <libgmem/gmem.h>
#include <stdbool.h>
#include <stdio.h>

#define SIZE (64 * 4096)

/* What children have before they are traced. */
struct here {
	int vm;
	int spare;	  /* a guest_memfd that nobody has adopted */
	bool file_system; /* guest_memfd has one */
	bool converts;	  /* in place */
	bool queries;
	bool policies;	   /* kept by the kernel */
	int source;	   /* a file with a hole */
	int pipe;	   /* with some bytes, and an end */
	bool uring;	   /* the kernel has it, and permits it */
	bool direct;	   /* the file can be read past the page cache */
	int busy;	   /* 0: a page of the file is held */
	struct gmem *gmem; /* shared and mappable */
	struct gmem_space *space;
	struct gmem_session *session; /* NULL: the kernel has no live update */
	struct gmem *frozen;	      /* NULL: the kernel cannot preserve it */
	char stored[40];	      /* a socket that takes messages */
	struct gmem_error *error;
};

/* What is traced of a part. */
struct run {
	const char *part;
	int (*run)(struct here *here);	   /* 0 if all came out as it should */
	int (*prepare)(struct here *here); /* before it is traced, or NULL */
};
/* The last has no name. */
extern const struct run runs[];

static inline int result(int got, int want)
{
	if (got != want)
		fprintf(stderr, "# got %d, expected %d\n", got, want);
	return got == want ? 0 : 1;
}

int run_session(struct here *here);
int run_preserve(struct here *here);
int run_retrieve(struct here *here);
int run_blob(struct here *here);
int run_blob_session(struct here *here);
int run_store(struct here *here);
/** A session, and a file in another one, if the kernel preserves files. */
int make_sessions(struct here *here, bool preserves);

#endif
