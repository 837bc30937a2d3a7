/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl map: the states of a process's guest_memfd files as pictures. */
#include <libgmem/gmem.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "gmemctl.h"
#include "output.h"
#include "picture.h"

#define JSON_VERSION 1
#define TEXT_CELLS   1024
#define SVG_CELLS    4096

struct wish {
	pid_t pid;
	bool json;
	const char *svg; /* a file's name */
	int shown;	 /* files so far */
	struct gmem_error *report;
};

static int failed(const struct wish *wish, int fd)
{
	char text[1024];

	gmem_error_explain(wish->report, text, sizeof(text));
	complain("descriptor %d: %s", fd, text);
	return gmem_error_get_code(wish->report) == -EOPNOTSUPP ? EXIT_LACKING : EXIT_FAILED;
}

/* All extents as they are, however many. */
static int print_json(const struct wish *wish, int fd, struct gmem *gmem)
{
	struct gmem_query_options options = {
		.size = sizeof(options),
		.allocated = 1,
		.batch = 1024,
	};
	struct gmem_extent extent;
	struct gmem_query *query;
	bool first = true;
	int r = gmem_query_new(gmem, 0, gmem_get_size(gmem), &options, &query, wish->report);

	if (r < 0)
		return failed(wish, fd);
	while ((r = gmem_query_next(query, &extent, wish->report)) == 0) {
		if (first)
			printf("{\"version\":%d,\"pid\":%d,\"fd\":%d,\"size\":%" PRIu64
			       ",\"extents\":[",
			       JSON_VERSION, (int)wish->pid, fd, gmem_get_size(gmem));
		printf("%s{\"offset\":%" PRIu64 ",\"size\":%" PRIu64
		       ",\"state\":\"%s\",\"allocated\":%" PRIu64 "}",
		       first ? "" : ",", extent.offset, extent.size, gmem_state_name(extent.state),
		       extent.allocated);
		first = false;
	}
	gmem_query_free(query);
	if (!first)
		puts("]}");
	return r == -ENODATA ? EXIT_OK : failed(wish, fd);
}

static int write_svg(const struct wish *wish, const struct picture *picture, const char *title)
{
	FILE *stream = strcmp(wish->svg, "-") ? fopen(wish->svg, "we") : stdout;

	if (stream)
		picture_write_svg(picture, title, stream);
	if (!stream || fflush(stream) || ferror(stream) || (stream != stdout && fclose(stream))) {
		complain("cannot write %s: %s", wish->svg, strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static int draw(struct wish *wish, int fd, struct gmem *gmem)
{
	char title[128], name[32], size[32];
	struct picture *picture;
	int status = EXIT_OK;

	if (picture_new(gmem_get_size(gmem), (uint64_t)sysconf(_SC_PAGESIZE),
			wish->svg ? SVG_CELLS : TEXT_CELLS, &picture)) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	if (picture_query(picture, gmem, wish->report) < 0) {
		status = failed(wish, fd);
		goto out;
	}
	process_name("/proc", wish->pid, name, sizeof(name));
	picture_size(size, sizeof(size), gmem_get_size(gmem));
	snprintf(title, sizeof(title), "guest_memfd of %s: descriptor %d of process %d (%s)", size,
		 fd, (int)wish->pid, name);
	if (wish->svg) {
		status = write_svg(wish, picture, title);
		goto out;
	}
	printf("%s%s\n\n", wish->shown ? "\n" : "", title);
	picture_print(picture, stdout, output_colour(stdout));
out:
	picture_free(picture);
	return status;
}

/* must: it was asked for, so it has to be a guest_memfd. */
static int show(struct wish *wish, int fd, bool must)
{
	struct gmem *gmem;
	int copy = process_take_fd(wish->pid, fd), status;

	if (copy < 0) {
		complain("descriptor %d of process %d: %s", fd, (int)wish->pid,
			 process_take_fd_why(-copy));
		return EXIT_FAILED;
	}
	if (gmem_adopt(copy, NULL, &gmem, wish->report) < 0) {
		close(copy);
		return must || gmem_error_get_code(wish->report) != -ENOTTY ? failed(wish, fd)
									    : EXIT_OK;
	}
	status = wish->json ? print_json(wish, fd, gmem) : draw(wish, fd, gmem);
	gmem_release(gmem);
	wish->shown++;
	return status;
}

static int show_all(struct wish *wish)
{
	int *fds, count = process_gmem_fds("/proc", wish->pid, &fds), status = EXIT_OK;

	if (count < 0) {
		complain("process %d: %s", (int)wish->pid, strerror(-count));
		return EXIT_FAILED;
	}
	if (wish->svg && count > 1) {
		complain("process %d has %d of them, and a picture is of one: name a descriptor "
			 "such as %d",
			 (int)wish->pid, count, fds[0]);
		status = EXIT_WRONG_USE;
	}
	for (int i = 0; status == EXIT_OK && i < count; i++)
		status = show(wish, fds[i], false);
	if (status == EXIT_OK && !wish->shown) {
		complain("process %d has no guest_memfd", (int)wish->pid);
		status = EXIT_FAILED;
	}
	free(fds);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "svg", required_argument, NULL, 's' },
						 { 0 } };
	struct wish wish = { 0 };
	int option, fd = -1, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			wish.json = true;
			break;
		case 's':
			wish.svg = optarg;
			break;
		default:
			return wrong_use(&command_map, "unknown option '%s', or it lacks its file",
					 argv[optind - 1]);
		}
	}
	if (wish.json && wish.svg)
		return wrong_use(&command_map, "--json and --svg exclude each other");
	if (argc - optind < 1 || argc - optind > 2)
		return wrong_use(&command_map, "a process is needed, and perhaps a descriptor");
	if (process_parse_number(argv[optind], &wish.pid) || !wish.pid)
		return wrong_use(&command_map, "'%s' is no process number", argv[optind]);
	if (argc - optind == 2 && process_parse_number(argv[optind + 1], &fd))
		return wrong_use(&command_map, "'%s' is no descriptor", argv[optind + 1]);
	if (gmem_error_new(&wish.report)) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	status = fd < 0 ? show_all(&wish) : show(&wish, fd, true);
	gmem_error_free(wish.report);
	return finish_output(status);
}

const struct command command_map = {
	.name = "map",
	.summary = "the states of a running program's memory, as a picture",
	.help = "Usage: gmemctl map [OPTION...] PID [DESCRIPTOR]\n"
		"\n"
		"Shows which parts of the guest_memfd files of a process are private and which are\n"
		"shared, and where they have memory: one letter for some pages each. The process\n"
		"runs on, and nothing of it is changed. The kernel has to tell the states (see\n"
		"gmemctl probe: query), and the right to trace the process is needed.\n"
		"\n"
		"  gmemctl map $(pidof qemu-system-x86_64)\n"
		"  gmemctl map --svg map.svg 1234 21\n"
		"\n"
		"Options:\n"
		"  --json       one JSON object per file and line, with all extents\n"
		"  --svg FILE   a picture in this file instead of letters; '-' is standard output\n"
		"\n"
		"Exit status: 0, 1 it failed or there is no such file, 2 wrong use, 77 the running\n"
		"kernel does not tell the states.\n",
	.run = run,
};
