/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Everything at once: two threads convert random ranges while others fault from the host and from
 * two vCPUs, punch holes, pin and let go, delete and create and move slots, duplicate and close
 * files.
 *
 * The threads work in rounds. While they work they check what race-model.h knows for certain; after
 * each round, when all is quiet, every page's state and contents must be what the model allows.
 *
 *	race [--seconds N] [--seed N]
 */
#include "kernel.h"
#include "pin.h"
#include "race-model.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guestvm.h"

#define SIZE  (MODEL_PAGES * PAGE)
#define STEPS 300 /* conversions of each converter in a round; the others go on that long */

/* The file in four slots, each of which is at one of two places or nowhere. */
enum {
	SLOTS = 4,
	SLOT_PAGES = MODEL_PAGES / SLOTS,
	PASSING_SLOT = 100,
	PASSING_PAGES = 8
};
static const uint64_t places[] = { 1ULL << 30, 2ULL << 30 };
#define PASSING_PLACE (3ULL << 30)

static struct guestvm *guest;
static int vm, gmem;
static uint8_t *mapped[2];

/* What happened, so that a run in which nothing did is no success. */
enum event {
	TO_PRIVATE,
	TO_SHARED,
	BUSY,
	HOST_ACCESS,
	HOST_SIGBUS,
	GUEST_ACCESS,
	GUEST_NO_SLOT,
	GUEST_FAULT,
	PUNCHED,
	PINNED,
	PIN_REFUSED,
	SLOT_MADE,
	FILE_CLOSED,
	EVENTS
};
static const char *const event_names[EVENTS] = {
	"to private",	"to shared",	      "busy",	     "host access", "host SIGBUS",
	"guest access", "guest without slot", "guest fault", "punched",	    "pinned",
	"pin refused",	"slot made",	      "file closed",
};
static _Atomic uint64_t events[EVENTS];

/* ---- the first thing that went wrong ---- */

static pthread_mutex_t wrong_lock = PTHREAD_MUTEX_INITIALIZER;
static char wrong[512];
static atomic_bool stop;

static void __attribute__((format(printf, 1, 2))) go_wrong(const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&wrong_lock);
	if (!wrong[0]) {
		va_start(args, format);
		vsnprintf(wrong, sizeof(wrong), format, args);
		va_end(args);
	}
	pthread_mutex_unlock(&wrong_lock);
	atomic_store(&stop, true);
}

/* ---- what the threads do, one step at a time ---- */

struct actor {
	void (*step)(struct actor *actor);
	int number; /* which converter or which writer */
	uint64_t random;
	pthread_t thread;
};

static int any_range(struct actor *actor, int *ret_first)
{
	*ret_first = (int)random_below(&actor->random, MODEL_PAGES);
	/* Small ones mostly: whole-file conversions would leave nothing to tell apart. */
	return 1 + (int)random_below(&actor->random, random_below(&actor->random, 8)
							     ? 4
							     : MODEL_PAGES - *ret_first) %
			   (MODEL_PAGES - *ret_first);
}

static void convert_step(struct actor *actor)
{
	bool private = random_below(&actor->random, 2);
	int first, count = any_range(actor, &first), ret;
	uint64_t where = ~0ULL;
	/* Now and then through a descriptor of its own. */
	int file = random_below(&actor->random, 8) ? gmem : dup(gmem);

	model_convert_begin(actor->number, first, count);
	ret = convert_where(file, first * PAGE, count * PAGE, private ? PRIVATE : SHARED, &where);
	model_convert_end(actor->number, first, count, private, ret == 0);
	if (file != gmem)
		close(file);
	if (ret == 0) {
		events[private ? TO_PRIVATE : TO_SHARED]++;
	} else if (ret == -EAGAIN && private) {
		events[BUSY]++;
		if (where < first * PAGE || where >= (first + count) * PAGE || where % PAGE)
			go_wrong("pages %d+%d: busy at 0x%llx", first, count,
				 (unsigned long long)where);
	} else {
		go_wrong("pages %d+%d to %s: %s", first, count, private ? "private" : "shared",
			 error_name(-ret));
	}
}

/* Whether a page was in one state from before to after an access, and the access fits it. */
static void judge_access(int page, enum model_state before, uint64_t version, bool reached,
			 const char *what)
{
	uint64_t version_after;
	enum model_state after = model_state(page, &version_after);

	if (before == MODEL_EITHER || before != after || version != version_after)
		return;
	if (reached != (before == MODEL_SHARED))
		go_wrong("%s of page %d %s while it was %s", what, page,
			 reached ? "succeeded" : "failed",
			 before == MODEL_SHARED ? "shared" : "private");
}

