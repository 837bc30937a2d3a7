/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "minivmm.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"Usage: minivmm [--vcpus N] [--rounds N] [--resets N] [--stress SECONDS] [--journal FILE]\n"
	"               [--live-update] [GUEST]\n"
	"\n"
	"Runs a small guest, whose memory is private to it but for what it shares with a disk. Exit\n"
	"status: 0 all checksums hold, 1 something failed, 2 wrong use, 77 this machine cannot.\n"
	"\n"
	"  --vcpus N         so many vCPUs, 1 to 8 (4)\n"
	"  --rounds N        how often each uses the disk (20)\n"
	"  --resets N        the guest starts again so often (1)\n"
	"  --stress SECONDS  instead of using the disk, vCPUs and the host convert ranges that overlap\n"
	"  --journal FILE    a new file for the journal: gmemctl journal FILE prints it\n"
	"  --live-update     with GMEM_STAGE=0 in the environment: run for a while, and leave a process\n"
	"                    that holds the guest until the kexec; else: go on with that guest\n";

#define JOURNAL_SIZE ((size_t)16 << 20)
/* By convention of test programs: this machine cannot do it. */
#define EXIT_UNSUPPORTED 77

int complain(const char *what, int code)
{
	fprintf(stderr, "minivmm: %s: %s\n", what, strerror(-code));
	return code;
}

int complain_report(const struct gmem_error *error)
{
	char text[2048];

	gmem_error_explain(error, text, sizeof(text));
	fprintf(stderr, "%s\n", text);
	return gmem_error_get_code(error);
}

static int load_image(struct vm *vm, const char *name)
{
	FILE *file = fopen(name, "re");

	/* Not what the machine lacks, whatever the errno. */
	if (!file) {
		complain(name, -errno);
		return -ENOEXEC;
	}
	vm->image = malloc(GUEST_BOOT_SIZE - GUEST_CODE);
	if (vm->image)
		vm->image_size = fread(vm->image, 1, GUEST_BOOT_SIZE - GUEST_CODE, file);
	fclose(file);
	return vm->image_size ? 0 : complain(name, -ENOEXEC);
}

static int map_journal(const char *name, void **ret_journal)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	void *journal;

	if (fd < 0 || ftruncate(fd, (off_t)JOURNAL_SIZE))
		return complain(name, -errno);
	journal = mmap(NULL, JOURNAL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (journal == MAP_FAILED)
		return complain(name, -errno);
	*ret_journal = journal;
	return 0;
}

/* The host converts, too, and looks at what is shared while it is. */
static int disturb(struct vm *vm, unsigned int *seed, uint64_t *conversions, uint64_t *looks)
{
	uint64_t first = (unsigned int)rand_r(seed) % GUEST_ARENA_PAGES, word;
	uint64_t count = (unsigned int)rand_r(seed) % (GUEST_ARENA_PAGES - first) + 1;
	enum gmem_state state = rand_r(seed) % 2 ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE;
	int r = 0;

	if (vm->control->can_convert)
		r = gmem_space_convert(vm->space, GUEST_ARENA + first * GUEST_PAGE,
				       count * GUEST_PAGE, state, &vm->convert, vm->error);
	if (r < 0 && r != -EAGAIN)
		return complain_report(vm->error);
	*conversions += r == 0;
	*looks += disk_peek(vm->disk, GUEST_ARENA + first * GUEST_PAGE, &word);
	return 0;
}

static enum outcome stress(struct vm *vm, unsigned int seconds)
{
	const char *given = getenv("GMEM_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	uint64_t conversions = 0, looks = 0;
	time_t end = time(NULL) + (time_t)seconds;

	printf("GMEM_SEED=%u\n", seed);
	fflush(stdout);
	while (time(NULL) < end && vm->outcome == RUNNING) {
		if (disturb(vm, &seed, &conversions, &looks) < 0)
			vcpus_stop(vm, FAILED);
	}
	vm->control->stop = 1;
	printf("host: %llu conversions, %llu looks at shared pages\n",
	       (unsigned long long)conversions, (unsigned long long)looks);
	return vcpus_wait(vm, 0);
}

static void print_result(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->vcpus; i++)
		printf("vCPU %u: %llu rounds, %llu conversions, %llu refused, checksum %016llx\n",
		       i, (unsigned long long)vm->control->vcpu[i].rounds,
		       (unsigned long long)vm->control->vcpu[i].conversions,
		       (unsigned long long)vm->control->vcpu[i].refused,
		       (unsigned long long)vm->control->vcpu[i].checksum);
	disk_report(vm->disk);
}

