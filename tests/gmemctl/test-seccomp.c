/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What gmemctl seccomp says is enough, and not too much: each part of the library runs in a child
 * whose system calls are traced. It makes those that are listed and no others. TAP.
 *
 * Traced, and not filtered: that needs nothing of the kernel, and says at once which rules were of
 * use.
 *
 * Usage: test-seccomp LIBGMEM.MAP
 */
#include <libgmem/gmem.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seccomp.h"
#include "test-seccomp.h"
#include "tests/kernel/pin.h"
#include "uapi/live_update.h"

#define SW_PROTECTED  1
#define CANNOT	      77 /* exit status of a child */
#define RULES_MAX     64
#define MARK	      5000 /* no system call: what is traced begins and ends with it */
#define UNKNOWN_FLAGS (UINT64_C(1) << 40)

static int run_probe(struct here *here)
{
	struct gmem_probe *probe = NULL;
	int r = gmem_probe_new(here->vm, NULL, &probe, here->error);

	gmem_probe_free(probe);
	return result(r, 0);
}

static int run_create(struct here *here)
{
	struct gmem_create_options options = { .size = sizeof(options) };
	struct gmem *gmem;
	int r = gmem_create(here->vm, SIZE, &options, &gmem, here->error);

	if (r)
		return result(r, 0);
	options.raw_flags = UNKNOWN_FLAGS;
	return result(gmem_create(here->vm, SIZE, &options, &gmem, here->error), -EOPNOTSUPP);
}

static int run_adopt(struct here *here)
{
	struct gmem *gmem;

	return result(gmem_adopt(here->spare, NULL, &gmem, here->error), 0);
}

static int run_release(struct here *here)
{
	gmem_release(here->gmem);
	return result(0, 0);
}

static int run_convert(struct here *here)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 2 };
	int r = gmem_convert(here->gmem, 0, SIZE, GMEM_STATE_SHARED, NULL, here->error);

	if (!here->converts)
		return result(r, -EOPNOTSUPP);
	if (!r && here->frozen)
		r = gmem_convert(here->frozen, 0, SIZE, GMEM_STATE_PRIVATE, NULL, here->error) ==
				    -EPERM
			    ? 0
			    : 1;
	if (r || here->busy)
		return result(r, 0);
	r = gmem_convert(here->gmem, 0, SIZE, GMEM_STATE_PRIVATE, &options, here->error);
	if (r != -EAGAIN)
		return result(r, -EAGAIN);
	/* as on a kernel that has no policies */
	gmem_level_set(GMEM_LEVEL_CONVERT);
	options.policy = GMEM_POLICY_ZERO;
	options.emulate = 1;
	return result(gmem_convert(here->gmem, 0, SIZE, GMEM_STATE_SHARED, &options, here->error),
		      0);
}

static int run_query(struct here *here)
{
	const struct gmem_extent all = { .size = SIZE, .state = GMEM_STATE_SHARED };
	int want = here->queries ? 0 : -EOPNOTSUPP, r;
	struct gmem_extent extent;
	struct gmem_query *query;
	enum gmem_state state;
	bool equal;

	r = gmem_query_new(here->gmem, 0, SIZE, NULL, &query, here->error);
	if (r)
		return result(r, 0);
	r = gmem_query_next(query, &extent, here->error);
	gmem_query_free(query);
	if (r != want || gmem_get_state(here->gmem, 0, &state, here->error) != want)
		return result(r, want);
	return result(gmem_compare(here->gmem, &all, 1, &equal, NULL, here->error), want);
}

static int run_map(struct here *here)
{
	void *address;
	int r = gmem_map(here->gmem, 0, SIZE, NULL, &address, here->error);

	return result(r ? r : gmem_unmap(address, SIZE, here->error), 0);
}

static int run_allocate(struct here *here)
{
	int r = gmem_allocate(here->gmem, 0, SIZE, NULL, here->error);

	if (!r && here->frozen && gmem_discard(here->frozen, 0, SIZE, here->error) != -EPERM)
		return 1;
	return result(r ? r : gmem_discard(here->gmem, 0, SIZE, here->error), 0);
}

/* From a file with a hole, past the page cache and from it; from a stream; and into private pages.
 */