static void host_write(int writer, int page, uint8_t *at)
{
	uint64_t version, value = model_write_begin(writer, page);
	enum model_state state = model_state(page, &version);
	bool written = try_write_word(at + model_word_offset(writer), value);

	model_write_end(writer, page, written);
	judge_access(page, state, version, written, "host write");
	events[written ? HOST_ACCESS : HOST_SIGBUS]++;
}

static void judge_word(int reader, int writer, int page, uint64_t value, uint64_t since,
		       const char *what)
{
	const char *why = reader == writer ? model_judge_own(writer, page, value, since)
					   : model_judge_other(writer, page, value);

	if (why)
		go_wrong("%s found 0x%llx in page %d, word of writer %d: %s", what,
			 (unsigned long long)value, page, writer, why);
}

static void host_read(int reader, int writer, int page, const uint8_t *at)
{
	uint64_t version, value, since = model_now();
	enum model_state state = model_state(page, &version);
	bool read = try_read_word(at + model_word_offset(writer), &value);

	judge_access(page, state, version, read, "host read");
	if (read)
		judge_word(reader, writer, page, value, since, "host");
	events[read ? HOST_ACCESS : HOST_SIGBUS]++;
}

static void host_step(struct actor *actor)
{
	int page = (int)random_below(&actor->random, MODEL_PAGES);
	int writer = random_below(&actor->random, 2)
			     ? actor->number
			     : (int)random_below(&actor->random, MODEL_WRITERS);
	uint8_t *at = mapped[random_below(&actor->random, 2)] + page * PAGE;

	if (random_below(&actor->random, 2))
		host_write(actor->number, page, at);
	else
		host_read(actor->number, writer, page, at);
}

/*
 * Runs one command to its end; false if the guest could not reach the memory: there is no slot, or
 * the slot's file is closed, which only happens to the passing one.
 */
static bool run_guest(int vcpu, enum guestvm_op op, uint64_t gpa, uint64_t value,
		      uint64_t *ret_value)
{
	struct guestvm_cmd cmd = { op, { gpa, value } };
	struct guestvm_result result;
	int err = guestvm_run(guest, vcpu, &cmd, &result);

	if (err) {
		go_wrong("vCPU %d at 0x%llx: %s", vcpu, (unsigned long long)gpa, error_name(-err));
		return false;
	}
	switch (result.exit) {
	case GUESTVM_DONE:
		*ret_value = result.value;
		events[GUEST_ACCESS]++;
		return true;
	case GUESTVM_MMIO:
		events[GUEST_NO_SLOT]++;
		return false;
	case GUESTVM_MEMORY_FAULT:
		events[GUEST_FAULT]++;
		if (result.error == EFAULT && gpa >= PASSING_PLACE)
			return false;
		/* fall through */
	default:
		go_wrong("vCPU %d at 0x%llx: exit %s (%u, %s)", vcpu, (unsigned long long)gpa,
			 guestvm_exit_name(result.exit), result.kvm_exit_reason,
			 error_name(result.error));
		return false;
	}
}

static void guest_step(struct actor *actor)
{
	int vcpu = actor->number - 2, page = (int)random_below(&actor->random, MODEL_PAGES);
	int writer = random_below(&actor->random, 2)
			     ? actor->number
			     : (int)random_below(&actor->random, MODEL_WRITERS);
	uint64_t gpa = places[random_below(&actor->random, 2)] + page * PAGE, value, since;

	switch (random_below(&actor->random, 8)) {
	case 0:
		run_guest(vcpu, GUESTVM_WRITE64,
			  PASSING_PLACE + random_below(&actor->random, PASSING_PAGES) * PAGE, 1,
			  &value);
		break;
	case 1:
	case 2:
	case 3:
		value = model_write_begin(actor->number, page);
		model_write_end(actor->number, page,
				run_guest(vcpu, GUESTVM_WRITE64,
					  gpa + model_word_offset(actor->number), value, &value));
		break;
	default:
		since = model_now();
		if (run_guest(vcpu, GUESTVM_READ64, gpa + model_word_offset(writer), 0, &value))
			judge_word(actor->number, writer, page, value, since, "guest");
	}
}

static void punch_step(struct actor *actor)
{
	int first, count = any_range(actor, &first), ret;

	if (random_below(&actor->random, 4) == 0) {
		ret = allocate(gmem, first * PAGE, count * PAGE);
	} else {
		model_punch_begin(first, count);
		ret = punch(gmem, first * PAGE, count * PAGE);
		model_punch_end(first, count);
		events[PUNCHED]++;
	}
	if (ret)
		go_wrong("fallocate of pages %d+%d: %s", first, count, error_name(-ret));
	usleep((useconds_t)random_below(&actor->random, 500));
}

