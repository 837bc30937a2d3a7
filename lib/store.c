/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/store.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include "session.h"
#include "sys.h"

/* What systemd permits. */
#define NAME_MAX_LENGTH 255
/* The first descriptor that a service is handed. */
#define FIRST_FD  3
#define MAX_TRIES 1000

static const struct gmem_answer socket_answers[] = {
	{ -EAFNOSUPPORT, -EAFNOSUPPORT, GMEM_CAUSE_STORE_ADDRESS },
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -ENOBUFS, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer send_answers[] = {
	/* The first one is about the descriptor that is sent. */
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -ECONNREFUSED, -ECONNREFUSED, GMEM_CAUSE_NO_STORE },
	{ -ENOENT, -ECONNREFUSED, GMEM_CAUSE_NO_STORE },
	{ -ENOTDIR, -ECONNREFUSED, GMEM_CAUSE_NO_STORE },
	/* a socket of another type */
	{ -EPROTOTYPE, -EAFNOSUPPORT, GMEM_CAUSE_STORE_ADDRESS },
	/* too many descriptors are under way */
	{ -ETOOMANYREFS, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -ENOBUFS, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static bool check_name(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		if (i == NAME_MAX_LENGTH || name[i] < ' ' || name[i] > '~' || name[i] == ':')
			return false;
	}
	return i > 0;
}

/* Returns the cause of what is wrong with $NOTIFY_SOCKET. */
static enum gmem_cause read_address(struct sockaddr_un *address, socklen_t *ret_size)
{
	const char *text = secure_getenv("NOTIFY_SOCKET");
	size_t length;

	if (!text || !*text)
		return GMEM_CAUSE_NO_STORE;
	length = strlen(text);
	if ((*text != '/' && *text != '@') || length < 2 || length >= sizeof(address->sun_path))
		return GMEM_CAUSE_STORE_ADDRESS;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, text, length);
	/* An abstract address begins with a zero byte, and has no other one at its end. */
	if (*text == '@')
		address->sun_path[0] = '\0';
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*text == '/'));
	return GMEM_CAUSE_NONE;
}

/* Returns false, and the report says why, unless all of the text was sent, with the descriptor. */
static bool send_text(int socket, const struct msghdr *message, struct gmem_error *error)
{
	int r;

	error->system_call = "sendmsg";
	error->attempts = 0;
	do {
		r = gmem_sys->sendmsg(socket, message, MSG_NOSIGNAL);
		error->attempts++;
	} while (r == -EINTR && error->attempts < MAX_TRIES);
	if (r >= 0 && (size_t)r == message->msg_iov->iov_len)
		return true;
	gmem_error_set_answer(error, r, message->msg_control ? send_answers : send_answers + 1);
	return false;
}

/* fd -1 is none. */
static bool notify(const char *text, int fd, struct gmem_error *error)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct sockaddr_un address;
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr message = { .msg_name = &address, .msg_iov = &iov, .msg_iovlen = 1 };
	enum gmem_cause cause = read_address(&address, &message.msg_namelen);
	int socket;
	bool ok;

	if (cause) {
		error->code = cause == GMEM_CAUSE_NO_STORE ? -ENOTCONN : -EAFNOSUPPORT;
		error->cause = cause;
		return false;
	}
	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	error->attempts = 1;
	error->system_call = "socket";
	socket = gmem_sys->socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (socket < 0) {
		gmem_error_set_answer(error, socket, socket_answers);
		return false;
	}
	ok = send_text(socket, &message, error);
	gmem_sys->close(socket);
	return ok;
}

int gmem_store_push(struct gmem_session *session, const char *name, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_store_push" };
	char text[sizeof("FDSTORE=1\nFDNAME=") + NAME_MAX_LENGTH];

	if (!session)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (!name)
		name = session->name;
	if (!check_name(name))
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_STORE_NAME);
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	if (!notify(text, session->fd, &error))
		return gmem_error_fail(reterr_error, &error);
	return 0;
}

int gmem_store_remove(const char *name, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_store_remove" };
	char text[sizeof("FDSTOREREMOVE=1\nFDNAME=") + NAME_MAX_LENGTH];

	if (!name)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (!check_name(name))
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_STORE_NAME);
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	if (!notify(text, -1, &error))
		return gmem_error_fail(reterr_error, &error);
	return 0;
}

/* Returns false if the variable is set and not a number from 0 to INT_MAX. Not set is -1. */
static bool read_number(const char *variable, int *ret_number)
{
	const char *text = secure_getenv(variable);
	long number;
	char *end;

	*ret_number = -1;
	if (!text)
		return true;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || *end || number > INT_MAX)
		return false;
	*ret_number = (int)number;
	return true;
}

/* Returns the number of the first descriptor of this name, -1 for none, -2 for a wrong list. */
static int find_name(const char *names, int count, const char *name)
{
	size_t length, wanted = strlen(name);
	int i, found = -1;

	for (i = 0; i < count; i++) {
		length = strcspn(names, ":");
		if (found < 0 && length == wanted && !memcmp(names, name, length))
			found = i;
		if (i + 1 < count && !names[length])
			return -2;
		names += length + (names[length] != '\0');
	}
	return *names ? -2 : found;
}

/* Returns the descriptor, or what the call returns, and the report has the cause. */
static int find_descriptor(const char *name, struct gmem_error *error)
{
	const char *names = secure_getenv("LISTEN_FDNAMES");
	int process, count, number = -1;

	error->code = -EBADE;
	error->cause = GMEM_CAUSE_ENVIRONMENT;
	if (!read_number("LISTEN_PID", &process) || !read_number("LISTEN_FDS", &count) ||
	    count > INT_MAX - FIRST_FD)
		return error->code;
	/* Without a process, or with another one, the variables are not for this one. */
	if (process == gmem_sys->process_id() && count > 0 && names)
		number = find_name(names, count, name);
	if (number == -2)
		return error->code;
	error->code = number < 0 ? -ENOENT : 0;
	error->cause = GMEM_CAUSE_NOT_STORED;
	return number < 0 ? error->code : FIRST_FD + number;
}

int gmem_store_take(const char *name, struct gmem_session **ret_session,
		    struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_store_take" };
	int fd;

	if (!name || !ret_session)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	fd = find_descriptor(name, &error);
	if (fd < 0)
		return gmem_error_fail(reterr_error, &error);
	if (gmem_session_adopt(fd, ret_session, &error) < 0) {
		error.call = "gmem_store_take";
		return gmem_error_fail(reterr_error, &error);
	}
	return 0;
}
