/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Children of a flow. A child has what the flow had made when it was forked: descriptors, mappings,
 * and a copy of what gmemctl knows about them. It is told numbers of steps, runs them, and sends
 * outcomes back. It ends when the other end of its socket is closed, however that happens.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

static _Noreturn void serve(struct flow_run *run, int socket)
{
	struct outcome outcome;
	size_t index;

	while (recv(socket, &index, sizeof(index), 0) == sizeof(index)) {
		outcome = (struct outcome){ 0 };
		run_alone(run, &run->flow->step[index], &outcome);
		if (send(socket, &outcome, sizeof(outcome), MSG_NOSIGNAL) != sizeof(outcome))
			break;
	}
	/* what the flow has made is the parent's to release */
	_exit(0);
}

int process_fork(struct flow_run *run, struct run_process *process)
{
	int sockets[2], err = 0;
	pid_t pid;

	/* packets: each is whole, or the other end is gone */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	/* what is buffered would be written twice */
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(sockets[0]);
		/* an imitation is the parent's to end */
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		*process = (struct run_process){ getpid(), -1 };
		serve(run, sockets[1]);
	}
	if (pid < 0)
		err = -errno;
	close(sockets[1]);
	if (err)
		close(sockets[0]);
	else
		*process = (struct run_process){ pid, sockets[0] };
	return err;
}

void process_run_step(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	const struct flow_arg *in = flow_arg(step, "in");
	struct run_process *process = &run->object[in->number].process;
	size_t index = (size_t)(step - run->flow->step);
	ssize_t size = -1;

	if (process->pid && send(process->socket, &index, sizeof(index), MSG_NOSIGNAL) > 0)
		do
			size = recv(process->socket, outcome, sizeof(*outcome), 0);
		while (size < 0 && errno == EINTR);
	if (size != sizeof(*outcome))
		outcome_broken(outcome, "the process %s has ended", in->word);
}

int process_end(struct run_process *process)
{
	int status = 0;

	if (!process->pid)
		return 0;
	/* a child that was forked later may have this end of the socket, too */
	shutdown(process->socket, SHUT_RDWR);
	close(process->socket);
	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		;
	process->pid = 0;
	return status;
}