/* A page that is pinned is shared until it is let go, whatever the converters want. */
static void pin_step(struct actor *actor)
{
	int first, count = any_range(actor, &first), ring;
	uint64_t punches[MODEL_PAGES], value;
	uint8_t *at = mapped[0];

	for (int page = first; page < first + count; page++)
		punches[page] = model_punches(page);
	ring = pin(at + first * PAGE, count * PAGE);
	if (ring < 0) {
		if (ring != -EFAULT && ring != -EAGAIN)
			go_wrong("pinning pages %d+%d: %s", first, count, error_name(-ring));
		events[PIN_REFUSED]++;
		return;
	}
	events[PINNED]++;
	usleep((useconds_t)random_below(&actor->random, 2000));
	for (int page = first; page < first + count; page++) {
		bool read = try_read_word(at + page * PAGE, &value);

		/* A hole leaves the pinned page to its holder and puts another into the file. */
		if (!read && punches[page] % 2 == 0 && model_punches(page) == punches[page])
			go_wrong("page %d became private while it was pinned", page);
	}
	unpin(ring);
}

static void slot_step(struct actor *actor)
{
	uint32_t slot = (uint32_t)random_below(&actor->random, SLOTS);
	uint64_t place = places[random_below(&actor->random, 2)];
	int ret = guestvm_delete_slot(guest, slot);

	usleep((useconds_t)random_below(&actor->random, 1000));
	if (!ret)
		ret = guestvm_set_slot(guest, &(struct guestvm_slot){
						      .slot = slot,
						      .gpa = place + slot * SLOT_PAGES * PAGE,
						      .size = SLOT_PAGES * PAGE,
						      .gmem_fd = gmem,
						      .gmem_offset = slot * SLOT_PAGES * PAGE,
					      });
	if (ret)
		go_wrong("slot %u: %s", slot, error_name(-ret));
	events[SLOT_MADE]++;
}

/* A file that comes and goes under a slot while a vCPU may be using it. */
static void passing_file_step(struct actor *actor)
{
	const uint64_t size = PASSING_PAGES * PAGE;
	uint64_t flags = MAPPABLE | (random_below(&actor->random, 2) ? INIT_SHARED : INIT_PRIVATE);
	int file = try_new_gmem(vm, size, flags), ret, copy;
	bool delete_first = random_below(&actor->random, 2);
	uint8_t *at;

	if (file < 0) {
		go_wrong("a new file: %s", error_name(-file));
		return;
	}
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	ret = guestvm_set_slot(guest, &(struct guestvm_slot){
					      .slot = PASSING_SLOT,
					      .gpa = PASSING_PLACE,
					      .size = size,
					      .gmem_fd = file,
				      });
	if (ret || at == MAP_FAILED)
		go_wrong("a slot for a new file: %s", error_name(-ret));
	for (int page = 0; page < PASSING_PAGES; page++) {
		uint64_t value = 0;

		if (try_read_word(at + page * PAGE + 8, &value) && value)
			go_wrong("a new file has 0x%llx in page %d", (unsigned long long)value,
				 page);
	}
	copy = dup(file);
	close(file);
	ret = convert(copy, 0, size, random_below(&actor->random, 2) ? PRIVATE : SHARED);
	if (ret && ret != -EAGAIN)
		go_wrong("converting a new file: %s", error_name(-ret));
	if (delete_first)
		guestvm_delete_slot(guest, PASSING_SLOT);
	if (random_below(&actor->random, 2)) {
		munmap(at, size);
		close(copy);
	} else {
		close(copy);
		munmap(at, size);
	}
	if (!delete_first)
		guestvm_delete_slot(guest, PASSING_SLOT);
	events[FILE_CLOSED]++;
}

static struct actor actors[] = {
	{ .step = convert_step, .number = 0 },
	{ .step = convert_step, .number = 1 },
	{ .step = host_step, .number = 0 },
	{ .step = host_step, .number = 1 },
	{ .step = guest_step, .number = 2 },
	{ .step = guest_step, .number = 3 },
	{ .step = punch_step },
	{ .step = pin_step },
	{ .step = slot_step },
	{ .step = passing_file_step },
};

#define N_ACTORS ((int)(sizeof(actors) / sizeof(actors[0])))

static atomic_int converting;

static void *act(void *data)
{
	struct actor *actor = data;
	bool converts = actor->step == convert_step;

	for (int i = 0; converts ? i < STEPS : atomic_load(&converting) > 0; i++) {
		if (atomic_load(&stop))
			break;
		actor->step(actor);
	}
	if (converts)
		atomic_fetch_sub(&converting, 1);
	return NULL;
}

/* ---- rounds ---- */

