/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "private-path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What fills the page, and what fills the other side before a transfer. */
#define ROUND 41
#define MARK  0xE7

#define SIZE (2 * PAGE)

/* The pages that are tried. */
enum page {
	CONVERTED,   /* has been shared, used, and is private or shared as told */
	UNTOUCHED,   /* became private before anybody had touched it */
	BORN,	     /* of a file that was private from the start */
	NOT_A_GUESTS /* ordinary memory */
};

enum place {
	SELF,
	CHILD,
	OTHER,
	PLACES
};
static const char *const place_names[] = { "the same process", "a forked child",
					   "a process that was sent the file" };

/* Two files in each process: one born shared, one born private. */
struct files {
	int shared, private;
	uint8_t *at_shared, *at_private;
};

struct question {
	enum page page;
	bool must_work;
};

struct answer {
	int ret;
	bool bytes_right; /* moved all if it must work, otherwise moved none */
};

struct peer {
	pid_t pid;
	int socket;
};

static int vm;
static struct files mine;

int page_moved(ssize_t moved)
{
	if (moved < 0)
		return -errno;
	if (!moved)
		return PATH_NOTHING;
	return moved == (ssize_t)PAGE ? 0 : PATH_PART;
}

static const char *outcome_name(int outcome)
{
	static const char *const names[] = { "success", "SIGBUS", "nothing moved", "part moved",
					     "cannot be tried here" };

	return outcome < 0 ? error_name(-outcome) : names[outcome];
}

/* ---- one attempt, in any process ---- */

static bool is_all(const uint8_t *bytes, uint8_t value)
{
	for (uint64_t i = 0; i < PAGE; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static int ordinary_memory(struct memory *ret_memory)
{
	int fd = memfd_create("ordinary", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *at;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)PAGE))
		return -errno;
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*ret_memory = (struct memory){ .at = at, .fd = fd, .ordinary = true };
	fill_page(at, 0, ROUND);
	return 0;
}

static int memory_of(const struct files *files, enum page page, struct memory *ret_memory)
{
	*ret_memory = (struct memory){ .at = files->at_shared, .fd = files->shared };
	switch (page) {
	case NOT_A_GUESTS:
		return ordinary_memory(ret_memory);
	case BORN:
		*ret_memory = (struct memory){ .at = files->at_private, .fd = files->private };
		break;
	case UNTOUCHED:
		ret_memory->at += PAGE;
		ret_memory->offset = PAGE;
		break;
	case CONVERTED:
		break;
	}
	return 0;
}

static bool bytes_moved(const struct path *path, const struct memory *memory, const uint8_t *bytes)
{
	switch (path->kind) {
	case PATH_READS:
		return page_is_filled(bytes, 0, ROUND);
	case PATH_WRITES:
		return is_all(memory->at, MARK);
	default:
		return true;
	}
}

static struct answer attempt(const struct path *path, const struct files *files,
			     const struct question *question)
{
	static uint8_t bytes[PAGE] __attribute__((aligned(PAGE)));
	struct answer answer = { 0 };
	struct memory memory;

	answer.ret = memory_of(files, question->page, &memory);
	if (answer.ret)
		return answer;
	memset(bytes, MARK, PAGE);
	answer.ret = path->go(&memory, bytes);
	if (question->must_work)
		answer.bytes_right = answer.ret == 0 && bytes_moved(path, &memory, bytes);
	else
		answer.bytes_right = is_all(bytes, MARK);
	if (memory.ordinary) {
		munmap(memory.at, PAGE);
		close(memory.fd);
	}
	return answer;
}

/* ---- other processes ---- */

static bool map_files(struct files *files)
{
	files->at_shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, files->shared, 0);
	files->at_private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, files->private, 0);
	return files->at_shared != MAP_FAILED && files->at_private != MAP_FAILED;
}

static bool receive_files(int socket, struct files *ret_files)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fds[2];

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return false;
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fds));
	ret_files->shared = fds[0];
	ret_files->private = fds[1];
	return true;
}

static void send_files(int socket)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 }, byte = 0;
	int fds[2] = { mine.shared, mine.private };
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	ck_assert_int_eq(sendmsg(socket, &message, 0), 1);
}

