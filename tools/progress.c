/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A line on the terminal while a step takes more than a second. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

struct progress {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct flow_step *step; /* the one that runs, NULL between steps */
	unsigned int shown;	      /* seconds on the terminal, 0: nothing is */
	bool quit;
};

/* With the lock held: wait until something changes or a second is over. True: a second. */
static bool wait_second(struct progress *progress)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	return pthread_cond_timedwait(&progress->changed, &progress->lock, &until) == ETIMEDOUT;
}

static void *show(void *data)
{
	struct progress *progress = data;

	pthread_mutex_lock(&progress->lock);
	while (!progress->quit) {
		if (!progress->step)
			pthread_cond_wait(&progress->changed, &progress->lock);
		else if (wait_second(progress) && progress->step)
			fprintf(stderr, "\r%4u  %.60s ... %u s\033[K", progress->step->line,
				progress->step->text, ++progress->shown);
	}
	pthread_mutex_unlock(&progress->lock);
	return NULL;
}

int progress_new(struct progress **ret_progress)
{
	struct progress *progress;
	pthread_condattr_t attr;

	if (!isatty(STDERR_FILENO))
		return -ENOTTY;
	progress = calloc(1, sizeof(*progress));
	if (!progress)
		return -ENOMEM;
	pthread_mutex_init(&progress->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&progress->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&progress->thread, NULL, show, progress)) {
		free(progress);
		return -EAGAIN;
	}
	*ret_progress = progress;
	return 0;
}

static void set_step(struct progress *progress, const struct flow_step *step, bool quit)
{
	if (!progress)
		return;
	pthread_mutex_lock(&progress->lock);
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = 0;
	progress->step = step;
	progress->quit = quit;
	pthread_cond_signal(&progress->changed);
	pthread_mutex_unlock(&progress->lock);
}

void progress_start(struct progress *progress, const struct flow_step *step)
{
	set_step(progress, step, false);
}

void progress_stop(struct progress *progress)
{
	set_step(progress, NULL, false);
}

void progress_free(struct progress *progress)
{
	if (!progress)
		return;
	set_step(progress, NULL, true);
	pthread_join(progress->thread, NULL);
	pthread_cond_destroy(&progress->changed);
	pthread_mutex_destroy(&progress->lock);
	free(progress);
}
