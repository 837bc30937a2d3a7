/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <string.h>
#include "lib/sys.h"
#include "simulated.h"
#include "unit.h"

#define FIRST_FD 2000

struct simulated sim;
static uint64_t now;
/* Of the chaos. A race between threads only makes it more chaotic. */
static __thread uint64_t chaos = 1;

uint64_t sim_random(uint64_t *state, uint64_t below)
{
	uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	x ^= x >> 31;
	return below ? x % below : x;
}

int sim_file(int fd)
{
	int file = fd - FIRST_FD;

	return file >= 0 && file < SIM_FILES && sim.open[file] ? file : -1;
}

bool sim_find(uint64_t gpa_page, int *ret_file, uint64_t *ret_page)
{
	const struct sim_slot *slot;
	int i;

	for (i = 0; i < SIM_SLOTS; i++) {
		slot = &sim.slots[i];
		if (!slot->used || gpa_page < slot->gpa || gpa_page >= slot->gpa + slot->pages)
			continue;
		*ret_file = slot->file;
		*ret_page = slot->offset + (gpa_page - slot->gpa);
		return true;
	}
	return false;
}

static int check_extension(uint64_t capability)
{
	switch (capability) {
	case GMEM_CAP_GUEST_MEMFD:
		return 1;
	case GMEM_CAP_GUEST_MEMFD_FLAGS:
		return GMEM_UAPI_FLAG_MMAP | GMEM_UAPI_FLAG_INIT_SHARED;
	case GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES:
		return sim.in_place ? (int)PRIVATE : 0;
	case GMEM_CAP_MEMORY_ATTRIBUTES:
		return sim.in_place ? 0 : (int)PRIVATE;
	case GMEM_CAP_QUERY:
		return sim.in_place && sim.query;
	}
	return 0;
}

static int create_file(const struct gmem_uapi_create *request)
{
	int i;

	for (i = 0; i < SIM_FILES && sim.open[i]; i++)
		;
	if (i == SIM_FILES)
		return -EMFILE;
	/* Probes make larger or smaller ones, and look at the first page only. */
	sim.open[i] = true;
	memset(sim.private[i], !(request->flags & GMEM_UAPI_FLAG_INIT_SHARED), SIM_PAGES);
	return FIRST_FD + i;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int set_slot(const struct gmem_uapi_memory_region *region)
{
	struct sim_slot slot = {
		.used = true,
		.gpa = region->guest_phys_addr / PAGE,
		.pages = region->memory_size / PAGE,
		.file = sim_file((int)region->guest_memfd),
		.offset = region->guest_memfd_offset / PAGE,
	};
	int i;

	if (region->slot >= SIM_SLOTS)
		return -EINVAL;
	if (!slot.pages) {
		if (!sim.slots[region->slot].used)
			return -EINVAL;
		sim.slots[region->slot].used = false;
		return 0;
	}
	if (slot.file < 0 || slot.offset + slot.pages > SIM_PAGES ||
	    slot.gpa + slot.pages > SIM_GPA_PAGES || sim.slots[region->slot].used)
		return -EINVAL;
	for (i = 0; i < SIM_SLOTS; i++) {
		if (sim.slots[i].used &&
		    (overlap(slot.gpa, slot.pages, sim.slots[i].gpa, sim.slots[i].pages) ||
		     (slot.file == sim.slots[i].file &&
		      overlap(slot.offset, slot.pages, sim.slots[i].offset, sim.slots[i].pages))))
			return -EEXIST;
	}
	sim.slots[region->slot] = slot;
	return 0;
}

static int set_attributes(int file, struct gmem_uapi_attributes *request)
{
	uint64_t page = request->offset / PAGE, pages = request->size / PAGE;
	bool private = request->attributes & PRIVATE;

	if (!sim.in_place)
		return -ENOTTY;
	must(pages && page + pages <= SIM_PAGES && !request->flags, "a range of the file");
	if (private && sim_random(&chaos, 100) < sim.busy_percent) {
		request->error_offset = (page + sim_random(&chaos, pages)) * PAGE;
		return -EAGAIN;
	}
	if (sim_random(&chaos, 100) < sim.memory_percent) {
		request->error_offset = request->offset;
		return -ENOMEM;
	}
	if (private && sim.to_private)
		sim.to_private(file, page, pages);
	memset(sim.private[file] + page, private, pages);
	return 0;
}

static int set_vm_attributes(const struct gmem_uapi_vm_attributes *request)
{
	uint64_t page = request->address / PAGE, pages = request->size / PAGE, i, file_page;
	bool private = request->attributes & PRIVATE;
	int file;

	if (sim.in_place)
		return -ENOTTY;
	must(pages && page + pages <= SIM_GPA_PAGES, "a range of the memory");
	if (sim_random(&chaos, 100) < sim.memory_percent)
		return -ENOMEM;
	for (i = page; private && sim.to_private && i < page + pages; i++) {
		if (sim_find(i, &file, &file_page))
			sim.to_private(file, file_page, 1);
	}
	memset(sim.attribute + page, private, pages);
	return 0;
}

static int answer_query(int file, struct gmem_uapi_query *query)
{
	struct gmem_uapi_extent *extents = (struct gmem_uapi_extent *)(uintptr_t)query->extents;
	uint64_t page, end = (query->offset + query->size) / PAGE, count = 0,
		       room = query->nr_extents;
	uint8_t state;

	if (!sim.in_place || !sim.query)
		return -ENOTTY;
	for (page = query->offset / PAGE; page < end && count < room; count++) {
		state = sim.private[file][page];
		extents[count] =
			(struct gmem_uapi_extent){ page * PAGE, 0, state ? PRIVATE : 0, 0 };
		for (; page < end && sim.private[file][page] == state; page++)
			extents[count].size += PAGE;
	}
	query->offset = page * PAGE;
	query->size = end * PAGE - query->offset;
	query->nr_extents = count;
	return 0;
}

static int sim_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	int file = sim_file(fd);

	if (file >= 0 && request == GMEM_UAPI_SET_ATTRIBUTES)
		return set_attributes(file, (struct gmem_uapi_attributes *)argument);
	if (file >= 0 && request == GMEM_UAPI_QUERY)
		return answer_query(file, (struct gmem_uapi_query *)argument);
	if (fd != VM_FD)
		return -EBADF;
	switch (request) {
	case GMEM_UAPI_CHECK_EXTENSION:
		return check_extension(argument);
	case GMEM_UAPI_CREATE_GUEST_MEMFD:
		return create_file((const struct gmem_uapi_create *)argument);
	case GMEM_UAPI_SET_MEMORY_REGION:
		return set_slot((const struct gmem_uapi_memory_region *)argument);
	case GMEM_UAPI_SET_VM_ATTRIBUTES:
		return set_vm_attributes((const struct gmem_uapi_vm_attributes *)argument);
	}
	return -ENOTTY;
}

