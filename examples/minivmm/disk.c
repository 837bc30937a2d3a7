/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A disk that reads and writes memory which the guest has shared, through a queue for each vCPU. It
 * is a listener of the space: it knows which pages it may touch, because it was told. With io_uring
 * it pins them as registered buffers, and a page that it has not let go cannot become private.
 */
#include "minivmm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#define PAGES	     (GUEST_RAM_SIZE / GUEST_PAGE)
#define BUFFER_PAGES (GUEST_VCPUS * GUEST_BUFFER_SIZE / GUEST_PAGE)

struct disk {
	struct vm *vm;
	int file;
	struct gmem_listener *listener;
	struct gmem_error *error;
	pthread_t thread;
	pthread_cond_t notified;
	/* guards what follows: pages are used and let go under it */
	pthread_mutex_t lock;
	bool stop, has_work;
	uint8_t *pages[PAGES]; /* where those are that may be touched */
	uint64_t populated, released, not_at_once, done, refused;
#ifdef HAVE_LIBURING
	struct io_uring ring;
#endif
};

/* The disk's buffer of a page, or none. */
static int buffer_of(uint64_t gpa)
{
	if (gpa < GUEST_BUFFERS || gpa >= GUEST_BUFFERS + BUFFER_PAGES * GUEST_PAGE)
		return -1;
	return (int)((gpa - GUEST_BUFFERS) / GUEST_PAGE);
}

#ifdef HAVE_LIBURING
static int ring_open(struct disk *disk)
{
	int r = io_uring_queue_init(1, &disk->ring, 0);

	return r < 0 ? r : io_uring_register_buffers_sparse(&disk->ring, BUFFER_PAGES);
}

static void ring_close(struct disk *disk)
{
	io_uring_queue_exit(&disk->ring);
}

/* An address pins the page, NULL lets it go. */
static int pin(struct disk *disk, uint64_t gpa, void *address)
{
	struct iovec page = { address, address ? GUEST_PAGE : 0 };
	int buffer = buffer_of(gpa), r = 1;

	if (buffer >= 0)
		r = io_uring_register_buffers_update_tag(&disk->ring, (unsigned int)buffer, &page,
							 NULL, 1);
	return r == 1 ? 0 : r < 0 ? r : -EIO;
}

static int transfer(struct disk *disk, uint32_t what, uint64_t gpa, uint64_t offset)
{
	void *page = disk->pages[gpa / GUEST_PAGE];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);
	struct io_uring_cqe *cqe;
	int r;

	if (!sqe)
		return -EIO;
	if (what == GUEST_DISK_WRITE)
		io_uring_prep_write_fixed(sqe, disk->file, page, GUEST_PAGE, offset,
					  buffer_of(gpa));
	else
		io_uring_prep_read_fixed(sqe, disk->file, page, GUEST_PAGE, offset, buffer_of(gpa));
	io_uring_submit(&disk->ring);
	do {
		r = io_uring_wait_cqe(&disk->ring, &cqe);
	} while (r == -EINTR);
	if (r < 0)
		return r;
	r = cqe->res;
	io_uring_cqe_seen(&disk->ring, cqe);
	return r == (int)GUEST_PAGE ? 0 : r < 0 ? r : -EIO;
}
#else
static int ring_open(struct disk *disk)
{
	(void)disk;
	return 0;
}

static void ring_close(struct disk *disk)
{
	(void)disk;
}

static int pin(struct disk *disk, uint64_t gpa, void *address)
{
	(void)disk, (void)gpa, (void)address;
	return 0;
}

static int transfer(struct disk *disk, uint32_t what, uint64_t gpa, uint64_t offset)
{
	void *page = disk->pages[gpa / GUEST_PAGE];
	ssize_t n = what == GUEST_DISK_WRITE ? pwrite(disk->file, page, GUEST_PAGE, (off_t)offset)
					     : pread(disk->file, page, GUEST_PAGE, (off_t)offset);

	return n == (ssize_t)GUEST_PAGE ? 0 : n < 0 ? -errno : -EIO;
}
#endif

/* ---- the listener: what it may use, and what it must let go ---- */

static int populate(const struct gmem_notice *notice, void *data)
{
	struct disk *disk = data;
	uint64_t gpa, end = notice->gpa + notice->size;
	uint8_t *address = notice->address;
	int r = 0;

	pthread_mutex_lock(&disk->lock);
	for (gpa = notice->gpa; r == 0 && gpa < end; gpa += GUEST_PAGE) {
		r = pin(disk, gpa, address + (gpa - notice->gpa));
		if (r == 0)
			disk->pages[gpa / GUEST_PAGE] = address + (gpa - notice->gpa);
	}
	disk->populated++;
	pthread_mutex_unlock(&disk->lock);
	return r;
}