/* All is quiet: every page must be as the model says. */
static void check_round(void)
{
	uint64_t value, version;
	int ret;

	for (int page = 0; page < MODEL_PAGES; page++) {
		enum model_state state = model_state(page, &version);

		for (int i = 0; i < 2; i++) {
			bool read = try_read_word(mapped[i] + page * PAGE, &value);

			if (state != MODEL_EITHER && read != (state == MODEL_SHARED))
				go_wrong("page %d ended up %s, the model says %s", page,
					 read ? "shared" : "private", read ? "private" : "shared");
		}
	}
	ret = convert(gmem, 0, SIZE, SHARED);
	if (ret)
		go_wrong("to shared after the round: %s", error_name(-ret));
	for (int page = 0; page < MODEL_PAGES; page++) {
		for (int writer = 0; writer < MODEL_WRITERS; writer++) {
			uint64_t since = model_now();

			if (!try_read_word(mapped[0] + page * PAGE + model_word_offset(writer),
					   &value))
				go_wrong("page %d stayed private", page);
			judge_word(writer, writer, page, value, since, "after the round");
		}
	}
}

static void begin_round(uint64_t round)
{
	int ret = punch(gmem, 0, SIZE);
	bool private = round % 2;

	if (!ret)
		ret = convert(gmem, 0, SIZE, private ? PRIVATE : SHARED);
	ck_assert_msg(!ret, "starting a round: %s", error_name(-ret));
	model_reset(private);
}

static void run_round(uint64_t round, uint64_t *random)
{
	begin_round(round);
	atomic_store(&converting, MODEL_CONVERTERS);
	for (int i = 0; i < N_ACTORS; i++) {
		actors[i].random = next_random(random) | 1;
		ck_assert(!pthread_create(&actors[i].thread, NULL, act, &actors[i]));
	}
	for (int i = 0; i < N_ACTORS; i++)
		pthread_join(actors[i].thread, NULL);
	check_round();
}

static void open_all(void)
{
	const char *step = NULL;
	int err = guestvm_create(&(struct guestvm_options){ .type = VM_PROTECTED, .vcpus = 2 },
				 &guest, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	vm = guestvm_vm_fd(guest);
	gmem = new_gmem(vm, SIZE, MAPPABLE);
	mapped[0] = map_gmem(gmem, 0, SIZE);
	mapped[1] = map_gmem(gmem, 0, SIZE);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		ck_assert(!set_slot(vm, slot, places[0] + slot * SLOT_PAGES * PAGE,
				    SLOT_PAGES * PAGE, gmem, slot * SLOT_PAGES * PAGE));
}

static unsigned int seconds = 5;

static uint64_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* A pin may never be refused, a race between guest and conversion never be seen. */
static bool must_happen(int event)
{
	return event != PIN_REFUSED && event != GUEST_FAULT;
}

static bool all_have_happened(void)
{
	for (int i = 0; i < EVENTS; i++)
		if (must_happen(i) && !events[i])
			return false;
	return true;
}

START_TEST(all_at_once_leaves_what_the_model_says)
{
	uint64_t random = test_seed(), round = 0, end = seconds_now() + seconds;

	open_all();
	do {
		run_round(round++, &random);
		ck_assert_msg(!wrong[0], "round %llu: %s", (unsigned long long)round - 1, wrong);
		/* On a busy machine few rounds may fit in, and something rare in none of them. */
	} while (seconds_now() < end || (!all_have_happened() && seconds_now() < end + 60));
	printf("# %llu rounds of %d conversions\n", (unsigned long long)round,
	       STEPS * MODEL_CONVERTERS);
	for (int i = 0; i < EVENTS; i++)
		printf("# %s: %llu\n", event_names[i], (unsigned long long)events[i]);
	fflush(stdout);
	for (int i = 0; i < EVENTS; i++)
		ck_assert_msg(events[i] || !must_happen(i), "never happened: %s", event_names[i]);
	guestvm_destroy(guest);
}
END_TEST

static const char usage[] =
	"usage: race [--seconds N] [--seed N]\n"
	"Races conversions against everything else, for N seconds (5), and\n"
	"compares with a model. Exit status 0, 1, or 77 if there is no in-place\n"
	"conversion here.\n";

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 't') {
			seconds = (unsigned int)strtoul(optarg, NULL, 0);
		} else if (option == 's') {
			setenv("GMEM_SEED", optarg, 1);
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("race");
	TCase *all = new_case(suite, "all at once");

	parse(argc, argv);
	need_in_place();
	test_seed();
	/* However long a round takes on an instrumented kernel, it ends; the lab watches the whole.
	 */
	tcase_set_timeout(all, 0);
	tcase_add_test(all, all_at_once_leaves_what_the_model_says);
	return run_suite(suite);
}
