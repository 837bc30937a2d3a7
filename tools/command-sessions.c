/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl sessions: what this kernel can take through a live update, and what is preserved now. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "gmemctl.h"
#include "output.h"
#include "sessions.h"
#include "uapi/live_update.h"

#define JSON_VERSION 1

static const char *describe_device(int err)
{
	switch (err) {
	case 0:
		return "can be made and retrieved here";
	case -ENOENT:
		return "none: the kernel has no live update, or it is off (liveupdate=on and kho=on "
		       "turn it on)";
	case -EACCES:
	case -EPERM:
		return "not by this user: /dev/liveupdate is for root";
	case -EBUSY:
		return "another process has /dev/liveupdate open: it can make them";
	case -EIO:
		return "none until the machine is rebooted: the kernel could not read what came";
	default:
		return "none: /dev/liveupdate cannot be opened";
	}
}

static const char *describe_preserves(int mask)
{
	if (mask < 0)
		return "not known: there is no KVM here";
	if (!(mask & GMEM_UAPI_LIVE_UPDATE_ON))
		return "not preserved, as far as the kernel says";
	return mask & GMEM_UAPI_LIVE_UPDATE_MIXED
		       ? "preserved, also with private pages where the VM type permits it"
		       : "preserved if all shared";
}

static const char *kernel(void)
{
	static struct utsname name;

	return uname(&name) ? "" : name.release;
}

static void print_session(const struct found *found)
{
	const char *direction = gmem_direction_name(found->direction);

	printf("  %-24s %-10s held by process %d (%s), fd %d\n", found->name,
	       direction ? direction : "", (int)found->pid, found->command, found->fd);
}

static void print_file(const struct found *found)
{
	const struct gmem_live_update *now = &found->live_update;
	char size[32];

	output_size(size, sizeof(size), found->size);
	printf("  process %d (%s), fd %d: ", (int)found->pid, found->command, found->fd);
	if (!found->asked) {
		puts("not known");
		return;
	}
	printf("%s, %s", size, now->frozen ? "preserved" : "not preserved");
	if (now->retrieved)
		fputs(", came out of a live update", stdout);
	if (now->refusal)
		printf(", would be refused: %s", now->refusal);
	if (now->has_refusal_offset)
		printf(" at 0x%llx", (unsigned long long)now->refusal_offset);
	if (now->numa_policy)
		fputs(", has a NUMA policy, which is not carried", stdout);
	putchar('\n');
}

/* Sessions or files, under a heading. */
static void print_found(const struct sessions *sessions, bool of_sessions, const char *heading)
{
	bool any = false;

	printf("\n%s\n", heading);
	for (size_t i = 0; i < sessions->founds; i++) {
		if (sessions->found[i].is_session != of_sessions)
			continue;
		any = true;
		if (of_sessions)
			print_session(&sessions->found[i]);
		else
			print_file(&sessions->found[i]);
	}
	if (!any)
		puts("  none");
}

static void print_human(const struct sessions *sessions)
{
	printf("Live update on Linux %s\n", kernel());
	printf("  sessions            %s\n", describe_device(sessions->device));
	printf("  guest_memfd files   %s\n", describe_preserves(sessions->preserves));
	if (!sessions->before_known)
		puts("  kernel before       not known: debugfs tells, to root");
	else
		printf("  kernel before       %s\n",
		       sessions->before_sent ? "sent something: this one came out of a live update"
					     : "sent nothing");
	print_found(sessions, true,
		    "Sessions that processes hold (what came and was not retrieved is in no list)");
	print_found(sessions, false, "guest_memfd files that processes have open");
	if (!sessions->all_seen)
		puts("\nSome processes could not be looked at: root sees all.");
}

static void print_json_session(const struct found *found)
{
	const char *direction = gmem_direction_name(found->direction);

	fputs(",\"name\":", stdout);
	output_json_string(stdout, found->name);
	if (direction)
		printf(",\"direction\":\"%s\"", direction);
	else
		fputs(",\"direction\":null", stdout);
}