static int run_populate(struct here *here)
{
	struct gmem_populate_options options = { .size = sizeof(options), .to_end = 1 };
	int r;

	options.way = here->direct ? GMEM_POPULATE_DIRECT : GMEM_POPULATE_PLAIN;
	r = gmem_populate(here->gmem, 0, SIZE, here->source, &options, here->error);
	if (r)
		return result(r, 0);
	options.way = GMEM_POPULATE_BEST;
	r = gmem_populate(here->gmem, 0, SIZE, here->source, &options, here->error);
	if (r || (r = gmem_populate(here->gmem, 0, SIZE, here->pipe, &options, here->error)))
		return result(r, 0);
	if (!here->converts || !here->policies)
		return result(r, 0);
	options.state = GMEM_STATE_PRIVATE;
	r = gmem_populate(here->gmem, 0, SIZE, here->source, &options, here->error);
	return result(r, here->busy ? 0 : -EAGAIN);
}

static int run_numa(struct here *here)
{
	struct gmem_numa_options options = { .size = sizeof(options), .late = 1 };
	uint64_t bytes_on[64];
	struct gmem_numa_usage usage = { sizeof(usage), 64, bytes_on, 0, 0 };
	int r = gmem_numa_place(here->gmem, 0, SIZE, GMEM_NUMA_BIND, "0", &options, here->error);

	/* An older kernel does not keep it. */
	if (r && r != -EOPNOTSUPP)
		return result(r, 0);
	r = gmem_populate_memory(here->gmem, 0, 5, "bytes", NULL, here->error);
	if (!r)
		r = gmem_numa_count(here->gmem, 0, SIZE, &usage, here->error);
	return result(r, 0);
}

static int no_release(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	(void)data;
	return 0;
}

/* A slot that the space maps, and one that the program has mapped. */
static int bind_slots(struct gmem_space *space, struct gmem *gmem, struct gmem_error *error)
{
	struct gmem_slot slot = { .size = sizeof(slot), .gmem = gmem };
	int r;

	slot.memory_size = SIZE / 2;
	r = gmem_space_bind(space, &slot, error);
	slot.number = 1;
	slot.gpa = slot.offset = SIZE / 2;
	if (!r)
		r = gmem_space_get_address(space, 0, 1, &slot.address);
	slot.address = (char *)slot.address + slot.offset;
	return r ? r : gmem_space_bind(space, &slot, error);
}

static int run_space(struct here *here)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "test" };
	struct gmem_space *space;
	struct gmem_listener *listener;
	struct gmem *gmem = NULL;
	int r = gmem_space_new(here->vm, NULL, &space, here->error);

	if (r)
		return result(r, 0);
	options.release = no_release;
	r = gmem_listener_add(space, &options, &listener, here->error);
	if (!r)
		r = gmem_space_create(space, SIZE, GMEM_INIT_SHARED, &gmem, here->error);
	if (!r)
		r = bind_slots(space, gmem, here->error);
	if (!r)
		r = gmem_space_unbind(space, 0, here->error);
	if (!r)
		r = gmem_space_unbind(space, 1, here->error);
	if (!r)
		r = gmem_listener_remove(listener, here->error);
	gmem_release(gmem);
	gmem_space_free(space);
	return result(r, 0);
}

static int run_serve(struct here *here)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 2 };
	struct gmem_space_extent extent;
	void *address;
	int r = gmem_space_get_address(here->space, 0, SIZE, &address);

	if (!r)
		r = gmem_space_get_extent(here->space, 0, SIZE, &extent, here->error);
	if (!r)
		r = gmem_space_convert(here->space, 0, SIZE, GMEM_STATE_SHARED, NULL, here->error);
	if (r || !here->converts || here->busy)
		return result(r, 0);
	r = gmem_space_convert(here->space, 0, SIZE, GMEM_STATE_PRIVATE, &options, here->error);
	if (r != -EAGAIN)
		return result(r, -EAGAIN);
	gmem_level_set(GMEM_LEVEL_CONVERT);
	options.policy = GMEM_POLICY_ZERO;
	options.emulate = 1;
	return result(
		gmem_space_convert(here->space, 0, SIZE, GMEM_STATE_SHARED, &options, here->error),
		0);
}

/* A space with a slot, before anything is traced. */
static int make_space(struct here *here)
{
	struct gmem_slot slot = { .size = sizeof(slot), .gmem = here->gmem };

	slot.memory_size = SIZE;
	if (gmem_space_new(here->vm, NULL, &here->space, here->error))
		return -1;
	return gmem_space_bind(here->space, &slot, here->error);
}

