/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Failure reports: what failed, where, why probably, and what to do about it.
 *
 * A caller makes one report per thread and hands it to every call. It keeps the last failure.
 */
#ifndef LIBGMEM_ERROR_H
#define LIBGMEM_ERROR_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * gmem_error_new() - make an empty report
 *
 * @ret_error: the report, released with gmem_error_free()
 *
 * A report is made once and used for any number of calls: a call that fails overwrites it, a call
 * that succeeds leaves it alone. Making it is the only time it allocates.
 *
 * Errors:
 *   EINVAL  ret_error is NULL
 *   ENOMEM  out of memory
 *
 * Threads: safe. One report must not be used by two threads at once: make one per thread.
 *
 * Example:
 *   struct gmem_error *report;
 *
 *   if (gmem_error_new(&report) < 0)
 *           return -1;
 *   gmem_error_free(report);
 */
GMEM_API int gmem_error_new(struct gmem_error **ret_error);

/**
 * gmem_error_free() - release a report
 *
 * @error: the report; NULL does nothing
 *
 * Threads: safe for different reports.
 *
 * Example:
 *   gmem_error_free(NULL);
 */
GMEM_API void gmem_error_free(struct gmem_error *error);

/**
 * gmem_error_get_code() - the negative errno that the failed call returned
 *
 * @error: the report
 *
 * Return: the code, 0 if no call has failed yet or error is NULL.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   if (gmem_error_get_code(error) == -EAGAIN)
 *           puts("a page stayed busy");
 */
GMEM_API int gmem_error_get_code(const struct gmem_error *error);

/**
 * gmem_error_get_kernel_code() - what the kernel itself answered
 *
 * @error: the report
 *
 * The library translates the kernel's codes where they say too little: a file that cannot be
 * created with the wanted initial state is -EINVAL from the kernel and -EOPNOTSUPP from
 * gmem_create(). This is the code before the translation. It can be positive if the kernel
 * answered with a number that it must not answer with (the call then fails with -EBADE).
 *
 * Return: the kernel's negative errno, 0 if the failure did not come from a system call.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   if (gmem_error_get_kernel_code(error) == 0)
 *           puts("the library refused the request itself");
 */
GMEM_API int gmem_error_get_kernel_code(const struct gmem_error *error);

/**
 * gmem_error_get_call() - the name of the libgmem function that failed
 *
 * @error: the report
 *
 * Return: a name such as "gmem_convert", valid for ever; NULL if no call has failed yet.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   const char *call = gmem_error_get_call(error);
 *
 *   printf("%s failed\n", call ? call : "nothing");
 */
GMEM_API const char *gmem_error_get_call(const struct gmem_error *error);

/**
 * gmem_error_get_system_call() - the name of the system call or ioctl that failed
 *
 * @error: the report
 *
 * Return: a name such as "KVM_SET_MEMORY_ATTRIBUTES2" or "mmap", valid for ever; NULL if the
 * failure did not come from a system call.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   const char *name = gmem_error_get_system_call(error);
 *
 *   printf("refused by %s\n", name ? name : "libgmem");
 */
GMEM_API const char *gmem_error_get_system_call(const struct gmem_error *error);

/**
 * gmem_error_get_range() - the range of the file that the failed call was about
 *
 * @error: the report
 * @ret_offset: offset in the file in bytes; may be NULL
 * @ret_size: size in bytes; may be NULL
 *
 * The range is what the caller passed, also when it makes no sense.
 *
 * Return: true if the failed call was about a range; false, and nothing written, if not.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   uint64_t offset, size;
 *
 *   if (gmem_error_get_range(error, &offset, &size))
 *           printf("offset 0x%llx\n", (unsigned long long)offset);
 */
GMEM_API bool gmem_error_get_range(const struct gmem_error *error, uint64_t *ret_offset,
				   uint64_t *ret_size);

/**
 * gmem_error_get_first_offset() - the first offset that failed
 *
 * @error: the report
 * @ret_offset: offset in the file in bytes, inside the range of the call, page aligned
 *
 * For -EAGAIN of gmem_convert() this is the first page that somebody holds. For gmem_allocate() it
 * is where allocation stopped: everything below it in the range is allocated. For gmem_populate()
 * it is the page of the first byte that was not loaded.
 *
 * Return: true if the offset is known; false, and nothing written, if not. An offset that the
 * kernel reports outside of the range is not believed, and not known.
 *
 * Threads: safe while no call writes the report.
 *
 * Source: error_offset of struct kvm_memory_attributes2, written by the kernel on EAGAIN and ENOMEM
 * only.
 *
 * Example:
 *   uint64_t offset;
 *
 *   if (gmem_error_get_first_offset(error, &offset))
 *           printf("busy at 0x%llx\n", (unsigned long long)offset);
 */
