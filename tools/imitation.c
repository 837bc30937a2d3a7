/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel's parameter kvm.gmem_imitate: whose way of dealing with content software-protected VMs
 * imitate. It holds for the whole machine, so it is changed under a lock, and put back at the end,
 * also when a signal ends us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "run.h"

#define PARAMETER "/sys/module/kvm/parameters/gmem_imitate"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

#define ENDING (sizeof(ending) / sizeof(ending[0]))

static struct {
	volatile sig_atomic_t fd; /* that has the lock; -1: nothing is imitated */
	char before[32];
	size_t before_size;
	struct sigaction action[ENDING];
} imitation = { .fd = -1 };

/* A file of sysfs is written at once or not at all. Safe in a signal handler. */
static int put(int fd, const char *text, size_t size)
{
	return pwrite(fd, text, size, 0) == (ssize_t)size ? 0 : -errno;
}

static void on_end(int sig)
{
	if (imitation.fd >= 0)
		put(imitation.fd, imitation.before, imitation.before_size);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_end };

	for (size_t i = 0; i < ENDING; i++) {
		sigaction(ending[i], NULL, &imitation.action[i]);
		/* what is ignored stays ignored */
		if (imitation.action[i].sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
	}
}

static int begin(void)
{
	int fd = open(PARAMETER, O_RDWR | O_CLOEXEC), err;
	ssize_t size;

	if (fd < 0)
		return -errno;
	do
		err = flock(fd, LOCK_EX) ? -errno : 0;
	while (err == -EINTR);
	size = err ? 0 : pread(fd, imitation.before, sizeof(imitation.before), 0);
	if (err || size <= 0) {
		err = err ? err : size ? -errno : -EIO;
		close(fd);
		return err;
	}
	imitation.before_size = (size_t)size;
	imitation.fd = fd;
	watch_signals();
	return 0;
}

int imitation_begin(const char *what)
{
	int err = imitation.fd >= 0 ? 0 : begin();

	return err ? err : put(imitation.fd, what, strlen(what));
}

void imitation_end(void)
{
	if (imitation.fd < 0)
		return;
	put(imitation.fd, imitation.before, imitation.before_size);
	for (size_t i = 0; i < ENDING; i++)
		sigaction(ending[i], &imitation.action[i], NULL);
	close(imitation.fd);
	imitation.fd = -1;
}

int imitation_available(void)
{
	return access(PARAMETER, W_OK) ? -errno : 0;
}