/* By a ring and by threads, of which the first does what it can while it is traced. */
static int run_batch(struct here *here)
{
	struct gmem_batch_options options = { .size = sizeof(options) };
	struct gmem_batch_item items[2] = {
		{ here->gmem, 0, 4096, GMEM_BATCH_ALLOCATE, 0, 0, 0, 0 },
		{ here->gmem, 8192, 4096, GMEM_BATCH_DISCARD, 0, 0, 0, 0 },
	};
	int r = 0;

	for (int i = 0; i < 2 && !r; i++) {
		struct gmem_batch *batch;

		options.executor = i ? GMEM_BATCH_THREADS : GMEM_BATCH_BEST;
		r = gmem_batch_new(&options, &batch, here->error);
		if (r)
			break;
		r = gmem_batch_submit(batch, items, 2, NULL, here->error);
		if (!r)
			r = gmem_batch_finish(batch, true, NULL, here->error);
		gmem_batch_free(batch);
	}
	return result(r, 0);
}

static int run_report(struct here *here)
{
	struct gmem_error *error;
	int r = gmem_error_new(&error);

	(void)here;
	if (!r)
		gmem_error_free(error);
	return result(r, 0);
}

/* Of those without a system call, the ones that do something. */
static int run_other(struct here *here)
{
	struct gmem_request_repeats repeats = { 0 };
	char text[2048];
	uint64_t flags;

	if (gmem_request_count(&repeats, NULL, 0, here->error) ||
	    gmem_convert(here->gmem, 1, 1, GMEM_STATE_SHARED, NULL, here->error) != -EINVAL ||
	    gmem_error_explain(here->error, text, sizeof(text)) <= 0 ||
	    gmem_error_format_json(here->error, text, sizeof(text)) <= 0)
		return 1;
	return result(gmem_get_creation_flags(here->gmem, &flags), 0);
}

static const struct {
	const char *part;
	int (*run)(struct here *here);
} runs[] = {
	{ "probe", run_probe },	      { "create", run_create },
	{ "adopt", run_adopt },	      { "release", run_release },
	{ "convert", run_convert },   { "query", run_query },
	{ "map", run_map },	      { "allocate", run_allocate },
	{ "report", run_report },     { "other", run_other },
	{ "populate", run_populate }, { "numa", run_numa },
	{ "space", run_space },	      { "serve", run_serve },
	{ "batch", run_batch },	      { "session", run_session },
	{ "preserve", run_preserve }, { "retrieve", run_retrieve },
	{ "blob", run_blob },	      { "blob-session", run_blob_session },
	{ "store", run_store },
};

/* A file that can be mapped at once: shared at first. */
static int make_file(struct here *here)
{
	struct gmem_uapi_create request = {
		.size = SIZE,
		.flags = GMEM_UAPI_FLAG_MMAP | GMEM_UAPI_FLAG_INIT_SHARED,
	};
	struct gmem_create_options options = {
		.size = sizeof(options),
		.init = GMEM_INIT_SHARED,
		.mappable = 1,
	};

	here->spare = ioctl(here->vm, GMEM_UAPI_CREATE_GUEST_MEMFD, &request);
	return here->spare < 0 || gmem_create(here->vm, SIZE, &options, &here->gmem, NULL) ? -1 : 0;
}

static bool can_use_uring(void)
{
	char parameters[256] = "";
	long ring = syscall(SYS_io_uring_setup, 1, parameters);

	if (ring >= 0)
		close((int)ring);
	return ring >= 0;
}

static int make_sources(struct here *here)
{
	char name[] = "/tmp/gmem-seccomp-XXXXXX", bytes[5000] = "source";
	int ends[2], direct;

	here->source = mkstemp(name);
	if (here->source < 0 || pipe(ends))
		return -1;
	snprintf(bytes, sizeof(bytes), "/proc/self/fd/%d", here->source);
	direct = open(bytes, O_RDONLY | O_DIRECT | O_CLOEXEC);
	here->uring = can_use_uring();
	here->direct = direct >= 0 && here->uring;
	close(direct);
	unlink(name);
	/* Data, a hole, and a part of a page. */
	if (pwrite(here->source, bytes, 4096, 0) != 4096 ||
	    pwrite(here->source, bytes, 5000, 65536) != 5000 || write(ends[1], bytes, 100) != 100)
		return -1;
	close(ends[1]);
	here->pipe = ends[0];
	return 0;
}