/* The guest has been put into memory, or come out of the kernel before. */
static int run(struct vm *vm, unsigned int seconds)
{
	enum outcome outcome;
	int r;

	printf("mode %s, contents %s, %u vCPUs\n", gmem_mode_name(gmem_space_get_mode(vm->space)),
	       vm->keeps_contents ? "kept" : "not kept", vm->vcpus);
	for (;;) {
		r = vcpus_start(vm);
		if (r < 0)
			return r;
		outcome = seconds ? stress(vm, seconds) : vcpus_wait(vm, 0);
		print_result(vm);
		if (outcome != RESET)
			break;
		printf("reset\n");
		vm->wish.boots++;
		r = vm_unbind_slots(vm);
		if (r == 0)
			r = vm_bind_slots(vm);
		if (r == 0)
			r = vm_power_on(vm);
		if (r < 0)
			return r;
	}
	return outcome == DONE ? 0 : -EIO;
}

/* Stops in the middle of whatever the guest does, once each vCPU has done something. */
static int run_until_live_update(struct vm *vm, struct gmem_session **ret_session)
{
	unsigned int i;
	int r = vcpus_start(vm);

	for (i = 0; r == 0 && i < vm->vcpus; i++) {
		while (vm->control->vcpu[i].rounds < 2 && vm->outcome == RUNNING)
			usleep(1000);
	}
	vcpus_stop(vm, PAUSED);
	if (r < 0 || vcpus_wait(vm, 0) != PAUSED)
		return -EIO;
	print_result(vm);
	return live_update_save(vm, ret_session);
}

/* A process of its own holds the guest until the kexec; this one ends when it does. */
static int save_in_background(struct vm *vm, int (*prepare)(struct vm *))
{
	struct gmem_session *session;
	char code = 1;
	int ends[2];
	pid_t child;

	if (pipe(ends) || (child = fork()) < 0)
		return complain("fork", -errno);
	if (child) {
		close(ends[1]);
		return read(ends[0], &code, 1) == 1 && code == 0 ? 0 : -EIO;
	}
	close(ends[0]);
	if (prepare(vm) == 0 && run_until_live_update(vm, &session) == 0)
		code = 0;
	if (write(ends[1], &code, 1) != 1 || code)
		_exit(1);
	close(ends[1]);
	for (;;)
		pause();
}

static unsigned long number(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !*text || value < least || value > most) {
		fputs(usage, stderr);
		exit(2);
	}
	return value;
}

static struct {
	unsigned int vcpus, seconds;
	const char *guest;
	void *journal;
	bool live_update;
} asked = { .vcpus = 4, .guest = GUEST_IMAGE };

static int power_on(struct vm *vm)
{
	int r = load_image(vm, asked.guest);

	if (r == 0)
		r = vm_open(vm, asked.vcpus, asked.journal, asked.journal ? JOURNAL_SIZE : 0);
	if (r == 0)
		r = vm_bind_slots(vm);
	return r == 0 ? vm_power_on(vm) : r;
}

static int parse(int argc, char **argv, struct guest_control *wish)
{
	static const struct option options[] = {
		{ "vcpus", required_argument, NULL, 'v' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "resets", required_argument, NULL, 'R' },
		{ "stress", required_argument, NULL, 's' },
		{ "journal", required_argument, NULL, 'j' },
		{ "live-update", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'v') {
			asked.vcpus = (unsigned int)number(optarg, 1, GUEST_VCPUS);
		} else if (option == 'r') {
			wish->rounds = number(optarg, 1, 1000000);
		} else if (option == 'R') {
			wish->resets = number(optarg, 0, 1000);
		} else if (option == 's') {
			asked.seconds = (unsigned int)number(optarg, 1, 86400);
		} else if (option == 'j') {
			r = map_journal(optarg, &asked.journal);
		} else if (option == 'l') {
			asked.live_update = true;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
	if (optind < argc)
		asked.guest = argv[optind];
	wish->stress = asked.seconds;
	if (asked.seconds || asked.live_update)
		wish->resets = 0;
	return r;
}

int main(int argc, char **argv)
{
	static struct vm vm = { .kvm_fd = -1,
				.fd = -1,
				.lock = PTHREAD_MUTEX_INITIALIZER,
				.ended = PTHREAD_COND_INITIALIZER,
				.wish = { .rounds = 20, .resets = 1 } };
	const char *stage = getenv("GMEM_STAGE");
	int r = parse(argc, argv, &vm.wish);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (r == 0 && asked.live_update && (!stage || !strcmp(stage, "0"))) {
		r = save_in_background(&vm, power_on);
		printf("%s\n", r == 0 ? "saved" : "failed");
		return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (r == 0)
		r = asked.live_update ? live_update_restore(&vm, asked.journal,
							    asked.journal ? JOURNAL_SIZE : 0)
				      : power_on(&vm);
	if (r == 0)
		r = run(&vm, asked.seconds);
	vm_close(&vm);
	free(vm.image);
	printf("%s\n", r == 0 ? "all checksums hold" : "failed");
	if (r == -EOPNOTSUPP || r == -ENOENT || r == -EACCES)
		return EXIT_UNSUPPORTED;
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