GMEM_API bool gmem_error_get_first_offset(const struct gmem_error *error, uint64_t *ret_offset);

/**
 * gmem_error_get_attempts() - how often the kernel was asked
 *
 * @error: the report
 *
 * Return: the number of times the system call was issued before the call gave up; 0 if none was.
 * For a conversion in steps it is the number for the step that failed.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   printf("%u attempts\n", gmem_error_get_attempts(error));
 */
GMEM_API unsigned int gmem_error_get_attempts(const struct gmem_error *error);

/**
 * gmem_error_get_done() - how much of the range was done before the failure
 *
 * @error: the report
 *
 * For gmem_convert() with steps, and for gmem_allocate(): this many bytes from the start of the
 * range are converted or allocated, and the rest is as it was. For gmem_populate(): this many bytes
 * from the start are loaded, and of the rest some may be.
 *
 * Return: bytes, not more than the size of the range; 0 if nothing was done.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   printf("%llu bytes\n", (unsigned long long)gmem_error_get_done(error));
 */
GMEM_API uint64_t gmem_error_get_done(const struct gmem_error *error);

/**
 * gmem_error_get_lost() - the range whose contents the failed call destroyed
 *
 * @error: the report
 * @ret_offset: offset in the file in bytes; may be NULL
 * @ret_size: size in bytes; may be NULL
 *
 * Only an emulated content policy can lose contents: gmem_convert() discarded the range, and then
 * could not convert it. Its pages still have their states, and read as zeroes.
 *
 * Return: true if contents are, or may be, gone; false, and nothing written, if not.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   if (gmem_error_get_lost(error, NULL, NULL))
 *           puts("the guest has lost memory");
 */
GMEM_API bool gmem_error_get_lost(const struct gmem_error *error, uint64_t *ret_offset,
				  uint64_t *ret_size);

/**
 * gmem_error_is_guest() - whether the report is about guest-physical memory
 *
 * @error: the report
 *
 * Calls on a space, and requests of guests, report guest-physical addresses wherever others report
 * offsets in a file: in the range, the first offset that failed, and what is lost.
 *
 * Return: true if offsets are guest-physical addresses; false if not, or if error is NULL.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   puts(gmem_error_is_guest(error) ? "guest-physical" : "offset");
 */
GMEM_API bool gmem_error_is_guest(const struct gmem_error *error);

/**
 * gmem_error_get_slot() - the slot in which the failure was
 *
 * @error: the report
 * @ret_slot: KVM's number of the slot
 *
 * For gmem_space_bind() it is the slot in the way.
 *
 * Return: true if it is known; false, and nothing written, if not.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   uint32_t slot;
 *
 *   if (gmem_error_get_slot(error, &slot))
 *           printf("slot %u\n", slot);
 */
GMEM_API bool gmem_error_get_slot(const struct gmem_error *error, uint32_t *ret_slot);

/**
 * gmem_error_get_holder() - the listener because of which the call failed
 *
 * @error: the report
 *
 * After -EAGAIN of gmem_space_convert() it is the listener that said it holds the first page that
 * failed, or that it needs more time; after -ECANCELED the one that refused.
 *
 * Return: its name, valid until the report is written again or freed; NULL if no listener said so.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   const char *name = gmem_error_get_holder(error);
 *
 *   printf("held by %s\n", name ? name : "nobody we know");
 */
GMEM_API const char *gmem_error_get_holder(const struct gmem_error *error);

/**
 * gmem_error_get_listener_code() - what the listener returned because of which the call failed
 *
 * @error: the report
 *
 * Return: the number that the listener of gmem_error_get_holder() returned; 0 if there is none.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   puts(gmem_error_name(gmem_error_get_listener_code(error)));
 */
GMEM_API int gmem_error_get_listener_code(const struct gmem_error *error);

/**
 * gmem_error_get_unrestored() - memory that does not have its old state after a failed conversion
 *
 * @error: the report
 * @index: from 0 on
 * @ret_gpa: where it starts in guest-physical memory, in bytes; may be NULL
 * @ret_size: size in bytes; may be NULL
 *
 * A conversion that fails is undone. What could not be undone, because the kernel refused that,
 * too, has the state that was wanted. Parts come in the order of memory. A report has room for
 * four: if there are more, the fourth goes up to the end of the last one. gmem_space_get_extent()
 * tells the state of each page.
 *
 * Return: true if there is such a part; false, and nothing written, if not.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   uint64_t gpa, size;
 *   unsigned int i;
 *
 *   for (i = 0; gmem_error_get_unrestored(error, i, &gpa, &size); i++)
 *           printf("0x%llx bytes\n", (unsigned long long)size);
 */
