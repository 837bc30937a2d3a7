/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Private means private: input and output that takes pages instead of copying bytes, or does so
 * behind the caller's back. O_DIRECT is tried on a block device and on the host's file system (9p).
 */
#include "pin.h"
#include "private-path.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/udmabuf.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PROGRAM "private-io"

/* ---- O_DIRECT ---- */

#define BLOCK_DEVICE "/dev/ram0"

enum medium {
	DEVICE,
	FILE_SYSTEM
};

/* Something that can be read and written without a cache, with @bytes in it; or -errno. */
static int open_direct(enum medium medium, const uint8_t *bytes)
{
	const char *directory = getenv("GMEM_DIR");
	char path[4096];
	int fd, copied;

	snprintf(path, sizeof(path), "%s/direct-%d", directory ? directory : "/nonexistent",
		 getpid());
	fd = open(medium == DEVICE ? BLOCK_DEVICE : path,
		  (medium == DEVICE ? 0 : O_CREAT) | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (medium == FILE_SYSTEM)
		unlink(path);
	copied = page_moved(pwrite(fd, bytes, PAGE, 0));
	if (!copied)
		return fd;
	close(fd);
	return copied < 0 ? copied : -EIO;
}

/* What a transfer has left on the medium. */
static int read_back(int fd, uint8_t *bytes)
{
	static uint8_t copy[PAGE] __attribute__((aligned(PAGE)));
	int ret = page_moved(pread(fd, copy, PAGE, 0));

	if (!ret)
		memcpy(bytes, copy, PAGE);
	return ret;
}

static int absent(int error)
{
	return error == -ENOENT || error == -ENXIO ? PATH_ABSENT : error;
}

static int direct_read(enum medium medium, const struct memory *memory, const uint8_t *bytes)
{
	int fd = open_direct(medium, bytes), ret;

	if (fd < 0)
		return absent(fd);
	ret = page_moved(pread(fd, memory->at, PAGE, 0));
	close(fd);
	return ret;
}

static int direct_write(enum medium medium, const struct memory *memory, uint8_t *bytes)
{
	int fd = open_direct(medium, bytes), ret;

	if (fd < 0)
		return absent(fd);
	ret = page_moved(pwrite(fd, memory->at, PAGE, 0));
	if (!ret)
		ret = read_back(fd, bytes);
	close(fd);
	return ret;
}

static int direct_read_device(const struct memory *memory, uint8_t *bytes)
{
	return direct_read(DEVICE, memory, bytes);
}

static int direct_write_device(const struct memory *memory, uint8_t *bytes)
{
	return direct_write(DEVICE, memory, bytes);
}

static int direct_read_file(const struct memory *memory, uint8_t *bytes)
{
	return direct_read(FILE_SYSTEM, memory, bytes);
}

static int direct_write_file(const struct memory *memory, uint8_t *bytes)
{
	return direct_write(FILE_SYSTEM, memory, bytes);
}

PATH_TEST(PROGRAM, not_by_direct_read_of_a_device, .text = "`O_DIRECT` read into it, block device",
	  PATH_WRITES, direct_read_device, -EFAULT)
PATH_TEST(PROGRAM, not_by_direct_write_of_a_device,
	  .text = "`O_DIRECT` write from it, block device", PATH_READS, direct_write_device,
	  -EFAULT)
PATH_TEST(PROGRAM, not_by_direct_read_of_a_file, .text = "`O_DIRECT` read into it, file system",
	  PATH_WRITES, direct_read_file, -EFAULT)
PATH_TEST(PROGRAM, not_by_direct_write_of_a_file, .text = "`O_DIRECT` write from it, file system",
	  PATH_READS, direct_write_file, -EFAULT)

/* ---- AIO ---- */

/*
 * One for each process, as it belongs to the process's memory: to destroy one waits for grace
 * periods.
 */
static int aio_context(aio_context_t *ret_context)
{
	static aio_context_t context;
	static pid_t owner;

	if (owner != getpid()) {
		context = 0;
		if (syscall(SYS_io_setup, 1, &context))
			return -errno;
		owner = getpid();
	}
	*ret_context = context;
	return 0;
}

/* One operation of the kernel's own asynchronous I/O: bytes moved or -errno. */
static ssize_t aio(int fd, int operation, uint8_t *at)
{
	aio_context_t context = 0;
	struct iocb request = {
		.aio_fildes = (uint32_t)fd,
		.aio_lio_opcode = (uint16_t)operation,
		.aio_buf = (uintptr_t)at,
		.aio_nbytes = PAGE,
	};
	struct iocb *requests[] = { &request };
	struct io_event event = { 0 };
	ssize_t ret;

	ret = aio_context(&context);
	if (ret)
		return ret;
	if (syscall(SYS_io_submit, context, 1, requests) != 1)
		ret = -errno;
	else if (syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1)
		ret = -errno;
	else
		ret = event.res;
	errno = ret < 0 ? (int)-ret : 0;
	return ret < 0 ? -1 : ret;
}

static int aio_read(enum medium medium, const struct memory *memory, const uint8_t *bytes)
{
	int fd = open_direct(medium, bytes), ret;

	if (fd < 0)
		return absent(fd);
	ret = page_moved(aio(fd, IOCB_CMD_PREAD, memory->at));
	close(fd);
	return ret;
}

static int aio_write(enum medium medium, const struct memory *memory, uint8_t *bytes)
{
	int fd = open_direct(medium, bytes), ret;

	if (fd < 0)
		return absent(fd);
	ret = page_moved(aio(fd, IOCB_CMD_PWRITE, memory->at));
	if (!ret)
		ret = read_back(fd, bytes);
	close(fd);
	return ret;
}

static int aio_read_device(const struct memory *memory, uint8_t *bytes)
{
	return aio_read(DEVICE, memory, bytes);
}

static int aio_write_device(const struct memory *memory, uint8_t *bytes)
{
	return aio_write(DEVICE, memory, bytes);
}

static int aio_read_file(const struct memory *memory, uint8_t *bytes)
{
	return aio_read(FILE_SYSTEM, memory, bytes);
}

static int aio_write_file(const struct memory *memory, uint8_t *bytes)
{
	return aio_write(FILE_SYSTEM, memory, bytes);
}

PATH_TEST(PROGRAM, not_by_aio_read_of_a_device,
	  .text = "AIO (`io_submit`) read into it, block device", PATH_WRITES, aio_read_device,
	  -EFAULT)
PATH_TEST(PROGRAM, not_by_aio_write_of_a_device,
	  .text = "AIO (`io_submit`) write from it, block device", PATH_READS, aio_write_device,
	  -EFAULT)
PATH_TEST(PROGRAM, not_by_aio_read_of_a_file, .text = "AIO (`io_submit`) read into it, file system",
	  PATH_WRITES, aio_read_file, -EFAULT)
PATH_TEST(PROGRAM, not_by_aio_write_of_a_file,
	  .text = "AIO (`io_submit`) write from it, file system", PATH_READS, aio_write_file,
	  -EFAULT)

/* ---- io_uring ---- */

static int memfd_of(const uint8_t *bytes)
{
	int fd = memfd_create("medium", MFD_CLOEXEC);

	if (fd >= 0 && pwrite(fd, bytes, PAGE, 0) != (ssize_t)PAGE) {
		close(fd);
		return -1;
	}
	return fd;
}

static int ring_transfer(uint8_t operation, const struct memory *memory, uint8_t *bytes)
{
	struct io_uring_sqe sqe = {
		.opcode = operation,
		.fd = memfd_of(bytes),
		.addr = (uintptr_t)memory->at,
		.len = PAGE,
	};
	struct ring ring;
	int ret = ring_open(&ring);

	if (ret)
		return ret;
	if (operation == IORING_OP_READ_FIXED || operation == IORING_OP_WRITE_FIXED) {
		struct iovec buffer = { memory->at, PAGE };

		if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &buffer, 1))
			ret = -errno;
	}
	if (!ret) {
		ret = ring_run(&ring, &sqe);
		errno = -ret;
		ret = page_moved(ret < 0 ? -1 : ret);
	}
	if (!ret && (operation == IORING_OP_WRITE || operation == IORING_OP_WRITE_FIXED))
		ret = page_moved(pread(sqe.fd, bytes, PAGE, 0));
	/* Closing the ring would let go of a buffer too, but at some time later. */
	syscall(SYS_io_uring_register, ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
	ring_close(&ring);
	close(sqe.fd);
	return ret;
}

