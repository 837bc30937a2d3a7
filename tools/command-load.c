/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl load: a file into the guest_memfd of a running program, or into a new one to see it work.
 */
#include <libgmem/gmem.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "descriptors.h"
#include "flow.h"
#include "gmemctl.h"
#include "output.h"
#include "uapi/guest_memfd.h"

#define JSON_VERSION   1
#define SW_PROTECTED   1
#define BAR_WIDTH      30
#define NS_PER_S       UINT64_C(1000000000)
#define BAR_PAUSE_NS   (NS_PER_S / 10)
#define STREAM_DEFAULT (UINT64_C(1) << 30)

struct load {
	const char *name;
	bool json, quiet;
	int fd, vm;
	uint64_t offset, size; /* size 0: to the end of the source */
	struct gmem_populate_options options;
	struct gmem_populate_result result;
	struct gmem *gmem;
	struct gmem_error *report;
	/* the bar */
	uint64_t started, shown;
	bool has_bar;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static double seconds_since(uint64_t start)
{
	double seconds = (double)(now() - start) / (double)NS_PER_S;

	return seconds > 0 ? seconds : 1e-9;
}

/* Only on a terminal, and not more often than eyes can follow. */
static void show_bar(struct load *load, uint64_t loaded, uint64_t total)
{
	char bar[BAR_WIDTH + 1];
	double speed = mib(loaded) / seconds_since(load->started);

	if (now() - load->shown < BAR_PAUSE_NS && loaded != total)
		return;
	load->shown = now();
	load->has_bar = true;
	if (!total) {
		fprintf(stderr, "\r%.1f MiB, %.0f MiB/s\033[K", mib(loaded), speed);
		return;
	}
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', (size_t)((double)loaded / (double)total * BAR_WIDTH));
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %3.0f %%  %.1f of %.1f MiB, %.0f MiB/s\033[K", bar,
		100.0 * (double)loaded / (double)total, mib(loaded), mib(total), speed);
}

static enum gmem_populate_action tell(uint64_t loaded, uint64_t total, void *data)
{
	struct load *load = data;

	if (!load->json && !load->quiet && isatty(STDERR_FILENO))
		show_bar(load, loaded, total);
	return interrupted ? GMEM_POPULATE_STOP : GMEM_POPULATE_GO_ON;
}

static void end_bar(struct load *load)
{
	if (load->has_bar)
		fputs("\r\033[K", stderr);
	load->has_bar = false;
}

static int failed(const struct load *load)
{
	int code = gmem_error_get_code(load->report);
	char text[2048];

	if (load->json) {
		gmem_error_format_json(load->report, text, sizeof(text));
		printf("{\"version\":%d,\"error\":%s}\n", JSON_VERSION, text);
	} else {
		gmem_error_explain(load->report, text, sizeof(text));
		complain("%s: %s", load->name, text);
	}
	return code == -EOPNOTSUPP ? EXIT_LACKING : EXIT_FAILED;
}

/* How much of a guest_memfd the source needs; a stream does not tell. */
static uint64_t wanted_size(const struct load *load)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), size = load->size;
	struct stat stat;

	if (!size && !fstat(load->fd, &stat) && S_ISREG(stat.st_mode) &&
	    (uint64_t)stat.st_size > load->options.source_offset)
		size = (uint64_t)stat.st_size - load->options.source_offset;
	if (!size)
		size = STREAM_DEFAULT;
	if (size > INT64_MAX - load->offset - page)
		return INT64_MAX & ~(page - 1);
	return (load->offset + size + page - 1) & ~(page - 1);
}

/* With a VM that can have what was asked for. */
static int make_file(struct load *load)
{
	bool private = load->options.state == GMEM_STATE_PRIVATE;
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0) {
		complain("/dev/kvm: %s", strerror(errno));
		return EXIT_LACKING;
	}
	options.init = private ? GMEM_INIT_PRIVATE : GMEM_INIT_SHARED;
	load->vm = ioctl(kvm, GMEM_UAPI_CREATE_VM, private ? SW_PROTECTED : 0);
	close(kvm);
	if (load->vm < 0) {
		complain("this KVM has no VM%s: %s", private ? " with private memory" : "",
			 strerror(errno));
		return EXIT_LACKING;
	}
	if (gmem_create(load->vm, wanted_size(load), &options, &load->gmem, load->report) < 0)
		return failed(load);
	return EXIT_OK;
}

static int take_file(struct load *load, int pid, int fd)
{
	int copy = process_take_fd(pid, fd);

	if (copy < 0) {
		complain("descriptor %d of process %d: %s", fd, pid, process_take_fd_why(-copy));
		return EXIT_FAILED;
	}
	if (gmem_adopt(copy, NULL, &load->gmem, load->report) == 0)
		return EXIT_OK;
	close(copy);
	return failed(load);
}

static void print_result(const struct load *load, double seconds)
{
	const struct gmem_populate_result *r = &load->result;

	if (load->json)
		printf("{\"version\":%d,\"offset\":%" PRIu64 ",\"loaded\":%" PRIu64
		       ",\"holes\":%" PRIu64 ",\"direct\":%" PRIu64 ",\"threads\":%" PRIu64
		       ",\"seconds\":%.6f}\n",
		       JSON_VERSION, load->offset, r->loaded, r->holes, r->direct, r->threads,
		       seconds);
	else if (!load->quiet)
		printf("%.1f MiB loaded at 0x%" PRIx64
		       " in %.2f s (%.0f MiB/s), %.1f of them holes, "
		       "%.1f past the page cache, by %" PRIu64 " thread%s\n",
		       mib(r->loaded), load->offset, seconds, mib(r->loaded) / seconds,
		       mib(r->holes), mib(r->direct), r->threads, r->threads == 1 ? "" : "s");
}

