/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guestvm.h"

#define KVM_CREATE_VM	    _IO(GMEM_KVMIO, 0x01)
#define KVM_CHECK_EXTENSION _IO(GMEM_KVMIO, 0x03)

/* ---- the program ---- */

void skip_all(const char *format, ...)
{
	va_list args;

	printf("1..0 # SKIP ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	exit(EXIT_SKIPPED);
}

void skip_case(const char *name, const char *format, ...)
{
	va_list args;

	printf("# skipped: %s: ", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static int open_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		skip_all("/dev/kvm: %s", strerror(errno));
	return kvm;
}

void need_in_place(void)
{
	if (system_capability(GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES) <= 0)
		skip_all("this kernel does not convert guest_memfd memory in place "
			 "(capability 252 is 0)");
}

void need_vm_wide(void)
{
	if (system_capability(GMEM_CAP_MEMORY_ATTRIBUTES) <= 0)
		skip_all("this kernel has no VM-wide memory attributes, or they are off "
			 "(capability 233 is 0)");
	if (!(system_capability(GMEM_CAP_VM_TYPES) & (1 << VM_PROTECTED)))
		skip_all("this kernel has no software-protected VMs");
}

bool in_a_hurry(void)
{
	const char *seconds = getenv("GMEM_SECONDS");
	struct utsname name;

	return !uname(&name) && strstr(name.release, "-debug") && (!seconds || atoi(seconds) < 60);
}

void need_debugfs(void)
{
	/* Whatever lies in it is enough to tell that it is there. */
	if (access("/sys/kernel/debug/kvm", F_OK) &&
	    mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL))
		skip_all("no debugfs: %s", strerror(errno));
}

TCase *new_case(Suite *suite, const char *name)
{
	TCase *test_case = tcase_create(name);

	tcase_set_timeout(test_case, 300);
	suite_add_tcase(suite, test_case);
	return test_case;
}

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	/* A test that dies must not take text with it that was printed before it was forked. */
	fflush(stdout);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

uint64_t test_seed(void)
{
	static uint64_t seed;
	const char *given = getenv("GMEM_SEED");

	if (seed)
		return seed;
	if (given)
		seed = strtoull(given, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		skip_all("no random numbers: %s", strerror(errno));
	seed = seed ? seed : 1;
	printf("# seed 0x%llx (GMEM_SEED repeats it)\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/* xorshift64*: small, and the same everywhere. */
uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1DULL;
}

uint64_t random_below(uint64_t *state, uint64_t bound)
{
	return (next_random(state) >> 16) % bound;
}

/* ---- KVM ---- */

int system_capability(int capability)
{
	int kvm = open_kvm();
	int value = ioctl(kvm, KVM_CHECK_EXTENSION, capability);

	close(kvm);
	return value;
}

int vm_capability(int vm, int capability)
{
	return ioctl(vm, KVM_CHECK_EXTENSION, capability);
}

int new_vm(unsigned int type)
{
	int kvm = open_kvm();
	int vm;

	/* Any signal, and work that an I/O ring has left for this thread, is in its way. */
	do {
		vm = ioctl(kvm, KVM_CREATE_VM, type);
	} while (vm < 0 && errno == EINTR);

	ck_assert_msg(vm >= 0, "KVM_CREATE_VM type %u: %s", type, strerror(errno));
	close(kvm);
	return vm;
}

int try_new_gmem(int vm, uint64_t size, uint64_t flags)
{
	struct gmem_uapi_create create = { .size = size, .flags = flags };
	int fd = ioctl(vm, GMEM_UAPI_CREATE_GUEST_MEMFD, &create);

	return fd < 0 ? -errno : fd;
}

int new_gmem(int vm, uint64_t size, uint64_t flags)
{
	int fd = try_new_gmem(vm, size, flags);

	ck_assert_msg(fd >= 0, "KVM_CREATE_GUEST_MEMFD size 0x%llx flags 0x%llx: %s",
		      (unsigned long long)size, (unsigned long long)flags, strerror(-fd));
	return fd;
}

int set_slot(int vm, uint32_t slot, uint64_t gpa, uint64_t size, int gmem, uint64_t offset)
{
	struct gmem_uapi_memory_region region = {
		.slot = slot,
		.flags = GMEM_UAPI_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.guest_memfd = gmem,
		.guest_memfd_offset = offset,
	};

	return ioctl(vm, GMEM_UAPI_SET_MEMORY_REGION, &region) ? -errno : 0;
}

int delete_slot(int vm, uint32_t slot)
{
	/* A slot keeps its flags while it is deleted: KVM only looks at the size. */
	struct gmem_uapi_memory_region region = { .slot = slot };

	return ioctl(vm, GMEM_UAPI_SET_MEMORY_REGION, &region) ? -errno : 0;
}

/* ---- the thing tested ---- */

int convert_raw(int gmem, struct gmem_uapi_attributes *attributes)
{
	return ioctl(gmem, GMEM_UAPI_SET_ATTRIBUTES, attributes) ? -errno : 0;
}

int convert(int gmem, uint64_t offset, uint64_t size, uint64_t state)
{
	struct gmem_uapi_attributes attributes = {
		.offset = offset,
		.size = size,
		.attributes = state,
	};

	return convert_raw(gmem, &attributes);
}

int convert_where(int gmem, uint64_t offset, uint64_t size, uint64_t state,
		  uint64_t *ret_error_offset)
{
	struct gmem_uapi_attributes attributes = {
		.offset = offset,
		.size = size,
		.attributes = state,
		.error_offset = *ret_error_offset,
	};
	int ret = convert_raw(gmem, &attributes);

	*ret_error_offset = attributes.error_offset;
	return ret;
}

int set_vm_attributes(int vm, uint64_t gpa, uint64_t size, uint64_t attributes)
{
	struct gmem_uapi_vm_attributes request = {
		.address = gpa,
		.size = size,
		.attributes = attributes,
	};

	return ioctl(vm, GMEM_UAPI_SET_VM_ATTRIBUTES, &request) ? -errno : 0;
}

int punch(int gmem, uint64_t offset, uint64_t size)
{
	return fallocate(gmem, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, (off_t)offset,
			 (off_t)size)
		       ? -errno
		       : 0;
}

int allocate(int gmem, uint64_t offset, uint64_t size)
{
	return fallocate(gmem, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size) ? -errno : 0;
}

/* ---- host access ---- */

uint8_t *map_gmem(int gmem, uint64_t offset, uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, gmem, (off_t)offset);

	ck_assert_msg(at != MAP_FAILED, "mmap of a guest_memfd: %s", strerror(errno));
	return at;
}

static __thread sigjmp_buf sigbus_return;
static __thread volatile sig_atomic_t sigbus_expected;

static void on_sigbus(int signal)
{
	if (sigbus_expected)
		siglongjmp(sigbus_return, 1);
	/* Not ours: die of it, so that the test fails. */
	sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

/* Once per program (a child inherits it), so that an access costs no system call. */
static void catch_sigbus(void)
{
	static volatile bool caught;
	struct sigaction action = { .sa_handler = on_sigbus, .sa_flags = SA_NODEFER };

	if (caught)
		return;
	sigaction(SIGBUS, &action, NULL);
	caught = true;
}

/* No signal mask to save: SA_NODEFER blocks nothing, and a system call saved is speed. */
#define TRY(access)                                                                                \
	do {                                                                                       \
		volatile bool ok_ = false;                                                         \
		catch_sigbus();                                                                    \
		sigbus_expected = 1;                                                               \
		if (!sigsetjmp(sigbus_return, 0)) {                                                \
			access;                                                                    \
			ok_ = true;                                                                \
		}                                                                                  \
		sigbus_expected = 0;                                                               \
		return ok_;                                                                        \
	} while (0)

bool try_read(const void *at, uint8_t *ret_byte)
{
	TRY(*ret_byte = *(const volatile uint8_t *)at);
}

bool try_write(void *at, uint8_t byte)
{
	TRY(*(volatile uint8_t *)at = byte);
}

bool try_read_word(const void *at, uint64_t *ret_word)
{
	TRY(*ret_word = *(const volatile uint64_t *)at);
}

bool try_write_word(void *at, uint64_t word)
{
	TRY(*(volatile uint64_t *)at = word);
}

void fill_page(uint8_t *at, uint64_t page, uint64_t round)
{
	guestvm_host_fill(at, PAGE, round, page * PAGE);
}

bool page_is_filled(const uint8_t *at, uint64_t page, uint64_t round)
{
	uint64_t found;

	return guestvm_host_check(at, PAGE, round, page * PAGE, &found) == PAGE;
}

bool page_is_zero(const uint8_t *at)
{
	uint64_t found;

	return guestvm_host_compare(at, PAGE, 0, &found) == PAGE;
}

bool is_in_page_tables(const uint8_t *at)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	ck_assert_int_ge(pagemap, 0);
	ck_assert(pread(pagemap, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)) == 8);
	close(pagemap);
	return entry >> 63;
}

const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "unknown error";
}