static int ring_read(const struct memory *memory, uint8_t *bytes)
{
	return ring_transfer(IORING_OP_READ, memory, bytes);
}

static int ring_write(const struct memory *memory, uint8_t *bytes)
{
	return ring_transfer(IORING_OP_WRITE, memory, bytes);
}

static int ring_read_fixed(const struct memory *memory, uint8_t *bytes)
{
	return ring_transfer(IORING_OP_READ_FIXED, memory, bytes);
}

static int ring_write_fixed(const struct memory *memory, uint8_t *bytes)
{
	return ring_transfer(IORING_OP_WRITE_FIXED, memory, bytes);
}

PATH_TEST(PROGRAM, not_by_io_uring_read, .text = "`io_uring` read into it", PATH_WRITES, ring_read,
	  -EFAULT)
PATH_TEST(PROGRAM, not_by_io_uring_write, .text = "`io_uring` write from it", PATH_READS,
	  ring_write, -EFAULT)
PATH_TEST(PROGRAM, not_by_io_uring_read_fixed,
	  .text = "`io_uring` registered buffer, then read into it", PATH_WRITES, ring_read_fixed,
	  -EFAULT, .how = "EFAULT at registration")
PATH_TEST(PROGRAM, not_by_io_uring_write_fixed,
	  .text = "`io_uring` registered buffer, then write from it", PATH_READS, ring_write_fixed,
	  -EFAULT, .how = "EFAULT at registration")