static void print_json_file(const struct found *found)
{
	const struct gmem_live_update *now = &found->live_update;
	static const char *const words[] = { "false", "true" };

	if (!found->asked) {
		fputs(",\"size\":null,\"live_update\":null", stdout);
		return;
	}
	printf(",\"size\":%llu,\"live_update\":{\"preserved\":%s,\"retrieved\":%s,\"mixed\":%s,"
	       "\"numa_policy\":%s,\"refusal\":",
	       (unsigned long long)found->size, words[now->frozen], words[now->retrieved],
	       words[now->mixed], words[now->numa_policy]);
	if (now->refusal)
		output_json_string(stdout, now->refusal);
	else
		fputs("null", stdout);
	if (now->has_refusal_offset)
		printf(",\"refusal_offset\":%llu}", (unsigned long long)now->refusal_offset);
	else
		fputs(",\"refusal_offset\":null}", stdout);
}

static void print_json_found(const struct sessions *sessions, bool of_sessions)
{
	bool first = true;

	for (size_t i = 0; i < sessions->founds; i++) {
		const struct found *found = &sessions->found[i];

		if (found->is_session != of_sessions)
			continue;
		printf("%s{\"pid\":%d,\"fd\":%d,\"command\":", first ? "" : ",", (int)found->pid,
		       found->fd);
		first = false;
		output_json_string(stdout, found->command);
		if (of_sessions)
			print_json_session(found);
		else
			print_json_file(found);
		putchar('}');
	}
}

static void print_json(const struct sessions *sessions)
{
	static const char *const words[] = { "false", "true" };
	int mask = sessions->preserves;

	printf("{\"version\":%d,\"kernel\":", JSON_VERSION);
	output_json_string(stdout, kernel());
	if (sessions->device)
		printf(",\"device_error\":\"%s\"", gmem_error_name(sessions->device));
	else
		fputs(",\"device_error\":null", stdout);
	if (mask < 0)
		fputs(",\"preserves\":null,\"preserves_mixed\":null", stdout);
	else
		printf(",\"preserves\":%s,\"preserves_mixed\":%s",
		       words[(mask & GMEM_UAPI_LIVE_UPDATE_ON) != 0],
		       words[(mask & GMEM_UAPI_LIVE_UPDATE_MIXED) != 0]);
	printf(",\"kernel_before\":%s",
	       sessions->before_known ? words[sessions->before_sent] : "null");
	printf(",\"all_seen\":%s,\"sessions\":[", words[sessions->all_seen]);
	print_json_found(sessions, true);
	fputs("],\"files\":[", stdout);
	print_json_found(sessions, false);
	fputs("]}\n", stdout);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct sessions sessions;
	bool json = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			return wrong_use(&command_sessions, "unknown option '%s'",
					 argv[optind - 1]);
		json = true;
	}
	if (optind < argc)
		return wrong_use(&command_sessions, "unexpected argument '%s'", argv[optind]);
	if (sessions_find(&sessions)) {
		sessions_free(&sessions);
		complain("out of memory");
		return EXIT_FAILED;
	}
	if (json)
		print_json(&sessions);
	else
		print_human(&sessions);
	option = sessions.device == -ENOENT ? EXIT_LACKING : EXIT_OK;
	sessions_free(&sessions);
	return finish_output(option);
}

const struct command command_sessions = {
	.name = "sessions",
	.summary = "what this kernel takes through a live update, and what is preserved",
	.help = "Usage: gmemctl sessions [--json]\n"
		"\n"
		"Tells whether sessions of a live update can be made here, whether this kernel\n"
		"preserves guest_memfd files, and whether it came out of a live update itself. Then\n"
		"which sessions and guest_memfd files processes have open, and what is preserved. The\n"
		"kernel has no list of its sessions: one that came and that nobody has retrieved yet\n"
		"is not seen. Root sees most. /dev/liveupdate is open for a moment.\n"
		"\n"
		"Options:\n"
		"  --json   one JSON object on a line (gmemctl(1) lists its members)\n"
		"\n"
		"Exit status: 0, or 77 if there is no live update here.\n",
	.run = run,
};
