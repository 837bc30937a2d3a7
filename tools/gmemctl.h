/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl's commands and what they share. */
#ifndef GMEMCTL_GMEMCTL_H
#define GMEMCTL_GMEMCTL_H

/* Exit statuses, the same for all commands. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_WRONG_USE = 2,
	EXIT_LACKING = 77, /* the running kernel or this build lacks something */
};

struct command {
	const char *name;
	const char *summary; /* one line */
	const char *help;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

/* To add a command: its file, one line here, one in gmemctl.c. */
extern const struct command command_explain, command_journal, command_load, command_map,
	command_probe, command_run, command_seccomp, command_sessions, command_top;

/* "gmemctl: ..." on stderr */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
/* The same, then where to find help; returns EXIT_WRONG_USE. */
__attribute__((format(printf, 2, 3))) int wrong_use(const struct command *command,
						    const char *format, ...);
/*
 * After the last output: a full disk or a closed pipe must not look like success. Returns the
 * status, or EXIT_FAILED if stdout could not be written.
 */
int finish_output(int status);

#endif