/* KVM serves a VM only in the process that made it: each child makes its own. */
static int make_here(struct here *here)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), pipe_ends[2];
	struct gmem_probe *probe = NULL;
	struct statfs statfs;
	bool preserves;
	void *view;

	*here = (struct here){ .vm = -1, .busy = -1 };
	if (kvm < 0 || gmem_error_new(&here->error))
		return -1;
	here->vm = ioctl(kvm, GMEM_UAPI_CREATE_VM, SW_PROTECTED);
	/* before in-place conversion only VMs without private memory have mappable files */
	if (here->vm < 0 || make_file(here)) {
		here->vm = ioctl(kvm, GMEM_UAPI_CREATE_VM, 0);
		if (here->vm < 0 || make_file(here))
			return -1;
	}
	if (fstatfs(here->spare, &statfs) || gmem_probe_new(here->vm, NULL, &probe, NULL))
		return -1;
	here->file_system = statfs.f_type == GMEM_UAPI_MAGIC;
	here->converts = gmem_probe_has(probe, GMEM_FEATURE_CONVERT);
	here->queries = gmem_probe_has(probe, GMEM_FEATURE_QUERY);
	here->policies = gmem_probe_has(probe, GMEM_FEATURE_POLICY);
	preserves = gmem_probe_has(probe, GMEM_FEATURE_LIVE_UPDATE);
	gmem_probe_free(probe);
	if (make_sources(here) || make_sessions(here, preserves))
		return -1;
	if (!here->converts)
		return 0;
	if (gmem_map(here->gmem, 0, SIZE, NULL, &view, NULL))
		return -1;
	memset(view, 1, SIZE);
	here->busy = splice_into_pipe(view, 4096, pipe_ends);
	return 0;
}

/* What a child did. */
struct trace {
	int status; /* that it ended with, -1: it could not be traced */
	bool used[RULES_MAX];
	unsigned int unlisted;
};

static bool allows(const struct seccomp_rule *rule, const struct __ptrace_syscall_info *info)
{
	return rule->number == (long)info->entry.nr &&
	       (!rule->argument || rule->argument_value == (uint32_t)info->entry.args[1]);
}

static void note(const struct seccomp_part *part, const struct __ptrace_syscall_info *info,
		 struct trace *trace)
{
	bool listed = info->entry.nr == SYS_restart_syscall;

	/* That one goes on with a call that was seen before: the kernel makes it. */
	for (size_t i = 0; part->rules[i].call; i++) {
		if (!allows(&part->rules[i], info))
			continue;
		trace->used[i] = true;
		listed = true;
	}
	if (listed)
		return;
	trace->unlisted++;
	printf("# system call %llu, second argument 0x%llx, is missing in the list\n",
	       (unsigned long long)info->entry.nr, (unsigned long long)info->entry.args[1]);
}

/* Let the child go on to its next system call. False: it has ended. */
static bool next_call(pid_t child, struct __ptrace_syscall_info *info, struct trace *trace)
{
	int status;

	do {
		if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) ||
		    waitpid(child, &status, 0) != child)
			return false;
		if (WIFEXITED(status))
			trace->status = WEXITSTATUS(status);
		if (!WIFSTOPPED(status) ||
		    ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(*info), info) <= 0)
			return false;
	} while (info->op != PTRACE_SYSCALL_INFO_ENTRY);
	return true;
}

static void follow(pid_t child, const struct seccomp_part *part, struct trace *trace)
{
	struct __ptrace_syscall_info info;
	bool marked = false;
	int status;

	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		return;
	while (next_call(child, &info, trace)) {
		if (info.entry.nr == MARK)
			marked = !marked;
		else if (marked)
			note(part, &info, trace);
	}
}

static int in_child(int (*run)(struct here *here))
{
	struct here here;
	int status;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP) || make_here(&here))
		return CANNOT;
	if (run == run_serve && make_space(&here))
		return CANNOT;
	syscall(MARK);
	status = run(&here);
	syscall(MARK);
	return status;
}

static struct trace run_traced(const struct seccomp_part *part)
{
	int (*run)(struct here *) = NULL;
	struct trace trace = { .status = -1 };
	pid_t child;

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		if (!strcmp(runs[i].part, part->name))
			run = runs[i].run;
	fflush(stdout);
	child = run ? fork() : -1;
	if (!child)
		_exit(in_child(run));
	if (child > 0)
		follow(child, part, &trace);
	return trace;
}

static unsigned int points, failures;

