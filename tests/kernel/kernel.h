/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the kernel's own tests share. They issue the system calls themselves: what they test is the
 * kernel, so the library must not stand between.
 *
 * Helpers that make things (new_vm, new_gmem, ...) fail the running test if the kernel refuses;
 * helpers that are themselves the thing tested (convert, punch, ...) return 0 or a negative errno.
 * Offsets and sizes are bytes.
 */
#ifndef TESTS_KERNEL_H
#define TESTS_KERNEL_H

#include "../quick-check.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "uapi/guest_memfd.h"

#define PAGE  4096ULL
#define MIB   (1024ULL * 1024)
#define NPAGE 16
/* The file most tests use. */
#define FILE_SIZE (NPAGE * PAGE)

#define SHARED	0ULL
#define PRIVATE GMEM_UAPI_ATTRIBUTE_PRIVATE

#define INIT_PRIVATE 0ULL
#define INIT_SHARED  GMEM_UAPI_FLAG_INIT_SHARED
#define MAPPABLE     GMEM_UAPI_FLAG_MMAP

/* KVM_CREATE_VM types: the default type has no private memory, the software-protected one has. */
#define VM_DEFAULT   0U
#define VM_PROTECTED 1U

/* Exit status of a program that finds nothing to test here, as automake and meson know it. */
#define EXIT_SKIPPED 77

/* ---- the program ---- */

/* Ends the program as skipped, saying why, unless the kernel converts in place. */
void need_in_place(void);
/* Ends the program as skipped, unless the kernel has software-protected VMs and VM-wide attributes.
 */
void need_vm_wide(void);
/* Mounts debugfs if it is not; ends the program as skipped where that cannot be done. */
void need_debugfs(void);
/* Ends the program as skipped. */
void skip_all(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A case that cannot run in this place: a comment in the output that says why. */
void skip_case(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * True where what is only larger or longer than another test should be left out: on the lab's debug
 * flavour, which takes ten times as long, unless a long run was asked for (GMEM_SECONDS=60 or
 * more).
 */
bool in_a_hurry(void);
/* Runs the suite, TAP to stdout; returns the program's exit status. Owns @suite. */
int run_suite(Suite *suite);
/* A test case with a time limit that suits an emulated, instrumented kernel. */
TCase *new_case(Suite *suite, const char *name);

/* Seed of the random tests: GMEM_SEED if set, otherwise a new one; printed once per program. */
uint64_t test_seed(void);
/* The next number of a sequence that is the same for the same seed everywhere; @state non-zero. */
uint64_t next_random(uint64_t *state);
/* A number below @bound, which must not be 0. */
uint64_t random_below(uint64_t *state, uint64_t bound);

/* ---- KVM ---- */

/* KVM_CHECK_EXTENSION on the system fd. */
int system_capability(int capability);
/* KVM_CHECK_EXTENSION on a VM's fd. */
int vm_capability(int vm, int capability);
int new_vm(unsigned int type);
/* A new file, or a negative errno. */
int try_new_gmem(int vm, uint64_t size, uint64_t flags);
int new_gmem(int vm, uint64_t size, uint64_t flags);
/* A slot of @size bytes at @gpa that shows the file from @offset. 0 or a negative errno. */
int set_slot(int vm, uint32_t slot, uint64_t gpa, uint64_t size, int gmem, uint64_t offset);
int delete_slot(int vm, uint32_t slot);

/* ---- the thing tested ---- */

/* The ioctl as it is: 0 or a negative errno; @attributes is what the kernel made of it. */
int convert_raw(int gmem, struct gmem_uapi_attributes *attributes);
int convert(int gmem, uint64_t offset, uint64_t size, uint64_t state);
/* As convert(); *@ret_error_offset is only changed if the kernel wrote it. */
int convert_where(int gmem, uint64_t offset, uint64_t size, uint64_t state,
		  uint64_t *ret_error_offset);
int set_vm_attributes(int vm, uint64_t gpa, uint64_t size, uint64_t attributes);
int punch(int gmem, uint64_t offset, uint64_t size);
int allocate(int gmem, uint64_t offset, uint64_t size);

/* ---- host access ---- */

/* Maps @size bytes of the file from @offset, readable and writable. */
uint8_t *map_gmem(int gmem, uint64_t offset, uint64_t size);
/* One byte; false if the access raised SIGBUS. Any thread. */
bool try_read(const void *at, uint8_t *ret_byte);
bool try_write(void *at, uint8_t byte);
/* As above for an aligned word, which is read or written as a whole. */
bool try_read_word(const void *at, uint64_t *ret_word);
bool try_write_word(void *at, uint64_t word);
/* The guestvm pattern of seed @round, for the page with number @page of a file. */
void fill_page(uint8_t *at, uint64_t page, uint64_t round);
bool page_is_filled(const uint8_t *at, uint64_t page, uint64_t round);
bool page_is_zero(const uint8_t *at);
/* Whether this process's page tables have the page, so that an access would raise no fault. */
bool is_in_page_tables(const uint8_t *at);

/* Fails the test unless both reading and writing raise SIGBUS. */
#define must_sigbus(at)                                                                            \
	do {                                                                                       \
		uint8_t byte_;                                                                     \
		ck_assert_msg(!try_read((at), &byte_), "%s can be read", #at);                     \
		ck_assert_msg(!try_write((at), 1), "%s can be written", #at);                      \
	} while (0)

/* Fails the test unless @at can be read and holds @value. */
#define must_hold(at, value)                                                                       \
	do {                                                                                       \
		uint8_t byte_ = 0;                                                                 \
		ck_assert_msg(try_read((at), &byte_), "%s raises SIGBUS", #at);                    \
		ck_assert_msg(byte_ == (uint8_t)(value), "%s is 0x%x, not 0x%x", #at, byte_,       \
			      (unsigned int)(value));                                              \
	} while (0)

/* Fails the test unless @at can be written. */
#define must_write(at, value)                                                                      \
	ck_assert_msg(try_write((at), (uint8_t)(value)), "%s raises SIGBUS", #at)

/* Fails the test unless @call gives exactly @expected: 0 or a negative errno. */
#define must_give(call, expected)                                                                  \
	do {                                                                                       \
		int got_ = (call), expected_ = (expected);                                         \
		ck_assert_msg(got_ == expected_, "%s: %s, expected %s", #call,                     \
			      got_ < 0 ? error_name(-got_) : "success",                            \
			      expected_ < 0 ? error_name(-expected_) : "success");                 \
	} while (0)

/* "EAGAIN" for EAGAIN. */
const char *error_name(int error);

#endif