static void serve(const struct path *path, enum place place, int socket)
{
	struct files files = mine;
	struct question question;
	struct answer answer;

	if (place == OTHER && (!receive_files(socket, &files) || !map_files(&files)))
		_exit(1);
	while (read(socket, &question, sizeof(question)) == sizeof(question)) {
		answer = attempt(path, &files, &question);
		if (write(socket, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

static struct peer start_peer(const struct path *path, enum place place)
{
	struct peer peer;
	int sockets[2];

	ck_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	peer.pid = fork();
	ck_assert(peer.pid >= 0);
	if (!peer.pid) {
		close(sockets[0]);
		serve(path, place, sockets[1]);
	}
	close(sockets[1]);
	peer.socket = sockets[0];
	return peer;
}

static void stop_peer(const struct peer *peer)
{
	int status;

	close(peer->socket);
	ck_assert(waitpid(peer->pid, &status, 0) == peer->pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the other process died");
}

static struct answer ask(const struct path *path, const struct peer *peer, enum page page,
			 bool must_work)
{
	struct question question;
	struct answer answer;

	/* The whole struct travels, so its padding must be defined. */
	memset(&question, 0, sizeof(question));
	question.page = page;
	question.must_work = must_work;
	if (!peer->pid)
		return attempt(path, &mine, &question);
	ck_assert(write(peer->socket, &question, sizeof(question)) == sizeof(question));
	ck_assert_msg(read(peer->socket, &answer, sizeof(answer)) == sizeof(answer),
		      "%s: the other process died", path->text);
	return answer;
}

/* ---- the trial ---- */

static void convert_page(uint64_t page, uint64_t state)
{
	int ret, attempts = 0;

	/* Some users let go of a page a moment after their system call has returned. */
	while ((ret = convert(mine.shared, page * PAGE, PAGE, state)) == -EAGAIN &&
	       attempts++ < 5000)
		usleep(1000);
	must_give(ret, 0);
}

static uint64_t allocated(int file)
{
	struct gmem_uapi_extent extents[4];
	struct gmem_uapi_query query = {
		.offset = file == mine.shared ? PAGE : 0,
		.size = PAGE,
		.flags = GMEM_UAPI_QUERY_ALLOCATED,
		.extents = (uintptr_t)extents,
		.nr_extents = 4,
	};

	if (!system_capability(GMEM_CAP_QUERY))
		return 0;
	ck_assert_msg(!ioctl(file, GMEM_UAPI_QUERY, &query), "query: %s", strerror(errno));
	return extents[0].allocated;
}

/* False if the path cannot be tried on this machine. */
static bool must_work(const struct path *path, const struct peer *peer, enum place place)
{
	enum page page = path->not_offered ? NOT_A_GUESTS : CONVERTED;
	struct answer answer = ask(path, peer, page, true);

	if (answer.ret == PATH_ABSENT)
		return false;
	ck_assert_msg(answer.ret == 0, "%s, from %s, does not work on shared memory: %s",
		      path->text, place_names[place], outcome_name(answer.ret));
	ck_assert_msg(answer.bytes_right, "%s, from %s, moved other bytes of shared memory",
		      path->text, place_names[place]);
	fill_page(mine.at_shared, 0, ROUND);
	return true;
}

static void must_be_refused(const struct path *path, const struct peer *peer, enum place place,
			    enum page page, const char *state)
{
	struct answer answer = ask(path, peer, page, false);

	ck_assert_msg(answer.ret == path->refusal, "%s, from %s, on a %s page: %s, expected %s",
		      path->text, place_names[place], state, outcome_name(answer.ret),
		      outcome_name(path->refusal));
	ck_assert_msg(answer.bytes_right, "%s, from %s, got bytes of a %s page", path->text,
		      place_names[place], state);
}

static bool try_from(const struct path *path, const struct peer *peer, enum place place)
{
	for (int i = 0; i < (in_a_hurry() ? 1 : 2); i++) {
		if (!must_work(path, peer, place))
			return false;
		if (path->not_offered)
			must_be_refused(path, peer, place, CONVERTED, "shared");
		convert_page(0, PRIVATE);
		must_be_refused(path, peer, place, CONVERTED, "private");
		must_be_refused(path, peer, place, UNTOUCHED, "private, untouched");
		must_be_refused(path, peer, place, BORN, "private from the start");
		convert_page(0, SHARED);
		ck_assert_msg(page_is_filled(mine.at_shared, 0, ROUND),
			      "%s, from %s, changed a private page", path->text,
			      place_names[place]);
	}
	return must_work(path, peer, place);
}

static void open_files(void)
{
	vm = new_vm(VM_PROTECTED);
	mine.shared = new_gmem(vm, SIZE, MAPPABLE | INIT_SHARED);
	mine.private = new_gmem(vm, SIZE, MAPPABLE | INIT_PRIVATE);
	ck_assert(map_files(&mine));
	fill_page(mine.at_shared, 0, ROUND);
	convert_page(1, PRIVATE);
}

static void close_files(void)
{
	munmap(mine.at_shared, SIZE);
	munmap(mine.at_private, SIZE);
	close(mine.shared);
	close(mine.private);
	close(vm);
}

void print_path_row(const char *path, const char *refusal, const char *from, const char *program,
		    const char *test)
{
	printf("# row private-memory | %s | %s | %s | %s: %s |\n", path, refusal, from, program,
	       test);
	fflush(stdout);
}

void try_path(const struct path *path, const char *program, const char *test)
{
	struct peer peers[PLACES] = { 0 };
	bool tried = true;

	/* Before there is a file, so that nothing but the message can bring it there. */
	peers[OTHER] = start_peer(path, OTHER);
	open_files();
	peers[CHILD] = start_peer(path, CHILD);
	send_files(peers[OTHER].socket);
	for (enum place place = SELF; place < PLACES && tried; place++)
		tried = try_from(path, &peers[place], place);
	ck_assert_uint_eq(allocated(mine.shared), 0);
	ck_assert_uint_eq(allocated(mine.private), 0);
	stop_peer(&peers[CHILD]);
	stop_peer(&peers[OTHER]);
	close_files();
	if (!tried) {
		skip_case(test, "%s: this machine has no such thing", path->text);
		return;
	}
	print_path_row(path->text, path->how ? path->how : outcome_name(path->refusal), "all three",
		       program, test);
}

/* ---- debuggers ---- */

struct debugging {
	int ret;
	uint8_t bytes[PAGE];
};

int by_debugger(int (*work)(pid_t target, const struct memory *memory, uint8_t *bytes),
		const struct memory *memory, uint8_t *bytes)
{
	struct debugging *debugging = mmap(NULL, sizeof(*debugging), PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ret, status;
	pid_t pid;

	if (debugging == MAP_FAILED)
		return -errno;
	memcpy(debugging->bytes, bytes, PAGE);
	pid = fork();
	if (!pid) {
		debugging->ret = work(getppid(), memory, debugging->bytes);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		ret = -errno;
	else if (!WIFEXITED(status))
		ret = -ECHILD;
	else
		ret = debugging->ret;
	memcpy(bytes, debugging->bytes, PAGE);
	munmap(debugging, sizeof(*debugging));
	return ret;
}
