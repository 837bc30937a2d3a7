/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "machine.h"
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include "lib/file.h"
#include "lib/sys.h"

#define FIRST_FD     2000
#define MAPS_FD	     3000
#define FIRST_MAPPED UINT64_C(0x7f0000000000)
#define MAPPED_STEP  UINT64_C(0x10000000)
#define FIRST_INODE  500
#define DEVICE	     makedev(0, 21)

struct machine machine;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool maps_read;

/* Counts the call, and returns the errno that it is to fail with, or 0. */
static int begin_call(void)
{
	pthread_mutex_lock(&lock);
	machine.calls++;
	if ((machine.calls < machine.fail_first || machine.calls > machine.fail_last) &&
	    machine.calls != machine.fail_again)
		return 0;
	machine.failed++;
	return machine.fail_code;
}

static int end_call(int result)
{
	pthread_mutex_unlock(&lock);
	return result;
}

static struct machine_file *file_of(int fd)
{
	int i = fd - FIRST_FD;

	return i >= 0 && i < MACHINE_FILES && machine.files[i].fd ? &machine.files[i] : NULL;
}

struct machine_file *machine_file(const struct gmem *gmem)
{
	return file_of(gmem->fd);
}

static int create(const struct gmem_uapi_create *request)
{
	int i = 0;

	while (machine.files[i].fd)
		i++;
	must(i < MACHINE_FILES && request->size <= MACHINE_PAGES * PAGE,
	     "too much for the machine");
	machine.files[i] =
		(struct machine_file){ .fd = FIRST_FD + i, .pages = request->size / PAGE };
	memset(machine.files[i].private, !(request->flags & GMEM_UAPI_FLAG_INIT_SHARED),
	       sizeof(machine.files[i].private));
	machine.open_files++;
	return FIRST_FD + i;
}

static int convert(int fd, struct gmem_uapi_attributes *request)
{
	struct machine_file *file = file_of(fd);
	bool private = request->attributes & PRIVATE;
	uint64_t page, first = request->offset / PAGE, end = first + request->size / PAGE;

	if (!file)
		return -EBADF;
	if (!machine.in_place)
		return -ENOTTY;
	must(request->size && end <= file->pages, "the range is not in the file");
	must(!request->flags || machine.policies, "a policy that nobody announced");
	for (page = first; private && page < end; page++) {
		if (file->private[page] || !file->busy[page])
			continue;
		if (file->busy[page] != INT32_MAX)
			file->busy[page]--;
		request->error_offset = page * PAGE;
		return -EAGAIN;
	}
	for (page = first; page < end; page++)
		file->private[page] = private;
	return 0;
}

static int query(int fd, struct gmem_uapi_query *query)
{
	struct gmem_uapi_extent *extents = (struct gmem_uapi_extent *)(uintptr_t)query->extents;
	const struct machine_file *file = file_of(fd);
	uint64_t count = 0, page;
	bool private;

	if (!file)
		return -EBADF;
	while (query->size && count < query->nr_extents) {
		page = query->offset / PAGE;
		private = file->private[page];
		extents[count] =
			(struct gmem_uapi_extent){ query->offset, 0, private ? PRIVATE : 0, 0 };
		while (query->size && file->private[query->offset / PAGE] == private) {
			extents[count].size += PAGE;
			query->offset += PAGE;
			query->size -= PAGE;
		}
		count++;
	}
	query->nr_extents = count;
	return 0;
}

static int set_vm_attributes(const struct gmem_uapi_vm_attributes *request)
{
	uint64_t page = request->address / PAGE, end = page + request->size / PAGE;

	must(end <= MACHINE_PAGES, "too much for the machine");
	for (; page < end; page++)
		machine.vm_private[page] = request->attributes & PRIVATE;
	return 0;
}

static int delete_slot(uint32_t number)
{
	unsigned int i = 0;

	while (i < machine.slot_count && machine.slots[i].number != number)
		i++;
	if (i == machine.slot_count)
		return -EINVAL;
	machine.slots[i] = machine.slots[--machine.slot_count];
	return 0;
}

static int set_slot(const struct gmem_uapi_memory_region *region)
{
	const struct machine_slot *other;
	unsigned int i;

	if (!region->memory_size)
		return delete_slot(region->slot);
	if (region->slot >= MACHINE_SLOTS || !file_of((int)region->guest_memfd))
		return region->slot >= MACHINE_SLOTS ? -EINVAL : -EBADF;
	for (i = 0; i < machine.slot_count; i++) {
		other = &machine.slots[i];
		if (other->number == region->slot)
			return -EINVAL;
		if (other->gpa < region->guest_phys_addr + region->memory_size &&
		    region->guest_phys_addr < other->gpa + other->size)
			return -EEXIST;
		if (other->fd == (int)region->guest_memfd &&
		    other->offset < region->guest_memfd_offset + region->memory_size &&
		    region->guest_memfd_offset < other->offset + other->size)
			return -EEXIST;
	}
	machine.slots[machine.slot_count++] = (struct machine_slot){
		.number = region->slot,
		.gpa = region->guest_phys_addr,
		.size = region->memory_size,
		.address = region->userspace_addr,
		.offset = region->guest_memfd_offset,
		.fd = (int)region->guest_memfd,
	};
	return 0;
}

