/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl: choosing a command. Each command is in command-NAME.c. */
#include <libgmem/level.h>
#include <libgmem/version.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gmemctl.h"

static const struct command *const commands[] = {
	&command_probe,
#ifdef HAVE_FLOWS
	&command_run,
#endif
	&command_explain, &command_journal,  &command_load, &command_map,
	&command_seccomp, &command_sessions, &command_top,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void complain(const char *format, ...)
{
	va_list args;

	fputs("gmemctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int wrong_use(const struct command *command, const char *format, ...)
{
	va_list args;

	fputs("gmemctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nSee gmemctl %s%s--help\n", command ? command->name : "",
		command ? " " : "");
	return EXIT_WRONG_USE;
}

int finish_output(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	complain("cannot write the output: %s", strerror(errno));
	return EXIT_FAILED;
}

static int help(void)
{
	puts("Usage: gmemctl COMMAND [OPTION...] [ARGUMENT...]\n"
	     "\n"
	     "Looks at what this kernel does with KVM's guest_memfd memory, tries it out, and explains\n"
	     "it. Begin with what the kernel offers: gmemctl probe. What it does not offer can be seen\n"
	     "in the lab, which comes with libgmem's sources: lab/lab run -- build/tools/gmemctl probe\n"
	     "\n"
	     "Commands:");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
	puts("\n"
	     "Options:\n"
	     "  --help       this text; gmemctl COMMAND --help says more about a command\n"
	     "  --version    the version\n"
	     "\n"
	     "The manual is in gmemctl(1), flows are described in gmem_flow(5). GMEM_LEVEL=convert and\n"
	     "the like in the environment make libgmem behave as on kernels that have less.\n"
	     "\n"
	     "Exit status: 0 all is well, 1 something failed, 2 wrong use, 77 the running kernel\n"
	     "lacks something that is needed.");
	return finish_output(EXIT_OK);
}

/* A test of a fallback must not pass because of a typing error. */
static bool level_is_valid(void)
{
	enum gmem_level level;

	if (!gmem_level_get(&level))
		return true;
	fputs("gmemctl: GMEM_LEVEL in the environment has to be one of", stderr);
	for (unsigned int i = 0; i <= GMEM_LEVEL_FULL; i++)
		if (gmem_level_name((enum gmem_level)i))
			fprintf(stderr, " %s", gmem_level_name((enum gmem_level)i));
	fputc('\n', stderr);
	return false;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name)
		return wrong_use(NULL, "no command");
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
		return help();
	if (!strcmp(name, "--version")) {
		printf("gmemctl %s\n", gmem_version());
		return finish_output(EXIT_OK);
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(name, commands[i]->name))
			continue;
		for (int arg = 2; arg < argc && strcmp(argv[arg], "--"); arg++) {
			if (!strcmp(argv[arg], "--help") || !strcmp(argv[arg], "-h")) {
				fputs(commands[i]->help, stdout);
				return finish_output(EXIT_OK);
			}
		}
		return level_is_valid() ? commands[i]->run(argc - 1, argv + 1) : EXIT_WRONG_USE;
	}
	return wrong_use(NULL, "unknown command '%s'", name);
}
