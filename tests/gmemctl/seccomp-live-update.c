/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The system calls of live update. */
#include "test-seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The device can be open once: the first try waits for the other descriptor in vain. */
int run_session(struct here *here)
{
	struct gmem_session_options options = { .size = sizeof(options), .timeout_ns = 1000000 };
	struct gmem_session *session;
	int device, r;

	r = gmem_session_retrieve("none", NULL, &session, here->error);
	if (!here->session)
		return result(r, -EOPNOTSUPP);
	if (r != -ENOENT || gmem_session_create("seccomp", NULL, &session, here->error))
		return result(r, -ENOENT);
	gmem_session_release(session);
	/* taken twice, which nobody else may do */
	r = gmem_session_adopt(gmem_session_get_fd(here->session), &session, here->error);
	device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (r || device < 0)
		return result(r, 0);
	return result(gmem_session_create("busy", &options, &session, here->error), -EBUSY);
}

int run_preserve(struct here *here)
{
	struct gmem_live_update now;
	int r;

	if (!here->session)
		return 0;
	r = gmem_preserve_vm(here->session, here->vm, 1, here->error);
	if (r != (here->frozen ? 0 : -EOPNOTSUPP))
		return result(r, 0);
	r = gmem_preserve(here->session, here->gmem, 2, NULL, here->error);
	if (r != (here->frozen ? 0 : -EOPNOTSUPP))
		return result(r, 0);
	r = gmem_get_live_update(here->gmem, &now, here->error);
	return result(r, here->frozen ? 0 : -EOPNOTSUPP);
}

/* Nothing comes in here: what is asked for is refused without a call. */
int run_retrieve(struct here *here)
{
	int fd;

	return result(gmem_retrieve_fd(here->session, 1, &fd, here->error), -EINVAL);
}

int run_blob(struct here *here)
{
	struct gmem_blob_slot slot = { .size = SIZE, .token = 2 };
	struct gmem_blob *blob, *copy;
	static char bytes[4096];
	uint64_t size;
	int r;

	if (gmem_blob_new(&blob, here->error) ||
	    gmem_blob_add_file(blob, 2, here->gmem, here->error) ||
	    gmem_blob_add_slot(blob, &slot, here->error) ||
	    gmem_blob_add_section(blob, "name", "data", 4, here->error) ||
	    gmem_blob_format(blob, bytes, sizeof(bytes), &size, here->error))
		return 1;
	r = gmem_blob_parse(bytes, size, &copy, here->error);
	if (!r)
		gmem_blob_free(copy);
	gmem_blob_free(blob);
	return result(r, 0);
}

int run_blob_session(struct here *here)
{
	struct gmem_blob *blob;
	int r;

	if (!here->session || gmem_blob_new(&blob, here->error))
		return here->session ? 1 : 0;
	r = gmem_preserve_blob(here->session, blob, 3, here->error);
	gmem_blob_free(blob);
	return result(r, 0);
}

int run_store(struct here *here)
{
	struct gmem_session *session;
	int r;

	if (!here->session)
		return 0;
	r = gmem_store_push(here->session, NULL, here->error);
	if (r || (r = gmem_store_remove("seccomp", here->error)))
		return result(r, 0);
	return result(gmem_store_take("seccomp", &session, here->error), 0);
}

/* Descriptor 3 is the first one that a service is handed. */
static int make_stored(struct here *here)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char number[20];

	snprintf(here->stored, sizeof(here->stored), "@gmem-seccomp-%d", (int)getpid());
	memcpy(address.sun_path + 1, here->stored + 1, strlen(here->stored + 1));
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(here->stored))))
		return -1;
	snprintf(number, sizeof(number), "%d", (int)getpid());
	if (setenv("NOTIFY_SOCKET", here->stored, 1) || setenv("LISTEN_PID", number, 1) ||
	    setenv("LISTEN_FDS", "1", 1) || setenv("LISTEN_FDNAMES", "seccomp", 1))
		return -1;
	return dup2(gmem_session_get_fd(here->session), 3) == 3 ? 0 : -1;
}

int make_sessions(struct here *here, bool preserves)
{
	struct gmem_create_options options = { .size = sizeof(options), .init = GMEM_INIT_SHARED };
	struct gmem_session *other;
	char name[40];

	snprintf(name, sizeof(name), "here-%d", (int)getpid());
	if (gmem_session_create(name, NULL, &here->session, here->error)) {
		here->session = NULL;
		return 0;
	}
	if (make_stored(here) || !preserves)
		return preserves ? -1 : 0;
	snprintf(name, sizeof(name), "other-%d", (int)getpid());
	if (gmem_session_create(name, NULL, &other, here->error) ||
	    gmem_create(here->vm, SIZE, &options, &here->frozen, here->error))
		return -1;
	return gmem_preserve(other, here->frozen, 1, NULL, here->error);
}