static int answer_capability(uintptr_t capability)
{
	switch (capability) {
	case GMEM_CAP_GUEST_MEMFD:
		return 1;
	case GMEM_CAP_GUEST_MEMFD_FLAGS:
		return 3;
	case GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES:
		return machine.in_place ? (int)PRIVATE : 0;
	case GMEM_CAP_MEMORY_ATTRIBUTES:
		return machine.vm_attributes ? (int)PRIVATE : 0;
	case GMEM_CAP_CONTENT_POLICIES:
		return machine.policies ? (int)(ZERO | PRESERVE) : 0;
	case GMEM_CAP_QUERY:
		return machine.queries;
	}
	return 0;
}

static struct machine_file *file_mapped_at(uint64_t address)
{
	int i;

	for (i = 0; i < MACHINE_FILES; i++) {
		if (machine.files[i].mapped && address >= machine.files[i].mapped &&
		    address < machine.files[i].mapped + machine.files[i].pages * PAGE)
			return &machine.files[i];
	}
	return NULL;
}

static int answer_procmap(struct gmem_uapi_procmap *query)
{
	const struct machine_file *file = file_mapped_at(query->query_addr);

	must(query->size == sizeof(*query), "a struct of another size");
	if (!machine.procmap)
		return -ENOTTY;
	if (!file)
		return -ENOENT;
	query->vma_start = file->mapped;
	query->vma_end = file->mapped + file->pages * PAGE;
	query->vma_flags = GMEM_UAPI_PROCMAP_SHARED;
	query->inode = (uint64_t)(FIRST_INODE + (file - machine.files));
	query->dev_major = major(DEVICE);
	query->dev_minor = minor(DEVICE);
	return 0;
}

static int answer_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	void *pointer = (void *)argument;

	switch (request) {
	case GMEM_UAPI_GET_API_VERSION:
		return -ENOTTY;
	case GMEM_UAPI_CHECK_EXTENSION:
		return answer_capability(argument);
	case GMEM_UAPI_CREATE_GUEST_MEMFD:
		return create(pointer);
	case GMEM_UAPI_SET_ATTRIBUTES:
		return convert(fd, pointer);
	case GMEM_UAPI_QUERY:
		return query(fd, pointer);
	case GMEM_UAPI_SET_VM_ATTRIBUTES:
		return set_vm_attributes(pointer);
	case GMEM_UAPI_SET_MEMORY_REGION:
		return set_slot(pointer);
	case GMEM_UAPI_PROCMAP_QUERY:
		return answer_procmap(pointer);
	/* whether a file is frozen, after EPERM */
	case GMEM_UAPI_LIVE_UPDATE:
		return -ENOTTY;
	}
	ck_abort_msg("unknown ioctl 0x%lx", request);
	return -ENOTTY;
}

static int machine_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	int r = begin_call();

	return end_call(r ? r : answer_ioctl(fd, request, argument));
}

/* A file, or the other backing of the file that was bound last and has none. */
static int machine_mmap(size_t size, int protection, int flags, int fd, uint64_t offset,
			void **ret_address)
{
	struct machine_file *file = file_of(fd);
	int i, r = begin_call();

	(void)protection;
	(void)offset;
	if (r)
		return end_call(r);
	for (i = 0; (flags & MAP_ANONYMOUS) && i < MACHINE_FILES; i++) {
		if (machine.files[i].fd && !machine.files[i].mapped && !file)
			file = &machine.files[i];
	}
	if (!file)
		return end_call(-EBADF);
	must(size <= file->pages * PAGE, "more than the file is mapped");
	if (!file->mapped)
		file->mapped = FIRST_MAPPED + (uint64_t)(file - machine.files) * MAPPED_STEP;
	machine.mappings++;
	*ret_address = (void *)(uintptr_t)file->mapped;
	return end_call(0);
}

static int machine_munmap(void *address, size_t size)
{
	struct machine_file *file;
	int r = begin_call();

	(void)size;
	file = file_mapped_at((uintptr_t)address);
	must(file != NULL, "nothing is mapped there");
	if (r)
		return end_call(r);
	file->mapped = 0;
	machine.mappings--;
	return end_call(0);
}

static int machine_madvise(void *address, size_t size, int advice)
{
	struct machine_file *file;
	uint64_t page, end;
	int r = begin_call();

	if (r)
		return end_call(r);
	file = file_mapped_at((uintptr_t)address);
	must(file != NULL, "nothing is mapped there");
	page = ((uintptr_t)address - file->mapped) / PAGE;
	end = page + size / PAGE;
	must(end <= file->pages, "beyond the end of the mapping");
	for (; page < end; page++)
		file->shared_allocated[page] = advice != MADV_REMOVE && advice != MADV_DONTNEED;
	return end_call(0);
}

