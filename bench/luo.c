/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "luo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "uapi/live_update.h"

int luo_open(void)
{
	int fd = open(GMEM_UAPI_LIVEUPDATE_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_session(int device, unsigned long request, const char *name)
{
	struct gmem_uapi_session arg = { .size = sizeof(arg) };

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	return ioctl(device, request, &arg) ? -errno : arg.fd;
}

int luo_create_session(int device, const char *name)
{
	return open_session(device, GMEM_UAPI_CREATE_SESSION, name);
}

int luo_retrieve_session(int device, const char *name)
{
	return open_session(device, GMEM_UAPI_RETRIEVE_SESSION, name);
}

int luo_preserve(int session, int fd, uint64_t token)
{
	struct gmem_uapi_token arg = { .size = sizeof(arg), .fd = fd, .token = token };

	return ioctl(session, GMEM_UAPI_PRESERVE_FD, &arg) ? -errno : 0;
}

int luo_retrieve(int session, uint64_t token)
{
	struct gmem_uapi_token arg = { .size = sizeof(arg), .token = token };

	return ioctl(session, GMEM_UAPI_RETRIEVE_FD, &arg) ? -errno : arg.fd;
}

int luo_finish(int session)
{
	struct gmem_uapi_finish arg = { .size = sizeof(arg) };

	return ioctl(session, GMEM_UAPI_FINISH, &arg) ? -errno : 0;
}