static int release(const struct gmem_notice *notice, void *data)
{
	struct disk *disk = data;
	uint64_t gpa, end = notice->gpa + notice->size;
	int r = 0, code;

	/* In the middle of something: the library asks again after a pause. */
	if (notice->reason != GMEM_REASON_UNDO && pthread_mutex_trylock(&disk->lock)) {
		__atomic_fetch_add(&disk->not_at_once, 1, __ATOMIC_RELAXED);
		return -EAGAIN;
	}
	if (notice->reason == GMEM_REASON_UNDO)
		pthread_mutex_lock(&disk->lock);
	for (gpa = notice->gpa; gpa < end; gpa += GUEST_PAGE) {
		if (!disk->pages[gpa / GUEST_PAGE])
			continue;
		disk->pages[gpa / GUEST_PAGE] = NULL;
		code = pin(disk, gpa, NULL);
		r = r ? r : code;
	}
	disk->released++;
	pthread_mutex_unlock(&disk->lock);
	return r;
}

bool disk_peek(struct disk *disk, uint64_t gpa, uint64_t *ret_word)
{
	uint8_t *page;

	pthread_mutex_lock(&disk->lock);
	page = disk->pages[gpa / GUEST_PAGE];
	if (page)
		*ret_word = *(volatile uint64_t *)(page + gpa % GUEST_PAGE);
	pthread_mutex_unlock(&disk->lock);
	return page != NULL;
}

/* ---- the queues ---- */

static int64_t serve_entry(struct disk *disk, uint64_t gpa, uint32_t page, uint32_t what)
{
	int r = -EINVAL;

	/* The guest is hostile: a page that it has not shared is none, and so is one elsewhere. */
	if (gpa % GUEST_PAGE == 0 && buffer_of(gpa) >= 0 && page < GUEST_DISK_PAGES &&
	    what <= GUEST_DISK_WRITE)
		r = disk->pages[gpa / GUEST_PAGE] ? transfer(disk, what, gpa, page * GUEST_PAGE)
						  : -EFAULT;
	if (r < 0)
		disk->refused++;
	else
		disk->done++;
	return r;
}

static void serve_queue(struct disk *disk, struct guest_queue *queue)
{
	uint32_t added = __atomic_load_n(&queue->added, __ATOMIC_ACQUIRE), at;
	uint32_t used = queue->used;

	if (added - used > GUEST_QUEUE_ENTRIES)
		return;
	for (; used != added; used++) {
		at = used % GUEST_QUEUE_ENTRIES;
		queue->entry[at].result = serve_entry(disk, queue->entry[at].gpa,
						      queue->entry[at].page, queue->entry[at].what);
		__atomic_store_n(&queue->used, used + 1, __ATOMIC_RELEASE);
	}
}

static void *disk_thread(void *data)
{
	struct disk *disk = data;
	struct guest_queue *queues;
	unsigned int i;

	pthread_mutex_lock(&disk->lock);
	while (!disk->stop) {
		if (!disk->has_work) {
			pthread_cond_wait(&disk->notified, &disk->lock);
			continue;
		}
		disk->has_work = false;
		/* Where the boot memory is, if it is there: not while slots are created again. */
		queues = (struct guest_queue *)disk->pages[GUEST_QUEUES / GUEST_PAGE];
		for (i = 0; queues && i < disk->vm->vcpus; i++)
			serve_queue(disk, &queues[i]);
	}
	pthread_mutex_unlock(&disk->lock);
	return NULL;
}

void disk_notify(struct disk *disk)
{
	pthread_mutex_lock(&disk->lock);
	disk->has_work = true;
	pthread_cond_signal(&disk->notified);
	pthread_mutex_unlock(&disk->lock);
}

int disk_open(struct vm *vm)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "disk" };
	struct disk *disk = calloc(1, sizeof(*disk));
	int r;

	if (!disk)
		return complain("disk", -ENOMEM);
	vm->disk = disk;
	disk->vm = vm;
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->notified, NULL);
	disk->file = vm->disk_file ? vm->disk_file : memfd_create("disk", MFD_CLOEXEC);
	if (disk->file < 0 || ftruncate(disk->file, GUEST_DISK_PAGES * GUEST_PAGE))
		return complain("memfd of the disk", -errno);
	r = ring_open(disk);
	if (r < 0)
		return complain("io_uring", r);
	options.release = release;
	options.populate = populate;
	options.data = disk;
	r = gmem_listener_add(vm->space, &options, &disk->listener, vm->error);
	if (r < 0)
		return complain_report(vm->error);
	r = -pthread_create(&disk->thread, NULL, disk_thread, disk);
	return r < 0 ? complain("pthread_create", r) : 0;
}

void disk_report(struct disk *disk)
{
	printf("disk: %llu requests, %llu refused; told to use memory %llu times, to let go %llu "
	       "times, %llu times not at once\n",
	       (unsigned long long)disk->done, (unsigned long long)disk->refused,
	       (unsigned long long)disk->populated, (unsigned long long)disk->released,
	       (unsigned long long)disk->not_at_once);
}

int disk_detach(struct disk *disk)
{
	if (disk->thread) {
		pthread_mutex_lock(&disk->lock);
		disk->stop = true;
		pthread_cond_signal(&disk->notified);
		pthread_mutex_unlock(&disk->lock);
		pthread_join(disk->thread, NULL);
		disk->thread = 0;
	}
	gmem_listener_remove(disk->listener, NULL);
	disk->listener = NULL;
	return disk->file;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	close(disk_detach(disk));
	ring_close(disk);
	free(disk);
}
