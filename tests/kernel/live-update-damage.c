/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update from a kernel that hands over nonsense: the descriptions of preserved files are
 * damaged through /dev/mem right before the kexec, each in another way. Retrieving them fails with
 * the errno that is documented, and finishing the session without it works as well. Run it with
 * "lab/lab live-update", in a kernel with /dev/mem (the lab's debug flavour).
 */
#include "session.h"
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bytes of a page of memory, in which numbers are found at multiples of 8. */
typedef uint64_t words[PAGE / 8];

/* Where members are in struct kvm_gmem_luo_v2_ser (include/linux/kho/abi/kvm.h), in words */
enum {
	SIZE,
	FLAGS,
	NR_FOLIOS,
	VM_TOKEN_IN_FILE,
	FOLIOS,
	FOLIOS_SHAPE, /* pages, flags, order */
	NR_EXTENTS,
	EXTENTS,
	EXTENTS_SHAPE
};

/* A folio is { pfn, flags << 52; index }, an extent { index, flags << 52 }. */
#define FLAG(bit) (1ULL << (52 + (bit)))

enum {
	VM_TOKEN = 1,
	GMEM_TOKEN = 2,
	/* Each file has a size of its own, by which its description is found. */
	FIRST_PAGES = 5000,
	FOLDED = 8 /* pages that have memory */
};

struct damage {
	const char *name;
	int expected;
	bool mixed;
	void (*damage)(words description, words folios, words extents);
};

static void nothing(words file, words folios, words extents)
{
	(void)file;
	(void)folios;
	(void)extents;
}

#define DAMAGE(name, change)                                                                       \
	static void name(words file, words folios, words extents)                                  \
	{                                                                                          \
		nothing(file, folios, extents);                                                    \
		change;                                                                            \
	}

DAMAGE(no_size, file[SIZE] = 0)
DAMAGE(odd_size, file[SIZE]++)
DAMAGE(negative_size, file[SIZE] = 1ULL << 63)
DAMAGE(small_size, file[SIZE] = (FOLDED - 1) * PAGE)
DAMAGE(new_flag, file[FLAGS] |= 1ULL << 5)
DAMAGE(not_shared, file[FLAGS] &= ~INIT_SHARED)
DAMAGE(too_many_folios, file[NR_FOLIOS] = ~0ULL)
DAMAGE(more_folios, file[NR_FOLIOS] = 300)
DAMAGE(no_array, file[FOLIOS] = 0)
DAMAGE(odd_array, file[FOLIOS] += 8)
DAMAGE(wild_array, file[FOLIOS] = 1ULL << 46)
DAMAGE(wild_order, file[FOLIOS_SHAPE] |= 63ULL << 48)
DAMAGE(index_outside, folios[5] = FIRST_PAGES * 2)
DAMAGE(index_twice, folios[5] = folios[3])
DAMAGE(wild_index, folios[5] = ~0ULL)
DAMAGE(new_folio_flag, folios[4] |= FLAG(7))
DAMAGE(wild_frame, folios[4] = 1ULL << 40 | FLAG(0))
DAMAGE(no_frame, folios[4] &= ~(FLAG(0) - 1))
DAMAGE(not_up_to_date, folios[4] &= ~FLAG(0))
DAMAGE(no_extents, file[NR_EXTENTS] = 0)
DAMAGE(too_many_extents, file[NR_EXTENTS] = ~0ULL)
DAMAGE(more_extents, file[NR_EXTENTS] = 600)
DAMAGE(no_map, file[EXTENTS] = 0)
DAMAGE(late_start, extents[0]++)
DAMAGE(extents_back, extents[2] = extents[1] - FLAG(0))
DAMAGE(extent_outside, extents[2] = (extents[2] & FLAG(0)) + FIRST_PAGES * 2)
DAMAGE(equal_neighbours, extents[1] ^= FLAG(0))
DAMAGE(new_extent_flag, extents[1] |= FLAG(3))

static const struct damage damages[] = {
	{ "nothing", 0, false, nothing },
	{ "nothing in a map", 0, true, nothing },
	{ "no size", -EINVAL, false, no_size },
	{ "odd size", -EINVAL, false, odd_size },
	{ "negative size", -EINVAL, true, negative_size },
	{ "small size", -EINVAL, false, small_size },
	{ "new flag", -EOPNOTSUPP, false, new_flag },
	{ "not shared", -EINVAL, false, not_shared },
	{ "too many folios", -EINVAL, false, too_many_folios },
	{ "more folios than there are", -EIO, false, more_folios },
	{ "no array", -EIO, false, no_array },
	{ "odd array", -EIO, false, odd_array },
	{ "wild array", -EIO, true, wild_array },
	{ "wild order", -EINVAL, false, wild_order },
	{ "index outside", -EINVAL, false, index_outside },
	{ "index twice", -EINVAL, true, index_twice },
	{ "wild index", -EINVAL, false, wild_index },
	{ "new flag of a folio", -EOPNOTSUPP, false, new_folio_flag },
	{ "wild frame", -EIO, false, wild_frame },
	{ "no frame", 0, false, no_frame },
	{ "not up to date", 0, false, not_up_to_date },
	{ "no extents", -EINVAL, true, no_extents },
	{ "too many extents", -EINVAL, true, too_many_extents },
	{ "more extents than there are", -EINVAL, true, more_extents },
	{ "no map", -EIO, true, no_map },
	{ "late start", -EINVAL, true, late_start },
	{ "extents back", -EINVAL, true, extents_back },
	{ "extent outside", -EINVAL, true, extent_outside },
	{ "equal neighbours", -EINVAL, true, equal_neighbours },
	{ "new flag of an extent", -EOPNOTSUPP, true, new_extent_flag },
};

#define COUNT (sizeof(damages) / sizeof(damages[0]))

static uint64_t size_of(unsigned int i)
{
	return (FIRST_PAGES + i) * PAGE;
}

/* Sessions that are retrieved, and those that are only finished. */
static const char *name_of(unsigned int i, bool wanted)
{
	static char name[32];

	snprintf(name, sizeof(name), "%s-%u", wanted ? "damage-kept" : "damage-dropped", i);
	return name;
}

/* ---- physical memory ---- */

static int memory;

static uint64_t *map_frame(uint64_t phys, uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, (off_t)phys);

	ck_assert_msg(at != MAP_FAILED, "/dev/mem at 0x%llx: %s", (unsigned long long)phys,
		      strerror(errno));
	return at;
}

