/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl probe: what the running kernel offers, for each type of VM. */
#include <libgmem/gmem.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gmemctl.h"
#include "output.h"
#include "uapi/guest_memfd.h"
#include "vm-type.h"

#define VM_TYPES_MAX 32 /* KVM_CAP_VM_TYPES is a mask of 32 bits */
#define JSON_VERSION 1

struct answer {
	unsigned int type;
	int err;	    /* negative errno of what failed */
	const char *failed; /* its name */
	struct gmem_probe *probe;
};

static void ask(int kvm, unsigned int type, struct answer *answer)
{
	int vm = ioctl(kvm, GMEM_UAPI_CREATE_VM, (unsigned long)type);

	*answer = (struct answer){ .type = type };
	if (vm < 0) {
		answer->err = -errno;
		answer->failed = "KVM_CREATE_VM";
		return;
	}
	answer->err = gmem_probe_new(vm, NULL, &answer->probe, NULL);
	answer->failed = answer->err ? "gmem_probe_new" : NULL;
	close(vm);
}

/* The types to ask about: the one wanted, or all that the kernel offers. */
static unsigned int types_to_ask(int kvm, const uint64_t *wanted)
{
	int offered = ioctl(kvm, GMEM_UAPI_CHECK_EXTENSION, GMEM_CAP_VM_TYPES);

	if (wanted)
		return 1u << *wanted;
	/* the default type (0) is there even if the capability is not */
	return offered > 0 ? (unsigned int)offered | 1 : 1;
}

static void print_human(const struct answer *answer)
{
	const char *name = vm_type_name(answer->type);
	char text[2048];

	if (name)
		printf("\nVM type %s: %s\n", name, vm_type_describe(answer->type));
	else
		printf("\nVM type %u: %s\n", answer->type, vm_type_describe(answer->type));
	if (answer->err) {
		printf("  not available: %s gives %s\n", answer->failed,
		       gmem_error_name(answer->err));
		return;
	}
	if (gmem_probe_format(answer->probe, text, sizeof(text)) < 0)
		return;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		printf("  %s\n", line);
}

static void print_json(const struct answer *answer, bool first)
{
	const char *name = vm_type_name(answer->type);
	char text[1024];

	printf("%s{\"type\":%u,\"name\":", first ? "" : ",", answer->type);
	if (name)
		output_json_string(stdout, name);
	else
		fputs("null", stdout);
	if (answer->err) {
		printf(",\"error\":\"%s\",\"failed\":\"%s\",\"probe\":null}",
		       gmem_error_name(answer->err), answer->failed);
		return;
	}
	gmem_probe_format_json(answer->probe, text, sizeof(text));
	printf(",\"error\":null,\"failed\":null,\"probe\":%s}", text);
}

static int no_kvm(bool json, int err)
{
	const char *why =
		err == -EACCES || err == -EPERM
			? "you may not use it: join the group that owns it"
			: "load the kernel module kvm_amd or kvm_intel; in a VM, its host "
			  "has to allow nested virtualization";

	if (json)
		printf("{\"version\":%d,\"kvm\":false,\"error\":\"%s\",\"vm_types\":[]}\n",
		       JSON_VERSION, gmem_error_name(err));
	complain("/dev/kvm gives %s: %s", gmem_error_name(err), why);
	complain("the lab needs no KVM: lab/lab run -- build/tools/gmemctl probe");
	return finish_output(EXIT_LACKING);
}

static int probe_all(int kvm, bool json, const uint64_t *wanted)
{
	unsigned int types = types_to_ask(kvm, wanted);
	bool first = true, converts = false;
	int status = EXIT_OK;
	struct utsname kernel;

	if (uname(&kernel))
		kernel.release[0] = '\0';
	if (json) {
		printf("{\"version\":%d,\"kvm\":true,\"kernel\":", JSON_VERSION);
		output_json_string(stdout, kernel.release);
		fputs(",\"vm_types\":[", stdout);
	} else {
		printf("KVM on Linux %s\n", kernel.release);
	}
	for (unsigned int type = 0; type < VM_TYPES_MAX; type++) {
		struct answer answer;

		if (!(types & (1u << type)))
			continue;
		ask(kvm, type, &answer);
		if (json)
			print_json(&answer, first);
		else
			print_human(&answer);
		first = false;
		converts |= gmem_probe_has(answer.probe, GMEM_FEATURE_CONVERT);
		if (wanted && answer.err)
			status = answer.err == -EINVAL ? EXIT_LACKING : EXIT_FAILED;
		gmem_probe_free(answer.probe);
	}
	if (json)
		fputs("]}\n", stdout);
	else if (!converts)
		puts("\nNo VM here can convert memory in place. The lab has a kernel where it can:\n"
		     "  lab/lab run -- build/tools/gmemctl probe");
	return finish_output(status);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "vm-type", required_argument, NULL, 't' },
		{ 0 },
	};
	const uint64_t *wanted = NULL;
	bool json = false;
	uint64_t type;
	int kvm, status, option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 't':
			if (vm_type_parse(optarg, &type))
				return wrong_use(&command_probe,
						 "unknown VM type '%s': expected default, "
						 "sw-protected, sev, sev-es, snp, tdx or a number "
						 "up to 31",
						 optarg);
			wanted = &type;
			break;
		default:
			return wrong_use(&command_probe, "unknown or incomplete option '%s'",
					 argv[optind - 1]);
		}
	}
	if (optind < argc)
		return wrong_use(&command_probe, "unexpected argument '%s'", argv[optind]);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return no_kvm(json, -errno);
	status = probe_all(kvm, json, wanted);
	close(kvm);
	return status;
}

const struct command command_probe = {
	.name = "probe",
	.summary = "what the running kernel offers to each type of VM",
	.help = "Usage: gmemctl probe [--json] [--vm-type TYPE]\n"
		"\n"
		"Tells what the running kernel offers, for each type of VM that it can make. Found\n"
		"out by trying on a scratch VM, never from the kernel's version; nothing is changed.\n"
		"\n"
		"Options:\n"
		"  --json           one JSON object on a line (gmemctl(1) lists its members)\n"
		"  --vm-type TYPE   only this type: default, sw-protected, sev, sev-es, snp, tdx or\n"
		"                   the kernel's number\n"
		"\n"
		"Exit status: 0, or 77 if there is no usable /dev/kvm or no such type of VM here.\n"
		"A kernel that cannot convert is an answer, and no failure.\n",
	.run = run,
};
