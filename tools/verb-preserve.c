/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Verbs before a live update: session, preserve vm|file|blob, unpreserve, frozen, live-update.
 * Those after it are in verb-retrieve.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "run.h"

void run_release_session(struct run_session *session)
{
	gmem_session_release(session->session);
	gmem_blob_free(session->blob);
	*session = (struct run_session){ NULL, NULL };
}

static void run_session_verb(struct flow_run *run, const struct flow_step *step,
			     struct outcome *outcome)
{
	struct run_session *session = run_session(run, step);
	const char *name = flow_arg(step, "name")->word;
	int err = gmem_blob_new(&session->blob, run->report);

	if (!err)
		err = gmem_session_create(name, NULL, &session->session, run->report);
	if (err)
		outcome_failed(outcome, run, err);
	else
		outcome_done(outcome, "what is preserved in it goes to the next kernel");
}

static void run_preserve_vm(struct flow_run *run, const struct flow_step *step,
			    struct outcome *outcome)
{
	uint64_t token = flow_number(step, "token", 0);
	int vm = guestvm_vm_fd(run->object[flow_number(step, "vm", 0)].vm.vm);
	int err = gmem_preserve_vm(run_session(run, step)->session, vm, token, run->report);

	if (err)
		outcome_failed(outcome, run, err);
	else
		outcome_done(outcome, "of the VM its type comes through, and no slot or vCPU");
}

static void run_preserve_file(struct flow_run *run, const struct flow_step *step,
			      struct outcome *outcome)
{
	const struct gmem_preserve_options options = {
		.size = sizeof(options),
		.mixed = flow_arg(step, "mixed") != NULL,
	};
	struct run_session *session = run_session(run, step);
	struct run_file *file = run_file(run, step, "file");
	uint64_t token = flow_number(step, "token", 0);
	int err = gmem_preserve(session->session, file->gmem, token, &options, run->report);

	if (!err)
		err = gmem_blob_add_file(session->blob, token, file->gmem, run->report);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	file->session = flow_number(step, "session", 0);
	file->token = token;
	outcome_done(outcome, "frozen: bytes%s come through as they are at the kexec",
		     options.mixed ? " and states" : "");
}

/* The slots of files that the blob describes. */
static int describe_slots(struct flow_run *run, size_t session, struct gmem_blob *blob)
{
	int err = 0;

	for (size_t i = 0; !err && i < run->slots; i++) {
		const struct run_slot *slot = &run->slot[i];
		const struct run_file *file = &run->object[slot->file].file;
		const struct gmem_blob_slot described = {
			.slot = slot->number,
			.guest_address = slot->gpa,
			.size = slot->size,
			.token = file->token,
			.offset = slot->offset,
		};

		if (file->session == session)
			err = gmem_blob_add_slot(blob, &described, run->report);
	}
	return err;
}

static void run_preserve_blob(struct flow_run *run, const struct flow_step *step,
			      struct outcome *outcome)
{
	struct run_session *session = run_session(run, step);
	int err = describe_slots(run, flow_number(step, "session", 0), session->blob);

	if (!err)
		err = gmem_preserve_blob(session->session, session->blob,
					 flow_number(step, "token", 0), run->report);
	if (err)
		outcome_failed(outcome, run, err);
	else
		outcome_done(outcome, "files with their states, and their slots, are written down");
}

static void run_unpreserve(struct flow_run *run, const struct flow_step *step,
			   struct outcome *outcome)
{
	size_t session = flow_number(step, "session", 0);

	for (size_t i = 0; i < run->flow->objects; i++)
		if (run->flow->object[i].kind == FLOW_FILE && run->object[i].file.gmem &&
		    run->object[i].file.session == session)
			run->object[i].file.session = SIZE_MAX;
	run_release_session(&run->object[session].session);
	outcome_done(outcome, "closed: nothing is preserved in it any more, nothing frozen");
}

static void run_frozen(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_file *file = run_file(run, step, "file");
	bool wanted = flow_number(step, "frozen", 0) == 0;
	struct gmem_live_update now;
	int err = gmem_get_live_update(file->gmem, &now, run->report);

	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	outcome_done(outcome, "%s%s%s%s", now.frozen ? "preserved, and so frozen" : "not preserved",
		     now.retrieved ? "; came out of a live update" : "",
		     now.refusal ? "; would be refused now: " : "", now.refusal ? now.refusal : "");
	if (now.frozen != wanted)
		outcome->outcome = FLOW_DIFFERS;
}

/* A process that has all sessions open when this one is gone, up to the kexec. */
static int leave_holder(void)
{
	pid_t pid;

	/* what is buffered would be written twice */
	fflush(NULL);
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : 0;
	setsid();
	signal(SIGHUP, SIG_IGN);
	for (int fd = 0; fd <= 2; fd++) {
		close(fd);
		open("/dev/null", O_RDWR);
	}
	for (;;)
		pause();
}

static void run_live_update(struct flow_run *run, const struct flow_step *step,
			    struct outcome *outcome)
{
	int err;

	(void)run;
	if (flow_arg(step, "refused")) {
		fflush(NULL);
		sync();
		reboot(RB_KEXEC);
		outcome_call_failed(outcome, "reboot(LINUX_REBOOT_CMD_KEXEC)", -errno);
		return;
	}
	err = leave_holder();
	if (err)
		outcome_call_failed(outcome, "fork", err);
	else
		outcome_done(outcome,
			     "a process holds the sessions; all else is gone with this kernel");
}

static unsigned int preserve_file_needs(const struct flow_step *step)
{
	return flow_arg(step, "mixed") ? NEED_MIXED : 0;
}

const struct verb verbs_preserve[] = {
	{
		.name = "session",
		.syntax = "<new-session:name>",
		.help = "begin a session of a live update, in which things are preserved",
		.needs = NEED_SESSION,
		.run = run_session_verb,
	},
	{
		.name = "preserve vm",
		.syntax = "<vm:vm> <session:session> <number:token>",
		.help = "preserve a VM in a session, under a number",
		.needs = NEED_PRESERVE,
		.run = run_preserve_vm,
	},
	{
		.name = "preserve file",
		.syntax = "<file:file> <session:session> <number:token> [mixed]",
		.help = "freeze a file and preserve it; with \"mixed\" also if it has private pages",
		.needs = NEED_PRESERVE,
		.more_needs = preserve_file_needs,
		.run = run_preserve_file,
	},
	{
		.name = "preserve blob",
		.syntax = "<session:session> <number:token>",
		.help = "preserve what is known about the files of a session, and their slots",
		.run = run_preserve_blob,
	},
	{
		.name = "unpreserve",
		.syntax = "<end-session:session>",
		.help = "close a session: all that it preserves is as it was before",
		.run = run_unpreserve,
	},
	{
		.name = "frozen",
		.syntax = "<file:file> {frozen:yes|no}",
		.help = "check whether a file is frozen, because it is preserved",
		.needs = NEED_PRESERVE,
		.run = run_frozen,
	},
	{
		.name = "live-update",
		.syntax = "[refused]",
		.help = "go on in the next kernel; with \"refused\", try it in vain",
		.needs = NEED_STAGES | NEED_SESSION,
		.run = run_live_update,
		.updates = true,
	},
	{ 0 },
};
