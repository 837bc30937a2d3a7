/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Private means private at every moment: a page becomes private, the guest puts a secret there,
 * finds nothing but it, takes it away, and the page becomes shared again, over and over. Meanwhile
 * host threads read and write that page by every kind of path that takes hold of pages: none may
 * ever see the secret or change it.
 *
 *	GMEM_SECONDS=N private-race
 */
#include "kernel.h"
#include "pin.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "guestvm.h"

#define GPA	(1ULL << 30)
#define SECRET	0x5ec4e75ec4e75ec4ULL
#define FOREIGN 0xf04e160f04e160f0ULL

enum {
	THREADS = 3
};

/* guest owns the file, alias sees its mapping as ordinary memory; each has a vCPU for one thread.
 */
static struct guestvm *guest, *alias;
static pthread_mutex_t alias_lock = PTHREAD_MUTEX_INITIALIZER;
static int gmem;
static uint8_t *mapped;
static atomic_bool stop;
static _Atomic(const char *) wrong;

/* ---- paths: 0, or a negative errno; what is read goes to @bytes ---- */

static int all(ssize_t moved)
{
	return moved == (ssize_t)PAGE ? 0 : moved < 0 ? -errno : -EIO;
}

static int load(uint64_t *bytes)
{
	for (uint64_t i = 0; i < PAGE / 8; i++)
		if (!try_read_word(mapped + 8 * i, &bytes[i]))
			return -EFAULT;
	return 0;
}

static int store(uint64_t *bytes)
{
	for (uint64_t i = 0; i < PAGE / 8; i++)
		if (!try_write_word(mapped + 8 * i, bytes[i]))
			return -EFAULT;
	return 0;
}