static int load_file(struct load *load)
{
	uint64_t size = load->size, file_size = gmem_get_size(load->gmem);
	struct sigaction action = { .sa_handler = interrupt };
	double seconds;
	int r;

	if (!size) {
		load->options.to_end = 1;
		size = file_size > load->offset ? file_size - load->offset : 0;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	load->result.size = sizeof(load->result);
	load->options.ret_result = &load->result;
	load->options.progress = tell;
	load->options.progress_data = load;
	load->started = now();
	r = gmem_populate(load->gmem, load->offset, size, load->fd, &load->options, load->report);
	seconds = seconds_since(load->started);
	end_bar(load);
	if (r < 0)
		return failed(load);
	print_result(load, seconds);
	return EXIT_OK;
}

static int parse_way(const char *name, enum gmem_populate_way *ret_way)
{
	static const char *const names[] = { "best", "plain", "direct" };

	for (unsigned int i = 0; i < 3; i++) {
		if (!strcmp(name, names[i])) {
			*ret_way = (enum gmem_populate_way)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* False: the option is unknown, or its value has no meaning. */
static bool read_option(struct load *load, int option, const char *value)
{
	uint64_t number;

	switch (option) {
	case 'j':
		load->json = true;
		return true;
	case 'q':
		load->quiet = true;
		return true;
	case 'p':
		load->options.state = GMEM_STATE_PRIVATE;
		return true;
	case 'o':
		return !flow_parse_number(value, &load->offset);
	case 's':
		return !flow_parse_number(value, &load->size) && load->size;
	case 'f':
		return !flow_parse_number(value, &load->options.source_offset);
	case 'w':
		return !parse_way(value, &load->options.way);
	case 't':
		if (flow_parse_number(value, &number) || number < 1 || number > 64)
			return false;
		load->options.threads = (uint32_t)number;
		return true;
	}
	return false;
}

static int read_options(int argc, char **argv, struct load *load)
{
	static const struct option options[] = {
		{ "offset", required_argument, NULL, 'o' },
		{ "size", required_argument, NULL, 's' },
		{ "from", required_argument, NULL, 'f' },
		{ "way", required_argument, NULL, 'w' },
		{ "threads", required_argument, NULL, 't' },
		{ "private", no_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "q", options, NULL)) != -1) {
		if (!read_option(load, option, optarg))
			return wrong_use(&command_load, "wrong option or value '%s'",
					 argv[optind - 1]);
	}
	if (argc - optind != 1 && argc - optind != 3)
		return wrong_use(&command_load, "a file is needed, and perhaps a process with a "
						"descriptor");
	return EXIT_OK;
}

static int run_with_file(struct load *load, int argc, char **argv)
{
	int pid, fd, status;

	if (argc == 1) {
		status = make_file(load);
	} else {
		if (process_parse_number(argv[1], &pid) || !pid ||
		    process_parse_number(argv[2], &fd))
			return wrong_use(&command_load, "'%s %s' is no process with a descriptor",
					 argv[1], argv[2]);
		status = take_file(load, pid, fd);
	}
	return status == EXIT_OK ? load_file(load) : status;
}

static int run(int argc, char **argv)
{
	struct load load = { .fd = -1, .vm = -1 };
	int status;

	load.options.size = sizeof(load.options);
	status = read_options(argc, argv, &load);
	if (status != EXIT_OK)
		return status;
	argc -= optind;
	argv += optind;
	load.name = argv[0];
	load.fd = strcmp(load.name, "-") ? open(load.name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (load.fd < 0) {
		complain("cannot read %s: %s", load.name, strerror(errno));
		return EXIT_FAILED;
	}
	if (gmem_error_new(&load.report) == 0)
		status = run_with_file(&load, argc, argv);
	else
		status = EXIT_FAILED;
	gmem_release(load.gmem);
	gmem_error_free(load.report);
	return finish_output(status);
}

const struct command command_load = {
	.name = "load",
	.summary = "load a file into a program's guest memory, or try how fast that is",
	.help = "Usage: gmemctl load [OPTION...] FILE [PROCESS DESCRIPTOR]\n"
		"\n"
		"Loads a file, a block device, or with '-' the standard input, into the guest_memfd\n"
		"that a running process has as this descriptor; without one, into a new guest_memfd\n"
		"that goes away again, to see how fast it is. Holes of the file stay holes. On a\n"
		"terminal a bar shows how far it is; Ctrl-C stops it.\n"
		"\n"
		"  gmemctl load snapshot.img\n"
		"  gmemctl load --offset 128M initrd.img 4711 13\n"
		"\n"
		"Options:\n"
		"  --offset N   where it goes, in bytes; K, M, G, T are units (0)\n"
		"  --size N     how much, which the file must have; otherwise all of it\n"
		"  --from N     where to begin in the file (0)\n"
		"  --way WAY    best, plain: read(2) only, direct: io_uring and O_DIRECT only\n"
		"  --threads N  from 1 to 64 (up to 4)\n"
		"  --private    into memory that is private afterwards\n"
		"  --json       one JSON object (see gmemctl(1))\n"
		"  -q, --quiet  only what fails\n"
		"\n"
		"Exit status: 0 loaded, 1 failed, 2 wrong use, 77 the kernel or this build lacks\n"
		"something that was asked for.\n",
	.run = run,
};
