/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A model of a kernel whose calls fail. Its source to load from, its nodes, its io_uring and what
 * is run on them have a file of their own, and so has live update.
 */
#ifndef TEST_INJECTION_H
#define TEST_INJECTION_H

#include "lib/nodes.h"
#include "lib/sys.h"
#include "lib/uring.h"

/** Counts a system call; true if it is to fail, and how. */
bool fails(int *ret_code);
/** What is left behind by a function. */
extern int open_files, mappings;
/** Mappings that munmap() refused to take back. */
extern int stuck;
/** Whether one of the failures is this. */
bool injects(int code);
/** What every call goes to. */
extern const struct gmem_sys model;
/** The file that functions are run on. */
extern struct gmem *gmem;
#define FILE_SIZE (UINT64_C(256) << 20)

/** What is mapped, and what is loaded into it: 8 pages. */
#define LOADED (8 * UINT64_C(4096))
extern unsigned char memory[LOADED], loaded[LOADED];
#define ADDRESS ((void *)memory)

int64_t model_pread(int fd, void *buffer, size_t size, uint64_t offset);
int64_t model_lseek(int fd, uint64_t offset, int whence);
int model_open_direct(int fd);
int model_count_cached(int fd, uint64_t offset, uint64_t size, uint64_t *ret_bytes);
int model_populate(void *address, size_t size);
int model_incore(int fd, void *address, size_t size, unsigned char *ret_pages);
int model_set_policy(void *address, size_t size, int mode, const unsigned long *nodes,
		     unsigned long max_node);
int model_get_policy(void *address, int *ret_mode);
int model_locate_pages(unsigned long count, void **pages, int *ret_nodes);
int model_make_event(void);
void model_event(int fd);
int model_start_thread(void *(*function)(void *), void *data, pthread_t *ret_thread);
void model_join_thread(pthread_t thread);
extern const struct gmem_uring model_uring;
extern const struct gmem_node_parser model_node_parser;

/** Each runs a function once, checks its outputs, and takes back what it made. */
int run_populate(void);
int run_populate_private(void);
int run_populate_memory(void);
int run_numa_place(void);
int run_numa_place_guest(void);
int run_numa_count(void);
int run_batch_new(void);
int run_batch_in_ring(void);
int run_batch_in_threads(void);

/** What comes out of a session with a blob in it. */
#define BLOB_FD 1031

/* Live update: what the model has of it, and the functions that run on that. */
int model_open(const char *path, int flags);
int model_memfd_create(const char *name, unsigned int flags);
int64_t model_pwrite(int fd, const void *buffer, size_t size, uint64_t offset);
int64_t model_read_blob(void *buffer, size_t size, uint64_t offset);
int model_socket(int domain, int type, int protocol);
int model_sendmsg(int fd, const struct msghdr *message, int flags);
int model_process_id(void);
/** False if it is another request. */
bool model_live_update(unsigned long request, uintptr_t argument, int *ret_result);
/** Of a file that came out of a session; all others have the same. */
uint64_t model_file_size(int fd, uint64_t otherwise);

void begin_live_update(void);
void end_live_update(void);
int run_session_create(void);
int run_session_retrieve(void);
int run_session_adopt(void);
int run_session_finish(void);
int run_preserve_vm(void);
int run_preserve(void);
int run_preserve_fd(void);
int run_get_live_update(void);
int run_retrieve_vm(void);
int run_retrieve_fd(void);
int run_retrieve(void);
int run_blob_add_file(void);
int run_preserve_blob(void);
int run_retrieve_blob(void);
int run_store_push(void);
int run_store_take(void);
int run_store_remove(void);

#endif
