/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel's interface without the library, which refuses what makes no sense before the kernel
 * sees it: raw convert.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run.h"
#include "uapi/guest_memfd.h"

#define NO_OFFSET UINT64_MAX

/* Where the ioctl goes to, in the order of the syntax. */
enum target {
	ON_FILE,
	ON_VM,
	ON_KVM,
	ON_VCPU,
	ON_PIPE,
	ON_MEMFD,
	ON_CLOSED,
};

/* A descriptor that the caller closes. */
static int open_target(struct flow_run *run, const struct flow_step *step, enum target target)
{
	struct guestvm *vm = run_vm(run, step)->vm;
	int pipe_ends[2], fd = -1;

	switch (target) {
	case ON_FILE:
		fd = dup(gmem_get_fd(run_file(run, step, "file")->gmem));
		break;
	case ON_VM:
		fd = dup(guestvm_vm_fd(vm));
		break;
	case ON_KVM:
		fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		break;
	case ON_VCPU:
		fd = dup(guestvm_vcpu_fd(vm, 0));
		break;
	case ON_PIPE:
		if (!pipe2(pipe_ends, O_CLOEXEC)) {
			close(pipe_ends[1]);
			fd = pipe_ends[0];
		}
		break;
	case ON_MEMFD:
		fd = memfd_create("flow", MFD_CLOEXEC);
		break;
	case ON_CLOSED:
		/* higher than any that is open */
		return (int)sysconf(_SC_OPEN_MAX) - 1;
	}
	return fd < 0 ? -errno : fd;
}

static void run_raw_convert(struct flow_run *run, const struct flow_step *step,
			    struct outcome *outcome)
{
	enum target target = (enum target)flow_number(step, "on", ON_FILE);
	struct gmem_uapi_attributes request = {
		.offset = flow_number(step, "offset", 0),
		.size = flow_number(step, "size", 0),
		.attributes = flow_number(step, "attributes", 0),
		.flags = flow_number(step, "flags", 0),
		.error_offset = NO_OFFSET,
	};
	int fd = open_target(run, step, target), err;

	if (fd < 0) {
		outcome_broken(outcome, "cannot open what the ioctl is to go to: %s",
			       strerror(-fd));
		return;
	}
	request.reserved[10] = flow_number(step, "reserved", 0);
	err = ioctl(fd, GMEM_UAPI_SET_ATTRIBUTES, flow_arg(step, "null") ? NULL : &request);
	err = err ? -errno : 0;
	if (target != ON_CLOSED)
		close(fd);
	if (err)
		outcome_call_failed(outcome, "KVM_SET_MEMORY_ATTRIBUTES2", err);
	else
		outcome_done(outcome, "the kernel has done it");
	outcome->has_offset = request.error_offset != NO_OFFSET;
	outcome->offset = outcome->has_offset ? request.error_offset : 0;
}

const struct verb verbs_raw[] = {
	{
		.name = "raw convert",
		.syntax = "<file:file> <number:offset> <number:size> <number:attributes> "
			  "[flags <number:flags>] [reserved <number:reserved>] [null] "
			  "[on {on:file|vm|kvm|vcpu|pipe|memfd|closed}]",
		.help = "the ioctl KVM_SET_MEMORY_ATTRIBUTES2 as it is, also a wrong one",
		.needs = NEED_FILE,
		.run = run_raw_convert,
	},
	{ 0 },
};