/* The first page of an array: that which the first chunk says. */
static uint64_t *map_array(uint64_t chunk)
{
	uint64_t *at = map_frame(chunk, PAGE), *array = map_frame(at[1], PAGE);

	munmap(at, PAGE);
	return array;
}

static void damage_file(const struct damage *damage, uint64_t *file)
{
	uint64_t *folios = map_array(file[FOLIOS]);
	uint64_t *extents = damage->mixed ? map_array(file[EXTENTS]) : NULL;

	damage->damage(file, folios, extents);
	munmap(folios, PAGE);
	if (extents)
		munmap(extents, PAGE);
}

/* Damages all descriptions of a range of memory; returns how many there are. */
static unsigned int damage_range(uint64_t start, uint64_t size)
{
	uint64_t *at = map_frame(start, size);
	unsigned int found = 0;

	for (uint64_t page = 0; page < size / PAGE; page++) {
		uint64_t *file = at + page * (PAGE / 8);
		uint64_t i = file[SIZE] / PAGE - FIRST_PAGES;

		if (file[SIZE] % PAGE || i >= COUNT || file[NR_FOLIOS] != FOLDED ||
		    file[FLAGS] != (MAPPABLE | INIT_SHARED) || file[VM_TOKEN_IN_FILE] ||
		    file[FOLIOS] % PAGE)
			continue;
		damage_file(&damages[i], file);
		found++;
	}
	munmap(at, size);
	return found;
}

static unsigned int damage_all(void)
{
	FILE *file = fopen("/proc/iomem", "r");
	unsigned int found = 0;
	char line[256];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long long first, last;

		if (strstr(line, "System RAM") && sscanf(line, "%llx-%llx :", &first, &last) == 2 &&
		    first >= MIB)
			found += damage_range(first, (last + 1 - first) & ~(PAGE - 1));
	}
	fclose(file);
	return found;
}

/* ---- the stages ---- */

static void send(unsigned int i, bool wanted)
{
	int vm = new_vm(VM_PROTECTED), session = new_session(name_of(i, wanted));
	int gmem = new_gmem(vm, size_of(i), MAPPABLE | INIT_SHARED);
	uint8_t *at = map_gmem(gmem, 0, FOLDED * PAGE);

	for (uint64_t page = 0; page < FOLDED; page++)
		must_write(at + page * PAGE, page + 1);
	munmap(at, FOLDED * PAGE);
	if (damages[i].mixed) {
		must_give(convert(gmem, 2 * PAGE, PAGE, PRIVATE), 0);
		must_give(convert(gmem, 6 * PAGE, PAGE, PRIVATE), 0);
		must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	}
	must_give(preserve(session, vm, VM_TOKEN), 0);
	must_give(preserve(session, gmem, GMEM_TOKEN), 0);
	keep(session);
}

/* Of the files that come back, one has lost a page, and one the contents of it. */
static void verify(unsigned int i, int gmem)
{
	uint8_t *at = map_gmem(gmem, 0, FOLDED * PAGE);
	bool lost = damages[i].damage == no_frame || damages[i].damage == not_up_to_date;

	for (uint64_t page = 0; page < FOLDED; page++) {
		if (damages[i].mixed && (page == 2 || page == 6))
			must_sigbus(at + page * PAGE);
		else
			must_hold(at + page * PAGE, lost && page == 2 ? 0 : page + 1);
	}
	munmap(at, FOLDED * PAGE);
}

static void receive(unsigned int i)
{
	int session = old_session(name_of(i, true)), gmem = retrieve(session, GMEM_TOKEN);

	ck_assert_msg(gmem == damages[i].expected || (gmem >= 0 && !damages[i].expected), "%s: %s",
		      damages[i].name, gmem < 0 ? error_name(-gmem) : "success");
	if (gmem >= 0)
		verify(i, gmem);
	else
		must_give(retrieve(session, GMEM_TOKEN), gmem);
	must_give(finish(session), 0);
	close(session);
	session = old_session(name_of(i, false));
	must_give(finish(session), 0);
	close(session);
}

START_TEST(damage_is_found)
{
	for (unsigned int i = 0; i < COUNT && !stage_number(); i++) {
		send(i, true);
		send(i, false);
	}
	if (!stage_number())
		ck_assert_uint_eq(damage_all(), 2 * COUNT);
	for (unsigned int i = 0; i < COUNT && stage_number() == 1; i++)
		receive(i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("live-update-damage");

	need_in_place();
	need_live_update();
	memory = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (memory < 0)
		skip_all("/dev/mem: %s: use the debug flavour", strerror(errno));
	stage_begin();
	start_holder();
	tcase_add_test(new_case(suite, "damage"), damage_is_found);
	return run_suite(suite);
}
