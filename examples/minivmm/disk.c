/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A disk that reads and writes memory which the guest has shared, through a queue for each vCPU. It
 * is a listener of the space: it knows which pages it may touch, because it was told. It pins its
 * buffers, registered with io_uring: a page that it has not let go cannot become private.
 */
#include "minivmm.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BUFFERS_SIZE (GUEST_VCPUS * GUEST_BUFFER_SIZE)

static int ring;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* pages are used and let go under it */
static uint8_t *pages[GUEST_RAM_SIZE / GUEST_PAGE];	 /* where those are that may be touched */

/* The ring has a buffer for each page. An address pins it, NULL lets it go. */
static int set_page(uint64_t gpa, uint8_t *address)
{
	struct iovec page = { address, address ? GUEST_PAGE : 0 };
	struct io_uring_rsrc_update2 update = { .data = (uintptr_t)&page, .nr = 1 };
	uint64_t offset = gpa - GUEST_BUFFERS;

	/* It may be used up to now: if this were too late, it would be a SIGBUS. */
	if (pages[gpa / GUEST_PAGE])
		(void)*(volatile uint8_t *)pages[gpa / GUEST_PAGE];
	update.offset = (uint32_t)(offset / GUEST_PAGE);
	if (offset < BUFFERS_SIZE &&
	    syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS_UPDATE, &update,
		    sizeof(update)) != 1)
		return -errno;
	pages[gpa / GUEST_PAGE] = address;
	return 0;
}

static int set_pages(const struct gmem_notice *notice, uint8_t *address)
{
	uint64_t at;
	int r = 0;

	for (at = 0; r == 0 && at < notice->size; at += GUEST_PAGE)
		r = set_page(notice->gpa + at, address ? address + at : NULL);
	pthread_mutex_unlock(&lock);
	return r;
}

static int populate(const struct gmem_notice *notice, void *data)
{
	(void)data;
	pthread_mutex_lock(&lock);
	return set_pages(notice, notice->address);
}

static int release(const struct gmem_notice *notice, void *data)
{
	(void)data;
	/* In the middle of something: the library asks again after a pause, unless it undoes. */
	if (notice->reason == GMEM_REASON_UNDO) {
		pthread_mutex_lock(&lock);
	} else if (pthread_mutex_trylock(&lock)) {
		vm.not_at_once++;
		return -EAGAIN;
	}
	return set_pages(notice, NULL);
}

static int64_t serve_entry(uint64_t gpa, uint32_t page, uint32_t what)
{
	off_t offset = (off_t)(page * GUEST_PAGE);
	uint8_t *address;
	ssize_t n;

	/* The guest is hostile: a page that it has not shared is none, and so is one elsewhere. */
	if (gpa % GUEST_PAGE || gpa - GUEST_BUFFERS >= BUFFERS_SIZE || page >= GUEST_DISK_PAGES ||
	    !pages[gpa / GUEST_PAGE])
		return -EFAULT;
	address = pages[gpa / GUEST_PAGE];
	n = what == GUEST_DISK_WRITE ? pwrite(vm.disk, address, GUEST_PAGE, offset)
				     : pread(vm.disk, address, GUEST_PAGE, offset);
	return n == (ssize_t)GUEST_PAGE ? 0 : -EIO;
}

static void serve_queue(struct guest_queue *queue)
{
	uint32_t added = __atomic_load_n(&queue->added, __ATOMIC_ACQUIRE), used = queue->used, at;

	for (; used != added && added - used <= GUEST_QUEUE_ENTRIES; used++) {
		at = used % GUEST_QUEUE_ENTRIES;
		queue->entry[at].result = serve_entry(queue->entry[at].gpa, queue->entry[at].page,
						      queue->entry[at].what);
		__atomic_store_n(&queue->used, used + 1, __ATOMIC_RELEASE);
	}
}

void disk_serve(uint32_t queue)
{
	struct guest_queue *queues;

	pthread_mutex_lock(&lock);
	/* Queues are in shared memory like any other. */
	queues = (struct guest_queue *)pages[GUEST_QUEUES / GUEST_PAGE];
	if (queues && queue < GUEST_VCPUS)
		serve_queue(&queues[queue]);
	pthread_mutex_unlock(&lock);
}

void disk_open(void)
{
	struct io_uring_rsrc_register buffers = { .nr = BUFFERS_SIZE / GUEST_PAGE };
	struct gmem_listener_options options = { .size = sizeof(options), .name = "disk" };
	struct io_uring_params params = { 0 };

	if (!vm.disk)
		vm.disk = sys(memfd_create("disk", MFD_CLOEXEC));
	sys(ftruncate(vm.disk, GUEST_DISK_PAGES * GUEST_PAGE));
	ring = sys((int)syscall(__NR_io_uring_setup, 1, &params));
	buffers.flags = IORING_RSRC_REGISTER_SPARSE;
	sys((int)syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS2, &buffers,
			 sizeof(buffers)));
	options.release = release;
	options.populate = populate;
	check(gmem_listener_add(vm.space, &options, &vm.listener, report));
}
