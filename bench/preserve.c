/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "preserve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "free-memory.h"
#include "luo.h"
#include "ticks.h"
#include "uapi/live_update.h"

#define PAGE	   4096
#define TIMES	   5
#define TOKEN_FILE 1
#define TOKEN_VM   2

static int fail(const char *name, const char *step, int err)
{
	fprintf(stderr, "live-update: %s: %s: %s\n", name, step, strerror(-err));
	return err;
}

static int opt_in(const struct subject *subject, const struct memory *memory)
{
	struct gmem_uapi_live_update request = {
		.flags = GMEM_UAPI_LIVE_UPDATE_SET_OPTIONS,
		.options = GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED,
	};

	if (!subject->step || !ioctl(memory->file, GMEM_UAPI_LIVE_UPDATE, &request))
		return 0;
	return errno == ENOTTY ? -EOPNOTSUPP : -errno;
}

static int preserve_vm(int session, const struct memory *memory)
{
	return memory->vm < 0 ? 0 : luo_preserve(session, memory->vm, TOKEN_VM);
}

static void keep_least(uint64_t *least, uint64_t ticks)
{
	if (!*least || ticks < *least)
		*least = ticks;
}

/* One session with everything in it, which is closed again. */
static int preserve_once(int device, const struct memory *memory, struct figures *figures)
{
	int session = luo_create_session(device, "bench"), err;
	uint64_t start, preserved;

	if (session < 0)
		return session;
	err = preserve_vm(session, memory);
	start = ticks_now();
	if (!err)
		err = luo_preserve(session, memory->file, TOKEN_FILE);
	preserved = ticks_now();
	close(session);
	if (err)
		return err;
	keep_least(&figures->preserve, preserved - start);
	keep_least(&figures->unpreserve, ticks_now() - preserved);
	return 0;
}

static int measure_metadata(int device, const struct memory *memory, struct figures *figures)
{
	int session = luo_create_session(device, "bench"), err;
	uint64_t before, after;

	if (session < 0)
		return session;
	err = preserve_vm(session, memory);
	if (!err)
		err = free_memory(&before);
	if (!err)
		err = luo_preserve(session, memory->file, TOKEN_FILE);
	if (!err)
		err = free_memory(&after);
	if (!err)
		figures->metadata = before - after;
	close(session);
	return err;
}

/*
 * A session that refuses to be frozen: a guest_memfd whose VM is not in it. Sessions are frozen in
 * the order in which they were made. Closed after that is the only way to be rid of it.
 * -EOPNOTSUPP: there is no such thing on this kernel.
 */
static int open_refusing(int device, const struct memory *memory)
{
	int session = luo_create_session(device, "bench-refuses"), err;

	if (session < 0)
		return session;
	err = luo_preserve(session, memory->file, TOKEN_FILE);
	if (!err)
		return session;
	close(session);
	return -EOPNOTSUPP;
}

/* The least ticks of a reboot(2) that is refused by the last session. */
static int measure_reboot(uint64_t *ret_ticks)
{
	*ret_ticks = 0;
	for (int i = 0; i < TIMES; i++) {
		uint64_t start = ticks_now();

		/* It may not come back, but with no refusing session this was not called. */
		if (!reboot(RB_KEXEC) || errno != ENOENT)
			return errno ? -errno : -EIO;
		keep_least(ret_ticks, ticks_now() - start);
	}
	return 0;
}

/* What this memory adds to a reboot(2) that freezes it and is refused then. */
static int measure_freeze(int device, const struct memory *memory, const struct memory *other,
			  struct figures *figures)
{
	uint64_t without = 0, with = 0;
	int refusing = open_refusing(device, other), session = -1, err;

	if (refusing < 0)
		return refusing == -EOPNOTSUPP ? 0 : refusing;
	err = measure_reboot(&without);
	close(refusing);
	if (err)
		return err;
	session = luo_create_session(device, "bench");
	if (session < 0)
		return session;
	err = preserve_vm(session, memory);
	if (!err)
		err = luo_preserve(session, memory->file, TOKEN_FILE);
	refusing = err ? err : open_refusing(device, other);
	if (!err)
		err = refusing < 0 ? refusing : measure_reboot(&with);
	if (refusing >= 0)
		close(refusing);
	close(session);
	figures->froze = !err;
	figures->freeze = with > without ? with - without : 0;
	return err;
}

static int hold(int device, int number, const struct memory *memory)
{
	char name[32];
	int session, err;

	snprintf(name, sizeof(name), "bench-%d", number);
	session = luo_create_session(device, name);
	if (session < 0)
		return session;
	err = preserve_vm(session, memory);
	return err ? err : luo_preserve(session, memory->file, TOKEN_FILE);
}

