/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Sessions in the file-descriptor store of systemd, which holds them while the service is restarted
 * or stopped for the kexec. systemd 261 and later also takes them through the live update.
 *
 * The unit needs FileDescriptorStoreMax= and, to keep them over a stop,
 * FileDescriptorStorePreserve=. The store has a descriptor of its own: it keeps a session alive
 * until it is removed. The messages go to $NOTIFY_SOCKET, and nothing answers: a service manager
 * that does not permit the store drops what it gets. So the session is to be held by the service,
 * too, for as long as it runs.
 */
#ifndef LIBGMEM_STORE_H
#define LIBGMEM_STORE_H

#include <libgmem/base.h>
#include <libgmem/session.h>

GMEM_BEGIN_DECLS

/**
 * gmem_store_push() - put a session into the file-descriptor store
 *
 * @session: the session, which stays the caller's
 * @name: by which the store gives it back: 1 to 255 printable ASCII characters, no colon; NULL
 * takes the name of the session
 * @reterr_error: failure report or NULL
 *
 * Errors:
 *   EINVAL        session is NULL, or the name cannot be one
 *   ENOTCONN      there is no service manager: NOTIFY_SOCKET is not set
 *   EAFNOSUPPORT  NOTIFY_SOCKET is neither a path nor an abstract socket
 *   ECONNREFUSED  nobody listens at NOTIFY_SOCKET, or it is not there
 *   EBADF         the session's descriptor was closed behind the library's back
 *   EMFILE        the process has too many open files
 *   ENFILE        the system has too many open files
 *   ENOMEM        out of memory
 *   EINTR         signals came so fast that nothing could be sent in 1000 tries
 *   EPERM         a seccomp filter or a security module refused
 *   EACCES        the process may not write to the socket, or a security module refused
 *   EBADE         the kernel gave an answer that it must not give
 *
 * Threads: safe while no other thread changes the environment.
 *
 * Source: sd_notify(3), FDSTORE=1.
 *
 * Example:
 *   if (gmem_store_push(session, NULL, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_store_push(struct gmem_session *session, const char *name,
			     struct gmem_error *reterr_error);

/**
 * gmem_store_take() - take a session that the service manager handed to this process
 *
 * @name: as gmem_store_push() had it, or the name of the session if that was NULL
 * @ret_session: the session, released with gmem_session_release()
 * @reterr_error: failure report or NULL
 *
 * Looks for the first descriptor of that name among those of LISTEN_FDS, and adopts it as
 * gmem_session_adopt() does. The environment is not changed: take each name once. The store keeps a
 * descriptor, too: gmem_store_remove() when the session is finished or abandoned.
 *
 * Errors:
 *   EINVAL      name or ret_session is NULL; it is the session of systemd itself; or GMEM_LEVEL
 *               does not have the name of a level
 *   ENOENT      the process was handed no descriptor of that name
 *   EOPNOTSUPP  the level was forced down
 *   EBADF       the descriptor is not open: it was taken and closed
 *   ENOTTY      the descriptor of that name is not a session
 *   ENOMEM      out of memory
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the environment contradicts itself, or the kernel gave an answer that it must not
 *               give
 *
 * Threads: safe while no other thread changes the environment.
 *
 * Source: sd_listen_fds(3).
 *
 * Example:
 *   struct gmem_session *stored;
 *   int r = gmem_store_take("vm-7", &stored, error);
 *
 *   if (r == -ENOENT)
 *           puts("a fresh start");
 *   else if (r == 0)
 *           gmem_session_release(stored);
 */
GMEM_API int gmem_store_take(const char *name, struct gmem_session **ret_session,
			     struct gmem_error *reterr_error);

/**
 * gmem_store_remove() - have the store forget a session
 *
 * @name: as gmem_store_push() had it, or the name of the session if that was NULL
 * @reterr_error: failure report or NULL
 *
 * Needed to abandon an outgoing session, and after an incoming one is finished. Removing what the
 * store does not have is no failure: nothing answers.
 *
 * Errors:
 *   EINVAL        the name is NULL or cannot be one
 *   ENOTCONN      there is no service manager: NOTIFY_SOCKET is not set
 *   EAFNOSUPPORT  NOTIFY_SOCKET is neither a path nor an abstract socket
 *   ECONNREFUSED  nobody listens at NOTIFY_SOCKET, or it is not there
 *   EMFILE        the process has too many open files
 *   ENFILE        the system has too many open files
 *   ENOMEM        out of memory
 *   EINTR         signals came so fast that nothing could be sent in 1000 tries
 *   EPERM         a seccomp filter or a security module refused
 *   EACCES        the process may not write to the socket, or a security module refused
 *   EBADE         the kernel gave an answer that it must not give
 *
 * Threads: safe while no other thread changes the environment.
 *
 * Source: sd_notify(3), FDSTOREREMOVE=1.
 *
 * Example:
 *   gmem_store_remove("vm-7", NULL);
 */
GMEM_API int gmem_store_remove(const char *name, struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