static void point(bool ok, const char *part, const char *text, const char *what)
{
	printf("%sok %u - %s %s%s%s\n", ok ? "" : "not ", ++points, part, text, what ? " " : "",
	       what ? what : "");
	failures += !ok;
}

static const char *rule_name(const struct seccomp_rule *rule)
{
	return rule->argument ? rule->argument : rule->call;
}

static bool needs_session(const struct seccomp_part *part)
{
	return !strcmp(part->name, "session") || !strcmp(part->name, "preserve") ||
	       !strcmp(part->name, "blob-session") || !strcmp(part->name, "store");
}

/* Whether this kernel makes the library come to the call of a rule. */
static bool reached(const struct seccomp_part *part, const struct seccomp_rule *rule,
		    const struct here *here)
{
	if (needs_session(part) && !here->session)
		return false;
	switch (rule->when) {
	case SECCOMP_ALWAYS:
	case SECCOMP_FAILURE:
		return true;
	case SECCOMP_BUSY:
	case SECCOMP_EMULATION:
		return here->converts && !here->busy;
	case SECCOMP_OLD_KERNEL:
		return !here->file_system;
	case SECCOMP_STREAM:
		return true;
	case SECCOMP_URING:
		return here->uring;
	case SECCOMP_NODES:
		return !access("/sys/devices/system/node/node0", F_OK);
	case SECCOMP_DIRECT:
		return here->direct;
	case SECCOMP_PRIVATE:
		return here->converts && here->policies && here->busy;
	case SECCOMP_ADDRESS:
		return true;
	case SECCOMP_IN_PLACE:
		return here->converts;
	case SECCOMP_QUERY:
		return here->queries;
	case SECCOMP_TWO_BACKINGS:
		/* tests/library/space.c runs these, and the list is for all machines */
		return false;
	case SECCOMP_WAITING:
		return true;
	case SECCOMP_FROZEN:
		/* Loading makes these two calls in the same way. */
		return here->frozen && strcmp(part->name, "populate");
	case SECCOMP_INCOMING:
	case SECCOMP_EMPTY_STREAM:
	case SECCOMP_THREADS:
	case SECCOMP_IN_THREADS:
	case SECCOMP_C_LIBRARY:
	case SECCOMP_WHENS:
		break;
	}
	return false;
}

static void test_part(const struct seccomp_part *part, const struct here *here)
{
	struct trace trace = run_traced(part);

	if (trace.status)
		printf("# status %d\n", trace.status);
	point(!trace.status && !trace.unlisted, part->name, "makes no call but those listed", NULL);
	for (size_t i = 0; part->rules[i].call; i++)
		if (reached(part, &part->rules[i], here))
			point(trace.used[i], part->name, "makes", rule_name(&part->rules[i]));
}

static unsigned int parts_with(const char *function)
{
	unsigned int parts = 0;

	for (const struct seccomp_part *part = seccomp_parts; part->name; part++)
		for (size_t i = 0; part->functions[i]; i++)
			parts += !strcmp(part->functions[i], function);
	return parts;
}

/* The list has every public function once. */
static void test_functions(const char *map)
{
	FILE *file = fopen(map, "re");
	unsigned int public = 0, listed = 0;
	char line[200], name[100];
	bool all = true;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %99[a-z_0-9];", name) != 1 || strncmp(name, "gmem_", 5))
			continue;
		public++;
		if (parts_with(name) == 1)
			continue;
		printf("# %s is in %u parts\n", name, parts_with(name));
		all = false;
	}
	for (const struct seccomp_part *part = seccomp_parts; part->name; part++)
		for (size_t i = 0; part->functions[i]; i++)
			listed++;
	if (file)
		fclose(file);
	point(public && all && listed == public, "the list", "has every public function once",
	      NULL);
}

int main(int argc, char **argv)
{
	struct here here;

	if (argc != 2) {
		fprintf(stderr, "usage: test-seccomp LIBGMEM.MAP\n");
		return 2;
	}
	test_functions(argv[1]);
	if (make_here(&here)) {
		printf("ok %u - calls of each part # SKIP no KVM with mappable guest_memfd\n",
		       ++points);
	} else {
		printf("# in-place conversion: %s; a busy page: %s\n", here.converts ? "yes" : "no",
		       here.busy ? "no" : "yes");
		if (here.converts)
			point(!here.busy, "a page", "can be held", NULL);
		for (const struct seccomp_part *part = seccomp_parts; part->name; part++)
			test_part(part, &here);
	}
	printf("1..%u\n", points);
	return failures ? 1 : 0;
}
