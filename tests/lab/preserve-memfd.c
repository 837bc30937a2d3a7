/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * One stage of a live update that hands an ordinary memfd over
 * (Documentation/core-api/liveupdate.rst): takes back what the stage before preserved, if there was
 * one, then preserves it for the next and leaves a background process to hold the session. With
 * "kexec" it starts the next kernel itself.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#define SIZE  (1 << 20)
#define TOKEN 0x6c6162

/* include/uapi/linux/liveupdate.h, which is newer than the headers of most machines */
struct session_arg {
	__u32 size;
	__s32 fd;
	__u8 name[64];
};

struct fd_arg {
	__u32 size;
	__s32 fd;
	__u64 token __attribute__((aligned(8)));
};

struct finish_arg {
	__u32 size;
	__u32 reserved;
};

#define CREATE_SESSION	 _IO(0xba, 0x00)
#define RETRIEVE_SESSION _IO(0xba, 0x01)
#define PRESERVE_FD	 _IO(0xba, 0x40)
#define RETRIEVE_FD	 _IO(0xba, 0x41)
#define FINISH		 _IO(0xba, 0x42)

static int open_session(int device, unsigned long request, const char *stage)
{
	struct session_arg arg = { .size = sizeof(arg) };

	snprintf((char *)arg.name, sizeof(arg.name), "lab-%s", stage);
	if (ioctl(device, request, &arg))
		err(1, "session %s", arg.name);
	return arg.fd;
}

static unsigned char pattern(int stage, size_t at)
{
	return at * 31 + at / 4096 + stage;
}

static void retrieve(int device, int stage)
{
	struct finish_arg finish = { .size = sizeof(finish) };
	struct fd_arg arg = { .size = sizeof(arg), .token = TOKEN };
	unsigned char *bytes;
	char before[16];
	int session;
	size_t i;

	snprintf(before, sizeof(before), "%d", stage - 1);
	session = open_session(device, RETRIEVE_SESSION, before);
	if (ioctl(session, RETRIEVE_FD, &arg))
		err(1, "retrieve the memfd");
	bytes = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, arg.fd, 0);
	if (bytes == MAP_FAILED)
		err(1, "map the memfd");
	for (i = 0; i < SIZE; i++)
		if (bytes[i] != pattern(stage - 1, i))
			errx(1, "byte %zu is lost", i);
	if (ioctl(session, FINISH, &finish))
		err(1, "finish");
	printf("retrieved in stage %d\n", stage);
}

static void preserve(int device, int stage)
{
	struct fd_arg arg = { .size = sizeof(arg), .token = TOKEN };
	char name[16];
	unsigned char *bytes;
	int session;
	size_t i;

	snprintf(name, sizeof(name), "%d", stage);
	arg.fd = memfd_create("lab", 0);
	if (arg.fd < 0 || ftruncate(arg.fd, SIZE))
		err(1, "make a memfd");
	bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, arg.fd, 0);
	if (bytes == MAP_FAILED)
		err(1, "map the memfd");
	for (i = 0; i < SIZE; i++)
		bytes[i] = pattern(stage, i);
	session = open_session(device, CREATE_SESSION, name);
	if (ioctl(session, PRESERVE_FD, &arg))
		err(1, "preserve the memfd");
}

int main(int argc, char **argv)
{
	const char *text = getenv("GMEM_STAGE");
	FILE *cmdline = fopen("/proc/cmdline", "r");
	char line[4096] = "", *cycles;
	int device, stage;

	if (!text || !cmdline || !fgets(line, sizeof(line), cmdline))
		errx(1, "this is no live update");
	stage = atoi(text);
	cycles = strstr(line, "LAB_CYCLES=");
	device = open("/dev/liveupdate", O_RDWR);
	if (device < 0)
		err(1, "/dev/liveupdate");
	if (stage)
		retrieve(device, stage);
	if (!cycles || stage >= atoi(cycles + strlen("LAB_CYCLES=")))
		return 0;
	preserve(device, stage);
	if (argc > 1 && !strcmp(argv[1], "kexec")) {
		reboot(RB_KEXEC);
		err(1, "reboot");
	}
	printf("preserved by stage %d\n", stage);
	fflush(stdout);
	if (!fork())
		for (;;)
			pause();
	return 0;
}