/* ---- pipes and sockets ---- */

static int splice_from(const struct memory *memory, uint8_t *bytes)
{
	int ends[2], ret = splice_into_pipe(memory->at, PAGE, ends);

	if (ret)
		return ret;
	ret = page_moved(read(ends[0], bytes, PAGE));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

static int splice_to(const struct memory *memory, uint8_t *bytes)
{
	struct iovec iov = { memory->at, PAGE };
	int ends[2], ret;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	ret = page_moved(write(ends[1], bytes, PAGE));
	if (!ret)
		ret = page_moved(vmsplice(ends[0], &iov, 1, 0));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

/* Two ends of a connection over the loopback device. */
static int connect_ends(int ret_ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	int one = 1, err;

	ret_ends[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ret_ends[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ret_ends[0] >= 0 && ret_ends[1] >= 0 &&
	    !setsockopt(ret_ends[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) &&
	    !bind(ret_ends[1], (struct sockaddr *)&address, length) &&
	    !getsockname(ret_ends[1], (struct sockaddr *)&address, &length) &&
	    !connect(ret_ends[0], (struct sockaddr *)&address, length))
		return 0;
	err = -errno;
	close(ret_ends[0]);
	close(ret_ends[1]);
	return err;
}

static int send_without_copy(const struct memory *memory, uint8_t *bytes)
{
	int ends[2], ret = connect_ends(ends);

	if (ret)
		return ret;
	ret = page_moved(send(ends[0], memory->at, PAGE, MSG_ZEROCOPY));
	if (!ret)
		ret = page_moved(recv(ends[1], bytes, PAGE, 0));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

PATH_TEST(PROGRAM, not_by_vmsplice, .text = "`vmsplice` from it into a pipe", PATH_READS,
	  splice_from, -EFAULT)
PATH_TEST(PROGRAM, not_by_vmsplice_out, .text = "`vmsplice` from a pipe into it", PATH_WRITES,
	  splice_to, -EFAULT)
PATH_TEST(PROGRAM, not_by_send_without_copy, .text = "`send` with `MSG_ZEROCOPY`", PATH_READS,
	  send_without_copy, -EFAULT)

/* ---- pins ---- */

/* debugfs gup_test (mm/gup_test.h of Linux 7.3) */
struct gup_test {
	uint64_t get_delta_usec, put_delta_usec;
	uint64_t addr, size;
	uint32_t nr_pages_per_call, gup_flags, test_flags;
	uint32_t which_pages[8];
};

static int get_pages(const struct memory *memory, unsigned long request)
{
	struct gup_test test = {
		.addr = (uintptr_t)memory->at,
		.size = PAGE,
		.nr_pages_per_call = 1,
		.gup_flags = 1, /* FOLL_WRITE */
	};
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return absent(-errno);
	ret = ioctl(fd, request, &test) ? -errno : 0;
	close(fd);
	/* Fewer pages than asked for are told by the size. */
	return ret ? ret : test.size == PAGE ? 0 : PATH_NOTHING;
}

static int pin_briefly(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return get_pages(memory, _IOWR('g', 2, struct gup_test)); /* PIN_FAST_BENCHMARK */
}

static int pin_for_long(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return get_pages(memory, _IOWR('g', 3, struct gup_test)); /* PIN_LONGTERM_BENCHMARK */
}

static int get_reference(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return get_pages(memory, _IOWR('g', 1, struct gup_test)); /* GUP_FAST_BENCHMARK */
}

PATH_TEST(PROGRAM, not_by_pin, .text = "`pin_user_pages_fast`", PATH_TOUCHES, pin_briefly,
	  PATH_NOTHING, .how = "no page (`gup_test`)")
PATH_TEST(PROGRAM, not_by_long_pin,
	  .text = "`pin_user_pages` with `FOLL_LONGTERM` (VFIO, iommufd, vhost, RDMA, AF_XDP)",
	  PATH_TOUCHES, pin_for_long, PATH_NOTHING, .how = "no page (`gup_test`)")
PATH_TEST(PROGRAM, not_by_get_user_pages, .text = "`get_user_pages_fast`", PATH_TOUCHES,
	  get_reference, PATH_NOTHING, .how = "no page (`gup_test`)")

/* ---- dma-buf ---- */

static int make_dma_buf(const struct memory *memory, uint8_t *bytes)
{
	struct udmabuf_create create = {
		.memfd = (uint32_t)memory->fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.offset = memory->offset,
		.size = PAGE,
	};
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), buffer, ret;
	uint8_t *at;

	if (device < 0)
		return absent(-errno);
	if (memory->ordinary && fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	buffer = ioctl(device, UDMABUF_CREATE, &create);
	ret = buffer < 0 ? -errno : 0;
	close(device);
	if (ret)
		return ret;
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, buffer, 0);
	close(buffer);
	if (at == MAP_FAILED)
		return -errno;
	memcpy(bytes, at, PAGE);
	munmap(at, PAGE);
	return 0;
}

PATH_TEST(PROGRAM, not_by_dma_buf, .text = "dma-buf (`UDMABUF_CREATE`)", PATH_READS, make_dma_buf,
	  -EBADFD, .not_offered = true)

/* ---- userfaultfd ---- */

static int open_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -errno;
}

static int register_range(int fd, const uint8_t *at)
{
	struct uffdio_register range = {
		.range = { (uintptr_t)at, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

static int uffd_copy(int fd, const uint8_t *to, const uint8_t *from)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = PAGE };

	return ioctl(fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

static int register_faults(const struct memory *memory, uint8_t *bytes)
{
	int fd = open_userfaultfd(), ret;

	(void)bytes;
	if (fd < 0)
		return fd;
	ret = register_range(fd, memory->at);
	close(fd);
	return ret;
}

static int copy_to(const struct memory *memory, uint8_t *bytes)
{
	int fd = open_userfaultfd(), ret;

	if (fd < 0)
		return fd;
	if (memory->ordinary) {
		/* Only an absent page of a range that is registered can be copied to. */
		if (fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      (off_t)PAGE))
			return -errno;
		ret = register_range(fd, memory->at);
		if (ret)
			return ret;
	}
	ret = uffd_copy(fd, memory->at, bytes);
	close(fd);
	return ret;
}

static int copy_from(const struct memory *memory, uint8_t *bytes)
{
	uint8_t *target =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open_userfaultfd(), ret;

	if (fd < 0 || target == MAP_FAILED)
		return fd;
	ret = register_range(fd, target);
	if (!ret)
		ret = uffd_copy(fd, target, memory->at);
	close(fd);
	if (!ret)
		memcpy(bytes, target, PAGE);
	munmap(target, PAGE);
	return ret;
}

PATH_TEST(PROGRAM, not_by_userfaultfd, .text = "`userfaultfd` registration", PATH_TOUCHES,
	  register_faults, -EINVAL, .not_offered = true)
PATH_TEST(PROGRAM, not_by_userfaultfd_copy_into_it, .text = "`UFFDIO_COPY` into it", PATH_WRITES,
	  copy_to, -ENOENT, .not_offered = true)
PATH_TEST(PROGRAM, not_by_userfaultfd_copy_from_it, .text = "`UFFDIO_COPY` from it", PATH_READS,
	  copy_from, -EFAULT)

static void add_tests(Suite *suite)
{
	TCase *direct = new_case(suite, "direct");
	TCase *asynchronous = new_case(suite, "asynchronous");
	TCase *pipes = new_case(suite, "pipes and sockets");
	TCase *pins = new_case(suite, "pins");
	TCase *faults = new_case(suite, "userfaultfd");

	tcase_add_test(direct, not_by_direct_read_of_a_device);
	tcase_add_test(direct, not_by_direct_write_of_a_device);
	tcase_add_test(direct, not_by_direct_read_of_a_file);
	tcase_add_test(direct, not_by_direct_write_of_a_file);
	tcase_add_test(asynchronous, not_by_aio_read_of_a_device);
	tcase_add_test(asynchronous, not_by_aio_write_of_a_device);
	tcase_add_test(asynchronous, not_by_aio_read_of_a_file);
	tcase_add_test(asynchronous, not_by_aio_write_of_a_file);
	tcase_add_test(asynchronous, not_by_io_uring_read);
	tcase_add_test(asynchronous, not_by_io_uring_write);
	tcase_add_test(asynchronous, not_by_io_uring_read_fixed);
	tcase_add_test(asynchronous, not_by_io_uring_write_fixed);
	tcase_add_test(pipes, not_by_vmsplice);
	tcase_add_test(pipes, not_by_vmsplice_out);
	tcase_add_test(pipes, not_by_send_without_copy);
	tcase_add_test(pins, not_by_pin);
	tcase_add_test(pins, not_by_long_pin);
	tcase_add_test(pins, not_by_get_user_pages);
	tcase_add_test(pins, not_by_dma_buf);
	tcase_add_test(faults, not_by_userfaultfd);
	tcase_add_test(faults, not_by_userfaultfd_copy_into_it);
	tcase_add_test(faults, not_by_userfaultfd_copy_from_it);
}

int main(void)
{
	Suite *suite = suite_create(PROGRAM);

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
