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

#define SW_PROTECTED 1
#define CANNOT	     77 /* exit status of a child */
#define RULES_MAX    64
#define MARK	     5000 /* no system call: what is traced begins and ends with it */

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

static int in_child(const struct run *run)
{
	struct here here;
	int status;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP) || make_here(&here))
		return CANNOT;
	if (run->prepare && run->prepare(&here))
		return CANNOT;
	syscall(MARK);
	status = run->run(&here);
	syscall(MARK);
	return status;
}

static struct trace run_traced(const struct seccomp_part *part)
{
	const struct run *run = runs;
	struct trace trace = { .status = -1 };
	pid_t child;

	while (run->part && strcmp(run->part, part->name))
		run++;
	fflush(stdout);
	child = run->part ? fork() : -1;
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