GMEM_API bool gmem_error_get_unrestored(const struct gmem_error *error, unsigned int index,
					uint64_t *ret_gpa, uint64_t *ret_size);

/**
 * gmem_error_get_detached() - a listener that did not do its part when a failure was undone
 *
 * @error: the report
 * @ret_gpa: the memory that it was told of, in bytes; may be NULL
 * @ret_size: size of that in bytes; may be NULL
 *
 * It was told, with GMEM_REASON_UNDO, to take memory back that it had let go, or to let go of
 * memory that stays private after all, and failed. If there were several it is the first one.
 *
 * Return: its name, valid until the report is written again or freed; NULL, and nothing written, if
 * all did what they were told.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   const char *name = gmem_error_get_detached(error, NULL, NULL);
 *
 *   printf("%s\n", name ? name : "all listeners are as before");
 */
GMEM_API const char *gmem_error_get_detached(const struct gmem_error *error, uint64_t *ret_gpa,
					     uint64_t *ret_size);

/**
 * gmem_error_get_cause() - the name of the likely cause
 *
 * @error: the report
 *
 * Finer than the errno: -EOPNOTSUPP of gmem_convert() can be "not-in-place", "no-private",
 * "no-policy" and more. gmem_cause_name() lists them all.
 *
 * Return: a name such as "busy", which programs can compare, valid for ever; NULL if no call has
 * failed yet.
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   const char *cause = gmem_error_get_cause(error);
 *
 *   printf("%s\n", cause ? gmem_cause_explain(cause) : "nothing failed");
 */
GMEM_API const char *gmem_error_get_cause(const struct gmem_error *error);

/**
 * gmem_error_name() - the symbolic name of an errno
 *
 * @code: an errno, negative or positive
 *
 * Return: a name such as "EAGAIN", "0" for 0, "unknown" for a number that Linux does not define.
 * Never NULL; valid for ever.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_error_name(-EAGAIN));
 */
GMEM_API const char *gmem_error_name(int code);

/**
 * gmem_error_explain() - explain a failure to a person
 *
 * @error: the report
 * @buffer: where the text goes, always terminated if size > 0; may be NULL if size is 0
 * @size: size of the buffer in bytes
 *
 * The text says which call failed, on which range, the first offset that failed, the likely cause
 * and what to do. Several lines, no newline at the end. 2048 bytes are enough. The wording may
 * change; programs use the other functions or gmem_error_format_json().
 *
 * Return: the length of the whole text without the terminator, as snprintf(3) does: if it is size
 * or more the text was cut.
 *
 * Errors:
 *   EINVAL  error is NULL, or buffer is NULL and size is not 0
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   char text[2048];
 *
 *   if (gmem_error_explain(error, text, sizeof(text)) > 0)
 *           fprintf(stderr, "%s\n", text);
 */
GMEM_API int gmem_error_explain(const struct gmem_error *error, char *buffer, size_t size);

/**
 * gmem_error_format_json() - write a report as JSON
 *
 * @error: the report
 * @buffer: where the text goes, always terminated if size > 0; may be NULL if size is 0
 * @size: size of the buffer in bytes
 *
 * One object on one line. Members: version (1; it changes when a member changes its meaning or goes
 * away), error (name), code, kernel_error and kernel_code, call, system_call, state, policy,
 * offset, size, first_offset, done, lost (null, or an object of offset and size), attempts,
 * memory ("file" or "guest-physical": what offsets are), slot, holder, listener_error, unrestored
 * (a list of such objects), detached, detached_range, cause_name, cause, remedy. What is not known
 * is null. Numbers are decimal. 4096 bytes are enough.
 *
 * Return: the length of the whole text without the terminator, as snprintf(3) does.
 *
 * Errors:
 *   EINVAL  error is NULL, or buffer is NULL and size is not 0
 *
 * Threads: safe while no call writes the report.
 *
 * Example:
 *   char text[4096];
 *
 *   if (gmem_error_format_json(error, text, sizeof(text)) > 0)
 *           puts(text);
 */
GMEM_API int gmem_error_format_json(const struct gmem_error *error, char *buffer, size_t size);

GMEM_END_DECLS

#endif
