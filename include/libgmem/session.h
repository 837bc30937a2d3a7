/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Sessions of a live update: what is preserved in one comes through a kexec, and is retrieved from
 * it by its name. gmem_live_update(7) has the whole procedure.
 *
 * Who must hold what. An outgoing session preserves for as long as somebody has its descriptor
 * open: this process, a child, or whoever got it over a socket. When the last one is closed, also
 * because the process was killed, the kernel silently takes everything back, and a kexec after that
 * carries nothing. So it must be held until reboot(2) with LINUX_REBOOT_CMD_KEXEC runs, best by a
 * process that nobody kills on the way down: systemd's file-descriptor store (gmem_store_push()),
 * or a small process of its own. An incoming session must be held until all of it is retrieved:
 * closing it finishes it, and what was not retrieved is gone.
 */
#ifndef LIBGMEM_SESSION_H
#define LIBGMEM_SESSION_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/** Bytes of the longest name of a session, without the terminator. */
#define GMEM_SESSION_NAME_MAX 63

/** How long to wait for another opener of /dev/liveupdate, in nanoseconds, if options do not say.
 */
#define GMEM_SESSION_DEFAULT_TIMEOUT_NS UINT64_C(1000000000)

/** Do not wait for it. */
#define GMEM_SESSION_NO_WAIT UINT64_C(1)

/**
 * enum gmem_direction - which way a session goes
 */
enum gmem_direction {
	/** To the next kernel: gmem_preserve() and the like. */
	GMEM_DIRECTION_OUTGOING = 1,
	/** From the kernel before: gmem_retrieve() and the like. */
	GMEM_DIRECTION_INCOMING = 2,
};

/**
 * struct gmem_session_options - options of gmem_session_create() and gmem_session_retrieve()
 */
struct gmem_session_options {
	/** sizeof(struct gmem_session_options) */
	uint64_t size;
	/**
	 * How long to wait in nanoseconds while somebody else has /dev/liveupdate open: only one
	 * can at a time. 0: GMEM_SESSION_DEFAULT_TIMEOUT_NS.
	 */
	uint64_t timeout_ns;
	/** 1: device_fd is /dev/liveupdate, from somebody who has it open. 0: the library opens it.
	 */
	uint32_t use_device_fd;
	/** only used during the call; must be 0 without use_device_fd */
	int32_t device_fd;
};

/**
 * gmem_session_create() - begin a session that goes to the next kernel
 *
 * @name: by which it is retrieved: 1 to GMEM_SESSION_NAME_MAX bytes, unique among outgoing
 *        sessions, not "systemd", which is that of PID 1
 * @options: NULL for the defaults
 * @ret_session: the session, released with gmem_session_release()
 * @reterr_error: failure report or NULL
 *
 * /dev/liveupdate, which usually only root may open, is open during the call, and not longer: two
 * VMMs that begin at once do not disturb each other, because the second one waits. PID 1 of systemd
 * 261 and later, and any other agent, may keep it open for ever: then -EBUSY says so, and the agent
 * has to hand in sessions, or its device_fd.
 *
 * The descriptor of the session is closed on exec. The session works after the device is closed,
 * and in every process that has it. gmem_live_update(7) says how long it must be held.
 *
 * Errors:
 *   EINVAL      name is NULL, empty, too long, or "systemd"; an option makes no sense; ret_session
 *               is NULL; or GMEM_LEVEL does not have the name of a level
 *   E2BIG       options have members that this version of the library does not know
 *   EOPNOTSUPP  the kernel has no live update, or it is off (liveupdate=on and kho=on turn it on);
 *               or the level was forced down
 *   EBUSY       somebody else had /dev/liveupdate open all the time
 *   EIO         the kernel could not read what the kernel before left: no session can be had until
 *               the machine is rebooted
 *   EEXIST      there is an outgoing session of that name
 *   ENOSPC      the kernel has no room for another session
 *   EBADF       device_fd is not open
 *   ENOTTY      device_fd is not /dev/liveupdate
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   ENOMEM      out of memory
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      the process may not open /dev/liveupdate, or a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_IOCTL_CREATE_SESSION in include/uapi/linux/liveupdate.h; luo_open() in
 * kernel/liveupdate/luo_core.c.
 *
 * Example:
 *   struct gmem_session *out;
 *
 *   if (gmem_session_create("vm-7", NULL, &out, error) < 0)
 *           return -1;
 *   gmem_session_release(out);
 */
GMEM_API int gmem_session_create(const char *name, const struct gmem_session_options *options,
				 struct gmem_session **ret_session,
				 struct gmem_error *reterr_error);

/**
 * gmem_session_retrieve() - take a session that the kernel before has sent
 *
 * @name: of the session, not "systemd"
 * @options: NULL for the defaults
 * @ret_session: the session, released with gmem_session_release()
 * @reterr_error: failure report or NULL
 *
 * Call it in the process that will be the VMM: KVM serves a VM only in the process that retrieves
 * it. A session can be had once; whoever wants it from another process is given its descriptor. The
 * kernel does not tell which sessions there are: the names must be known.
 *
 * Errors:
 *   EINVAL      name is NULL, empty, too long, or "systemd"; an option makes no sense; ret_session
 *               is NULL; or GMEM_LEVEL does not have the name of a level
 *   E2BIG       options have members that this version of the library does not know
 *   EOPNOTSUPP  the kernel has no live update, or it is off; or the level was forced down
 *   ENOENT      no session of that name came, or it was retrieved and closed
 *   EALREADY    the session was retrieved and somebody has it open, or it could not be finished
 *   EBUSY       somebody else had /dev/liveupdate open all the time
 *   EIO         the kernel could not read what the kernel before left: no session can be had until
 *               the machine is rebooted
 *   EBADF       device_fd is not open
 *   ENOTTY      device_fd is not /dev/liveupdate
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   ENOMEM      out of memory
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      the process may not open /dev/liveupdate, or a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_IOCTL_RETRIEVE_SESSION in include/uapi/linux/liveupdate.h.
 *
 * Example:
 *   struct gmem_session *in;
 *
 *   if (gmem_session_retrieve("vm-7", NULL, &in, error) < 0)
 *           return -1;
 *   gmem_session_release(in);
 */