/* All of it but what only the next kernel can tell. */
static int measure_subject(int device, const struct subject *subject, const struct memory *memory,
			   const struct memory *other, struct figures *figures)
{
	int err = opt_in(subject, memory);

	fprintf(stderr, "live-update: preserving %s\n", subject->name);
	if (!err)
		err = measure_metadata(device, memory, figures);
	/* ENOENT: no handler wants it. */
	if (err == -ENOENT || err == -EOPNOTSUPP) {
		figures->refused = err;
		return 0;
	}
	for (int i = 0; !err && i < TIMES; i++)
		err = preserve_once(device, memory, figures);
	if (!err && other)
		err = measure_freeze(device, memory, other, figures);
	return err ? fail(subject->name, "preserving", err) : 0;
}

/* The kernel's own start-up costs, for the first session there is, are nobody's. */
static int warm_up(int device)
{
	const struct subject *memfd = &subjects[0];
	struct figures figures = { 0 };
	struct memory memory;
	const char *step;
	int err = subject_open(memfd, PAGE, &memory, &step);

	if (err)
		return fail(memfd->name, step, err);
	err = measure_metadata(device, &memory, &figures);
	subject_close(&memory);
	return err ? fail("a page", "preserving", err) : 0;
}

/* A small guest_memfd that can play the one whose VM is missing. */
static struct memory *open_other(struct memory *other)
{
	const char *step;

	return subject_open(&subjects[1], PAGE, other, &step) ? NULL : other;
}

int measure_before(struct results *results)
{
	struct memory memory[MAX_SUBJECTS], small, *other = open_other(&small);
	int device = luo_open(), err;

	if (device < 0)
		return fail("/dev/liveupdate", "open", device);
	err = warm_up(device);
	for (int i = 0; !err && i < n_subjects; i++) {
		struct figures *figures = &results->figures[i];
		const char *step;

		err = subject_open(&subjects[i], results->size, &memory[i], &step);
		if (err == -EOPNOTSUPP || err == -ENOENT) {
			figures->refused = err;
			err = 0;
			continue;
		}
		if (err)
			return fail(subjects[i].name, step, err);
		err = measure_subject(device, &subjects[i], &memory[i], other, figures);
		if (figures->refused)
			subject_close(&memory[i]);
	}
	/* The sessions stay open, and with them the files that are in them. */
	for (int i = 0; !err && i < n_subjects; i++) {
		if (!results->figures[i].refused)
			err = hold(device, i, &memory[i]);
		if (err)
			fail(subjects[i].name, "preserving it for the next kernel", err);
	}
	close(device);
	return err;
}

/* What the host can see of it: its size, and the byte in each shared page. */
static int check(const struct subject *subject, int file, uint64_t size)
{
	const uint8_t *bytes;
	struct stat stat;

	if (fstat(file, &stat))
		return -errno;
	if ((uint64_t)stat.st_size != size)
		return -EBADMSG;
	bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	for (uint64_t offset = 0; offset < size; offset += PAGE)
		if (!(subject->step && offset / subject->step % 2 == 0) && bytes[offset] != 1)
			return -EBADMSG;
	munmap((void *)bytes, size);
	return 0;
}

static int retrieve_subject(int device, int number, uint64_t size, struct figures *figures)
{
	const struct subject *subject = &subjects[number];
	int session, vm = -1, file;
	uint64_t start;
	char name[32];
	int err;

	fprintf(stderr, "live-update: retrieving %s\n", subject->name);
	snprintf(name, sizeof(name), "bench-%d", number);
	session = luo_retrieve_session(device, name);
	if (session < 0)
		return fail(name, "retrieving the session", session);
	if (subject->guest_memfd)
		vm = luo_retrieve(session, TOKEN_VM);
	if (subject->guest_memfd && vm < 0)
		return fail(subject->name, "retrieving its VM", vm);
	start = ticks_now();
	file = luo_retrieve(session, TOKEN_FILE);
	figures->retrieve = ticks_now() - start;
	if (file < 0)
		return fail(subject->name, "retrieving", file);
	start = ticks_now();
	err = luo_finish(session);
	figures->finish = ticks_now() - start;
	if (err)
		return fail(subject->name, "finishing the session", err);
	err = check(subject, file, size);
	if (err)
		fail(subject->name, "looking for its contents", err);
	close(file);
	if (vm >= 0)
		close(vm);
	close(session);
	return err;
}

int measure_after(struct results *results)
{
	int device = luo_open(), err = 0;

	if (device < 0)
		return fail("/dev/liveupdate", "open", device);
	for (int i = 0; !err && i < n_subjects; i++)
		if (!results->figures[i].refused)
			err = retrieve_subject(device, i, results->size, &results->figures[i]);
	close(device);
	return err;
}