/* An address that nobody uses. */
static int sim_mmap(size_t size, int protection, int flags, int fd, uint64_t offset,
		    void **ret_address)
{
	(void)size, (void)protection, (void)flags, (void)offset;
	*ret_address = (void *)((uintptr_t)(fd < 0 ? 1 : fd) << 32);
	return 0;
}

static int sim_munmap(void *address, size_t size)
{
	(void)address, (void)size;
	return 0;
}

static int sim_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	(void)mode, (void)offset, (void)size;
	return sim_file(fd) < 0 ? -EBADF : 0;
}

static int sim_madvise(void *address, size_t size, int advice)
{
	(void)address, (void)size, (void)advice;
	return 0;
}

static int sim_set_close_on_exec(int fd)
{
	(void)fd;
	return 0;
}

static int sim_close(int fd)
{
	int file = sim_file(fd);

	if (file < 0)
		return -EBADF;
	sim.open[file] = false;
	return 0;
}

static uint64_t sim_now(void)
{
	return __atomic_load_n(&now, __ATOMIC_RELAXED);
}

static int sim_sleep(uint64_t nanoseconds)
{
	__atomic_fetch_add(&now, nanoseconds, __ATOMIC_RELAXED);
	return 0;
}

static uint64_t sim_page_size(void)
{
	return PAGE;
}

/* What is not here is not used by a space whose memory the library maps itself. */
static const struct gmem_sys simulated = {
	.ioctl = sim_ioctl,
	.mmap = sim_mmap,
	.munmap = sim_munmap,
	.fallocate = sim_fallocate,
	.madvise = sim_madvise,
	.set_close_on_exec = sim_set_close_on_exec,
	.close = sim_close,
	.now = sim_now,
	.sleep = sim_sleep,
	.page_size = sim_page_size,
};

void sim_begin(bool in_place, bool query)
{
	sim = (struct simulated){ .in_place = in_place, .query = query };
	gmem_sys = &simulated;
}
