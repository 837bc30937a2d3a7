/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "session.h"
#include "free-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

void need_live_update(void)
{
	if (access(GMEM_UAPI_LIVEUPDATE_DEVICE, F_OK))
		skip_all("this kernel has no live update (" GMEM_UAPI_LIVEUPDATE_DEVICE ")");
	if (system_capability(GMEM_CAP_LIVE_UPDATE) <= 0)
		skip_all("this kernel does not preserve guest_memfds (capability 0x676d0002 is 0)");
}

/* ---- sessions ---- */

static int open_session(unsigned long request, const char *name)
{
	struct gmem_uapi_session arg = { .size = sizeof(arg) };
	int device = open(GMEM_UAPI_LIVEUPDATE_DEVICE, O_RDWR | O_CLOEXEC), ret;

	ck_assert_msg(device >= 0, GMEM_UAPI_LIVEUPDATE_DEVICE ": %s", strerror(errno));
	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	ret = ioctl(device, request, &arg) ? -errno : arg.fd;
	close(device);
	return ret;
}

int try_create_session(const char *name)
{
	return open_session(GMEM_UAPI_CREATE_SESSION, name);
}

int try_retrieve_session(const char *name)
{
	return open_session(GMEM_UAPI_RETRIEVE_SESSION, name);
}

int new_session(const char *name)
{
	int fd = try_create_session(name);

	ck_assert_msg(fd >= 0, "create session %s: %s", name, strerror(-fd));
	return fd;
}

int old_session(const char *name)
{
	int fd = try_retrieve_session(name);

	ck_assert_msg(fd >= 0, "retrieve session %s: %s", name, strerror(-fd));
	return fd;
}

int preserve(int session, int file, uint64_t token)
{
	struct gmem_uapi_token arg = { .size = sizeof(arg), .fd = file, .token = token };

	return ioctl(session, GMEM_UAPI_PRESERVE_FD, &arg) ? -errno : 0;
}

int retrieve(int session, uint64_t token)
{
	struct gmem_uapi_token arg = { .size = sizeof(arg), .token = token };

	return ioctl(session, GMEM_UAPI_RETRIEVE_FD, &arg) ? -errno : arg.fd;
}

int finish(int session)
{
	struct gmem_uapi_finish arg = { .size = sizeof(arg) };

	return ioctl(session, GMEM_UAPI_FINISH, &arg) ? -errno : 0;
}

int try_kexec(void)
{
	return reboot(RB_KEXEC) ? -errno : 0;
}

/* ---- the ioctl of guest_memfd ---- */

int live_update_raw(int gmem, struct gmem_uapi_live_update *request)
{
	return ioctl(gmem, GMEM_UAPI_LIVE_UPDATE, request) ? -errno : 0;
}

struct gmem_uapi_live_update live_update(int gmem)
{
	struct gmem_uapi_live_update request = { 0 };

	must_give(live_update_raw(gmem, &request), 0);
	return request;
}

int set_options(int gmem, uint64_t options)
{
	struct gmem_uapi_live_update request = {
		.flags = GMEM_UAPI_LIVE_UPDATE_SET_OPTIONS,
		.options = options,
	};

	return live_update_raw(gmem, &request);
}

void must_be_refused(int gmem, uint64_t refusal, uint64_t where)
{
	struct gmem_uapi_live_update said = live_update(gmem);

	ck_assert_uint_eq(said.refusal, refusal);
	ck_assert_uint_eq(said.error_offset, where);
}

void must_be_frozen(int gmem)
{
	ck_assert_uint_eq(live_update(gmem).status & GMEM_UAPI_LIVE_UPDATE_FROZEN,
			  GMEM_UAPI_LIVE_UPDATE_FROZEN);
	must_refuse(gmem, ALREADY, 0);
	must_give(allocate(gmem, 0, PAGE), -EPERM);
	must_give(punch(gmem, 0, PAGE), -EPERM);
	must_give(set_options(gmem, 0), -EPERM);
}

void must_be_thawed(int gmem)
{
	ck_assert_uint_eq(live_update(gmem).status & GMEM_UAPI_LIVE_UPDATE_FROZEN, 0);
	must_give(allocate(gmem, 0, PAGE), 0);
	must_give(set_options(gmem, live_update(gmem).options), 0);
}

void must_have_freed(uint64_t before, uint64_t size)
{
	uint64_t now = 0;

	for (int i = 0; i < 1000; i++) {
		must_give(free_memory_now(&now), 0);
		if (now >= before + size / 16 * 15)
			return;
		usleep(10000);
	}
	ck_abort_msg("%llu KiB of %llu were freed", (unsigned long long)(now - before) / 1024,
		     (unsigned long long)size / 1024);
}

/* ---- the holder ---- */

static int to_holder = -1;

static void receive_for_ever(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))];

	for (;;) {
		struct iovec data = { &byte, 1 };
		struct msghdr message = {
			.msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};

		/* What arrives stays open. Nobody writes any more: the tests are over. */
		if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) <= 0)
			break;
	}
	for (;;)
		pause();
}

void start_holder(void)
{
	int pair[2];
	pid_t holder;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		perror("socketpair");
		exit(EXIT_FAILURE);
	}
	fflush(stdout);
	holder = fork();
	if (holder < 0) {
		perror("fork");
		exit(EXIT_FAILURE);
	}
	if (!holder) {
		close(pair[1]);
		receive_for_ever(pair[0]);
	}
	close(pair[0]);
	to_holder = pair[1];
}

void keep(int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = { 0 };
	struct iovec data = { "", 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	/* Sent is as good as received: what is under way in a socket is open. */
	ck_assert_msg(sendmsg(to_holder, &message, 0) == 1, "sendmsg: %s", strerror(errno));
}