static int machine_populate(void *address, size_t size)
{
	return machine_madvise(address, size, MADV_NORMAL);
}

static int machine_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	struct machine_file *file;
	uint64_t page = offset / PAGE, end = page + size / PAGE;
	int r = begin_call();

	file = file_of(fd);
	if (r || !file)
		return end_call(r ? r : -EBADF);
	for (; page < end; page++)
		file->allocated[page] = !(mode & FALLOC_FL_PUNCH_HOLE);
	return end_call(0);
}

static int machine_fstat(int fd, struct stat *ret_stat)
{
	int r = begin_call();

	if (r || !file_of(fd))
		return end_call(r ? r : -EBADF);
	memset(ret_stat, 0, sizeof(*ret_stat));
	ret_stat->st_dev = DEVICE;
	ret_stat->st_ino = (ino_t)(FIRST_INODE + fd - FIRST_FD);
	ret_stat->st_size = (off_t)(file_of(fd)->pages * PAGE);
	return end_call(0);
}

static int machine_open(const char *path, int flags)
{
	int r = begin_call();

	must(!strcmp(path, "/proc/self/maps") && flags == (O_RDONLY | O_CLOEXEC), "%s is opened",
	     path);
	if (r)
		return end_call(r);
	machine.open_files++;
	maps_read = false;
	return end_call(MAPS_FD);
}

static int64_t machine_read(int fd, void *buffer, size_t size)
{
	const struct machine_file *file;
	int i, length = 0, r = begin_call();

	must(fd == MAPS_FD && size >= 1024, "read() of something else");
	if (r || maps_read)
		return end_call(r);
	length = snprintf(buffer, size, "55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0 [heap]\n");
	for (i = 0; i < MACHINE_FILES; i++) {
		file = &machine.files[i];
		if (file->mapped)
			length += snprintf((char *)buffer + length, size - (size_t)length,
					   "%" PRIx64 "-%" PRIx64 " rw-s 00000000 %02x:%02x %d  "
					   "/anon_inode:[kvm-gmem] (deleted)\n",
					   file->mapped, file->mapped + file->pages * PAGE,
					   major(DEVICE), minor(DEVICE), FIRST_INODE + i);
	}
	maps_read = true;
	return end_call(length);
}

static int machine_close(int fd)
{
	int r = begin_call();

	/* As in Linux, it is closed whatever is returned. */
	machine.open_files--;
	if (file_of(fd))
		file_of(fd)->fd = 0;
	return end_call(r);
}

static int machine_set_close_on_exec(int fd)
{
	(void)fd;
	return end_call(begin_call());
}

static uint64_t machine_now(void)
{
	uint64_t now;

	pthread_mutex_lock(&lock);
	now = machine.now;
	pthread_mutex_unlock(&lock);
	return now;
}

static int machine_sleep(uint64_t nanoseconds)
{
	pthread_mutex_lock(&lock);
	machine.now += nanoseconds;
	pthread_mutex_unlock(&lock);
	return 0;
}

static uint64_t machine_page_size(void)
{
	return PAGE;
}

static const struct gmem_sys calls = {
	.ioctl = machine_ioctl,
	.mmap = machine_mmap,
	.munmap = machine_munmap,
	.madvise = machine_madvise,
	.populate = machine_populate,
	.open = machine_open,
	.read = machine_read,
	.fallocate = machine_fallocate,
	.fstat = machine_fstat,
	.set_close_on_exec = machine_set_close_on_exec,
	.close = machine_close,
	.now = machine_now,
	.sleep = machine_sleep,
	.page_size = machine_page_size,
};

void machine_begin(enum gmem_mode mode)
{
	memset(&machine, 0, sizeof(machine));
	machine.in_place = mode == GMEM_MODE_IN_PLACE;
	machine.vm_attributes = mode == GMEM_MODE_TWO_BACKINGS;
	machine.policies = machine.in_place;
	machine.queries = machine.in_place;
	machine.procmap = true;
	gmem_sys = &calls;
}

bool machine_is_private(uint64_t gpa)
{
	const struct machine_slot *slot = machine.slots;

	while (slot < machine.slots + machine.slot_count &&
	       (gpa < slot->gpa || gpa >= slot->gpa + slot->size))
		slot++;
	must(slot < machine.slots + machine.slot_count, "0x%" PRIx64 " is in no slot", gpa);
	if (machine.vm_attributes)
		return machine.vm_private[gpa / PAGE];
	return file_of(slot->fd)->private[(slot->offset + (gpa - slot->gpa)) / PAGE];
}

void machine_fail(int nth, bool and_all_after, int code)
{
	machine.fail_first = machine.calls + nth;
	machine.fail_last = and_all_after ? INT32_MAX : machine.fail_first;
	machine.fail_again = 0;
	machine.fail_code = code;
	machine.failed = 0;
}