static int read_process(uint64_t *bytes)
{
	struct iovec local = { bytes, PAGE }, remote = { mapped, PAGE };

	return all(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static int write_process(uint64_t *bytes)
{
	struct iovec local = { bytes, PAGE }, remote = { mapped, PAGE };

	return all(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
}

static int splice_page(uint64_t *bytes)
{
	int ends[2], err = splice_into_pipe(mapped, PAGE, ends);

	if (err)
		return err;
	/* The page may wait in the pipe for as long as it likes. */
	usleep(1000);
	err = all(read(ends[0], bytes, PAGE));
	close(ends[0]);
	close(ends[1]);
	return err;
}

static int direct(uint64_t *bytes, bool write_it)
{
	int fd = open("/dev/ram0", O_RDWR | O_DIRECT | O_CLOEXEC), err;

	if (fd < 0)
		return -ENODEV;
	if (write_it)
		err = all(pwrite(fd, mapped, PAGE, 0));
	else
		err = all(pread(fd, mapped, PAGE, (off_t)PAGE));
	if (!err && write_it)
		err = all(pread(fd, bytes, PAGE, 0));
	close(fd);
	return err;
}

static int direct_write(uint64_t *bytes)
{
	return direct(bytes, true);
}

static int direct_read(uint64_t *bytes)
{
	return direct(bytes, false);
}

/* Through a registered buffer, some time after it was registered. */
static int fixed(uint64_t *bytes, uint8_t operation)
{
	struct iovec buffer = { mapped, PAGE };
	struct io_uring_sqe sqe = {
		.opcode = operation,
		.fd = memfd_create("medium", MFD_CLOEXEC),
		.addr = (uintptr_t)mapped,
		.len = PAGE,
	};
	struct ring ring;
	int err = sqe.fd < 0 ? -errno : all(pwrite(sqe.fd, bytes, PAGE, 0));

	if (!err)
		err = ring_open(&ring);
	if (err)
		goto out;
	if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &buffer, 1)) {
		err = -errno;
	} else {
		usleep(1000);
		err = ring_run(&ring, &sqe) == (int)PAGE ? 0 : -EIO;
		syscall(SYS_io_uring_register, ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
	}
	ring_close(&ring);
	if (!err)
		err = all(pread(sqe.fd, bytes, PAGE, 0));
out:
	close(sqe.fd);
	return err;
}

static int fixed_write(uint64_t *bytes)
{
	return fixed(bytes, IORING_OP_WRITE_FIXED);
}

static int fixed_read(uint64_t *bytes)
{
	return fixed(bytes, IORING_OP_READ_FIXED);
}

/* The other VM has one vCPU. */
static int alias_copy(uint64_t *bytes, uint64_t to, uint64_t from)
{
	struct guestvm_cmd command = { GUESTVM_COPY, { to, from, PAGE } };
	struct guestvm_result result;
	void *scratch = guestvm_own_memory(alias, GUESTVM_SCRATCH);
	int err;

	pthread_mutex_lock(&alias_lock);
	memcpy(scratch, bytes, PAGE);
	err = guestvm_run(alias, 0, &command, &result);
	if (!err)
		err = result.exit == GUESTVM_DONE ? 0 : -EFAULT;
	memcpy(bytes, scratch, PAGE);
	pthread_mutex_unlock(&alias_lock);
	return err;
}

static int alias_load(uint64_t *bytes)
{
	return alias_copy(bytes, GUESTVM_SCRATCH, GPA);
}

static int alias_store(uint64_t *bytes)
{
	return alias_copy(bytes, GPA, GUESTVM_SCRATCH);
}

/* KVM writes a clock to where it was told, which it remembers. */
static int write_clock(uint64_t *bytes)
{
	struct {
		uint32_t count, pad; /* struct kvm_msrs, of one entry */
		struct kvm_msr_entry entry;
	} msrs = { 1, 0, { .index = 0x4b564d01, .data = GPA | 1 } };
	struct guestvm_cmd command = { GUESTVM_READ8, { GUESTVM_SCRATCH } };
	struct kvm_clock_data clock = { .clock = 1000 };
	struct guestvm_result result;
	int err = 0;

	(void)bytes;
	pthread_mutex_lock(&alias_lock);
	if (ioctl(guestvm_vcpu_fd(alias, 0), KVM_SET_MSRS, &msrs) != 1 ||
	    ioctl(guestvm_vm_fd(alias), KVM_SET_CLOCK, &clock))
		err = -EIO;
	if (!err)
		err = guestvm_run(alias, 0, &command, &result);
	pthread_mutex_unlock(&alias_lock);
	return err;
}

static struct path {
	const char *name;
	int (*go)(uint64_t *bytes);
	_Atomic uint64_t worked, refused;
} paths[] = {
	{ .name = "load", .go = load },
	{ .name = "store", .go = store },
	{ .name = "process_vm_readv", .go = read_process },
	{ .name = "process_vm_writev", .go = write_process },
	{ .name = "vmsplice", .go = splice_page },
	{ .name = "O_DIRECT write", .go = direct_write },
	{ .name = "O_DIRECT read", .go = direct_read },
	{ .name = "io_uring fixed write", .go = fixed_write },
	{ .name = "io_uring fixed read", .go = fixed_read },
	{ .name = "load by another guest", .go = alias_load },
	{ .name = "store by another guest", .go = alias_store },
	{ .name = "pvclock", .go = write_clock },
};
#define NR_PATHS (sizeof(paths) / sizeof(paths[0]))

/* ---- the race ---- */

static void go_wrong(const char *what)
{
	atomic_store(&wrong, what);
	atomic_store(&stop, true);
}

static void *try_paths(void *seed)
{
	uint64_t random = *(uint64_t *)seed;
	uint64_t *bytes = aligned_alloc(PAGE, PAGE);

	while (!atomic_load(&stop)) {
		struct path *path = &paths[random_below(&random, NR_PATHS)];
		int ret;

		for (uint64_t i = 0; i < PAGE / 8; i++)
			bytes[i] = FOREIGN;
		ret = path->go(bytes);
		atomic_fetch_add(ret ? &path->refused : &path->worked, 1);
		for (uint64_t i = 0; i < PAGE / 8; i++)
			if (bytes[i] == SECRET)
				go_wrong(path->name);
	}
	free(bytes);
	return NULL;
}

static bool guest_does(enum guestvm_op op, uint64_t value)
{
	struct guestvm_cmd command = { op, { GPA, PAGE, value } };
	struct guestvm_result result;

	if (guestvm_run(guest, 0, &command, &result) || result.exit != GUESTVM_DONE)
		return false;
	return op != GUESTVM_COMPARE || result.value == PAGE;
}

static void keep_a_secret(uint64_t *busy)
{
	int ret;

	while ((ret = convert(gmem, 0, PAGE, PRIVATE)) == -EAGAIN && !atomic_load(&stop)) {
		++*busy;
		usleep(100);
	}
	if (ret)
		return;
	for (int i = 0; i < 4; i++) {
		if (!guest_does(GUESTVM_SET, SECRET))
			go_wrong("the guest cannot write");
		sched_yield();
		if (!guest_does(GUESTVM_COMPARE, SECRET))
			go_wrong("somebody changed the secret");
	}
	if (!guest_does(GUESTVM_SET, 0))
		go_wrong("the guest cannot write");
	if (convert(gmem, 0, PAGE, SHARED))
		go_wrong("conversion to shared");
	usleep(200);
}

static void open_all(void)
{
	struct guestvm_slot slot = { .gpa = GPA, .size = PAGE };
	const char *step = NULL;

	must_give(guestvm_create(&(struct guestvm_options){ .type = VM_PROTECTED }, &guest, &step),
		  0);
	must_give(guestvm_create(&(struct guestvm_options){ .type = VM_DEFAULT }, &alias, &step),
		  0);
	gmem = new_gmem(guestvm_vm_fd(guest), PAGE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, PAGE);
	slot.userspace_addr = (uintptr_t)mapped;
	slot.gmem_fd = -1;
	must_give(guestvm_set_slot(alias, &slot), 0);
	slot.gmem_fd = gmem;
	must_give(guestvm_set_slot(guest, &slot), 0);
}

static unsigned int seconds(void)
{
	const char *given = getenv("GMEM_SECONDS");

	return given ? (unsigned int)strtoul(given, NULL, 10) : 5;
}

/* A run in which nothing met is no success. */
static bool all_have_met(uint64_t rounds)
{
	for (size_t i = 0; i < NR_PATHS; i++)
		if (!paths[i].worked)
			return false;
	return rounds > 10;
}

START_TEST(no_path_ever_sees_or_changes_a_secret)
{
	uint64_t random = test_seed(), seeds[THREADS], rounds = 0, busy = 0;
	pthread_t threads[THREADS];
	time_t end;

	open_all();
	for (int i = 0; i < THREADS; i++) {
		seeds[i] = next_random(&random);
		ck_assert(!pthread_create(&threads[i], NULL, try_paths, &seeds[i]));
	}
	end = time(NULL) + seconds();
	for (; (time(NULL) < end || !all_have_met(rounds)) && !atomic_load(&stop); rounds++)
		keep_a_secret(&busy);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("# %llu secrets, %llu times busy\n", (unsigned long long)rounds,
	       (unsigned long long)busy);
	for (size_t i = 0; i < NR_PATHS; i++)
		printf("# %s: worked %llu times, refused %llu times\n", paths[i].name,
		       (unsigned long long)paths[i].worked, (unsigned long long)paths[i].refused);
	fflush(stdout);
	ck_assert_msg(!wrong, "%s", wrong);
	munmap(mapped, PAGE);
	close(gmem);
	guestvm_destroy(alias);
	guestvm_destroy(guest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("private-race");
	TCase *tcase = new_case(suite, "race");

	need_in_place();
	if (access("/dev/ram0", R_OK | W_OK))
		skip_all("/dev/ram0: %s", strerror(errno));
	test_seed();
	tcase_add_test(tcase, no_path_ever_sees_or_changes_a_secret);
	return run_suite(suite);
}
