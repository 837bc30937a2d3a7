/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Paths by which the host could get at memory, and the one trial that all of them are put to: the
 * path works on a shared page, is refused on private pages, moves no byte then, and works again
 * when the page is shared. From this process, a forked child, and a process that was sent the file.
 *
 * Every path that passes prints a row of doc/private-memory.md; tests/kernel/tables collects them.
 */
#ifndef TESTS_KERNEL_PRIVATE_PATH_H
#define TESTS_KERNEL_PRIVATE_PATH_H

#include "kernel.h"

/* What a path can come to besides 0 and a negative errno. */
enum {
	PATH_SIGBUS = 1,  /* the access raised SIGBUS */
	PATH_NOTHING = 2, /* the call succeeded, but not a byte moved */
	PATH_PART = 3,	  /* some bytes moved */
	PATH_ABSENT = 4	  /* this machine does not have what the path needs */
};

/* One page of memory to be reached. */
struct memory {
	uint8_t *at;
	int fd; /* the file it is mapped from... */
	uint64_t offset;
	bool ordinary; /* ...which is a memfd if so, a guest_memfd if not */
};

struct path {
	const char *text; /* for the table: "`read` into it" */
	enum {
		PATH_READS,  /* moves a page from the memory to @bytes */
		PATH_WRITES, /* moves a page from @bytes to the memory */
		PATH_TOUCHES /* neither */
	} kind;
	/*
	 * 0, a negative errno or one of PATH_*. Called in any process: it must not use assertions,
	 * and must have let go of the memory when it returns.
	 */
	int (*go)(const struct memory *memory, uint8_t *bytes);
	int refusal;	 /* what is expected of private pages */
	const char *how; /* for the table, if the name of the refusal does not say it all */
	/* Shared guest_memfd memory is refused as well; ordinary memory shows that the path works.
	 */
	bool not_offered;
};

/* Puts a path to the trial. @program and @test are what the table calls the test. */
void try_path(const struct path *path, const char *program, const char *test);

/* A row of the generated table for paths that need a trial of their own. */
void print_path_row(const char *path, const char *refusal, const char *from, const char *program,
		    const char *test);

/* A test that tries one path: its name, then the members of its struct path. */
#define PATH_TEST(program, name, ...)                                                              \
	START_TEST(name)                                                                           \
	{                                                                                          \
		static const struct path path = { __VA_ARGS__ };                                   \
		try_path(&path, program, #name);                                                   \
	}                                                                                          \
	END_TEST

/*
 * Runs @work(pid of the caller, memory, bytes) in a new process and returns what it returned:
 * what a debugger of the caller can do.
 */
int by_debugger(int (*work)(pid_t target, const struct memory *memory, uint8_t *bytes),
		const struct memory *memory, uint8_t *bytes);

/* 0 if all of a page was moved by a call that returned @moved; otherwise what it came to. */
int page_moved(ssize_t moved);

#endif