GMEM_API int gmem_session_retrieve(const char *name, const struct gmem_session_options *options,
				   struct gmem_session **ret_session,
				   struct gmem_error *reterr_error);

/**
 * gmem_session_adopt() - take over the descriptor of a session
 *
 * @fd: the session: from an agent, another process, or a file-descriptor store
 * @ret_session: the session, released with gmem_session_release()
 * @reterr_error: failure report or NULL
 *
 * The kernel is asked whether it is a session, for its name, and which way it goes. On success the
 * fd belongs to the library: gmem_session_release() closes it, and it is closed on exec. On failure
 * it still belongs to the caller.
 *
 * Errors:
 *   EINVAL      ret_session is NULL; it is the session of systemd itself; or GMEM_LEVEL does not
 *               have the name of a level
 *   EOPNOTSUPP  the level was forced down
 *   EBADF       fd is not open
 *   ENOTTY      fd is not a session
 *   ENOMEM      out of memory
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_GET_NAME in include/uapi/linux/liveupdate.h; luo_ioctl_type_valid() in
 * kernel/liveupdate/luo_session.c.
 *
 * Example:
 *   struct gmem_session *copy;
 *   int fd = dup(gmem_session_get_fd(session));
 *
 *   if (gmem_session_adopt(fd, &copy, error) < 0)
 *           close(fd);
 *   else
 *           gmem_session_release(copy);
 */
GMEM_API int gmem_session_adopt(int fd, struct gmem_session **ret_session,
				struct gmem_error *reterr_error);

/**
 * gmem_session_finish() - the live update is over: let the kernel forget the session
 *
 * @session: an incoming session
 * @reterr_error: failure report or NULL
 *
 * What was retrieved stays, without limits. What was not retrieved is destroyed, its memory freed.
 * After that nothing can be retrieved from the session any more. Finishing twice does nothing.
 *
 * Closing the last descriptor of an incoming session finishes it, too, but cannot report a failure:
 * the kernel then keeps the session and its memory until the next reboot.
 *
 * Errors:
 *   EINVAL  session is NULL, or goes out: release it to abandon it
 *   EBUSY   a file of the session cannot be finished yet; nothing has changed, and the call can be
 *           repeated
 *   EBADF   the descriptor was closed behind the library's back
 *   EPERM   a seccomp filter or a security module refused
 *   EACCES  a security module refused
 *   EBADE   the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_FINISH in include/uapi/linux/liveupdate.h; luo_file_finish() in
 * kernel/liveupdate/luo_file.c.
 *
 * Example:
 *   if (gmem_session_finish(session, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_session_finish(struct gmem_session *session, struct gmem_error *reterr_error);

/**
 * gmem_session_release() - close a session
 *
 * @session: the session; NULL does nothing
 *
 * If this was its last descriptor: an outgoing session preserves nothing any more, and its files
 * can be used without limits again; an incoming one is finished. There is no other way to take a
 * single file back out of a session.
 *
 * Threads: safe once no other thread uses this session.
 *
 * Example:
 *   gmem_session_release(NULL);
 */
GMEM_API void gmem_session_release(struct gmem_session *session);

/**
 * gmem_session_get_fd() - the file descriptor of a session
 *
 * @session: the session
 *
 * To hand it to a process that holds it. The library keeps it: do not close it.
 *
 * Return: the file descriptor.
 *
 * Errors:
 *   EINVAL  session is NULL
 *
 * Threads: safe.
 *
 * Example:
 *   printf("fd %d\n", gmem_session_get_fd(session));
 */
GMEM_API int gmem_session_get_fd(const struct gmem_session *session);

/**
 * gmem_session_get_name() - the name of a session
 *
 * @session: the session
 *
 * Return: the name, valid until the session is released; NULL if session is NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_session_get_name(session));
 */
GMEM_API const char *gmem_session_get_name(const struct gmem_session *session);

/**
 * gmem_session_get_direction() - which way a session goes
 *
 * @session: the session
 *
 * Return: the direction; 0, which is none, if session is NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   if (gmem_session_get_direction(session) == GMEM_DIRECTION_INCOMING)
 *           puts("something came from the kernel before");
 */
GMEM_API enum gmem_direction gmem_session_get_direction(const struct gmem_session *session);

/**
 * gmem_direction_name() - the name of a direction
 *
 * @direction: the direction
 *
 * Return: "outgoing" or "incoming", valid for ever; NULL for anything else.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_direction_name(GMEM_DIRECTION_OUTGOING));
 */
GMEM_API const char *gmem_direction_name(enum gmem_direction direction);

GMEM_END_DECLS

#endif
