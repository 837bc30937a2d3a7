/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs after a live update: retrieve session|vm|file|blob|slots, finish. */
#include <errno.h>
#include <unistd.h>

#include "run.h"
#include "vm-type.h"

static void run_retrieve_session(struct flow_run *run, const struct flow_step *step,
				 struct outcome *outcome)
{
	struct run_session *session = run_session(run, step);
	int err = gmem_session_retrieve(flow_arg(step, "name")->word, NULL, &session->session,
					run->report);

	if (err)
		outcome_failed(outcome, run, err);
	else
		outcome_done(outcome, "it came from the kernel before");
}

static void run_retrieve_vm(struct flow_run *run, const struct flow_step *step,
			    struct outcome *outcome)
{
	struct guestvm_options options = {
		.type = (unsigned int)flow_vm_type(run->flow, step->vm),
		.vcpus = (unsigned int)flow_number(step, "vcpus", 1),
		.adopt = true,
	};
	const char *failed;
	int err = gmem_retrieve_vm(run_session(run, step)->session, flow_number(step, "token", 0),
				   &options.vm_fd, run->report);

	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	err = guestvm_create(&options, &run->object[step->vm].vm.vm, &failed);
	if (err) {
		close(options.vm_fd);
		outcome_call_failed(outcome, failed, err);
		return;
	}
	outcome_done(outcome, "%s; %u new vCPU%s, no slots", vm_type_describe(options.type),
		     options.vcpus, options.vcpus == 1 ? "" : "s");
}

static void run_retrieve_file(struct flow_run *run, const struct flow_step *step,
			      struct outcome *outcome)
{
	struct run_session *session = run_session(run, step);
	struct run_file *file = run_file(run, step, "name");
	struct gmem_retrieve_options options = { .size = sizeof(options), .blob = session->blob };
	uint64_t token = flow_number(step, "token", 0);
	struct gmem_probe *probe = NULL;
	char text[32];
	int err = 0;

	/* of its VM, if that is back already: without it the file has no content policies */
	if (step->vm != SIZE_MAX && run->object[step->vm].vm.vm)
		err = gmem_probe_new(guestvm_vm_fd(run->object[step->vm].vm.vm), NULL, &probe,
				     run->report);
	options.probe = probe;
	if (!err)
		err = gmem_retrieve(session->session, token, &options, &file->gmem, run->report);
	gmem_probe_free(probe);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	file->vm = step->vm;
	file->session = flow_number(step, "session", 0);
	file->token = token;
	output_size(text, sizeof(text), gmem_get_size(file->gmem));
	outcome_done(outcome, "%s of guest memory%s", text,
		     session->blob ? ", as the blob says it was" : "");
}

static void run_retrieve_blob(struct flow_run *run, const struct flow_step *step,
			      struct outcome *outcome)
{
	struct run_session *session = run_session(run, step);
	struct gmem_blob_file file;
	struct gmem_blob_slot slot;
	struct gmem_blob *blob;
	uint64_t files = 0, slots = 0;
	int err = gmem_retrieve_blob(session->session, flow_number(step, "token", 0), &blob,
				     run->report);

	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	gmem_blob_free(session->blob);
	session->blob = blob;
	while (!gmem_blob_get_file(blob, files, &file))
		files++;
	while (!gmem_blob_get_slot(blob, slots, &slot))
		slots++;
	outcome_done(outcome, "it describes %llu file%s and %llu slot%s", (unsigned long long)files,
		     files == 1 ? "" : "s", (unsigned long long)slots, slots == 1 ? "" : "s");
}

/* The file that came out of a session under a token, SIZE_MAX if there is none. */
static size_t find_file(const struct flow_run *run, size_t session, uint64_t token)
{
	for (size_t i = 0; i < run->flow->objects; i++) {
		const struct run_file *file = &run->object[i].file;

		if (run->flow->object[i].kind == FLOW_FILE && file->gmem &&
		    file->session == session && file->token == token)
			return i;
	}
	return SIZE_MAX;
}

static void run_retrieve_slots(struct flow_run *run, const struct flow_step *step,
			       struct outcome *outcome)
{
	size_t session = flow_number(step, "session", 0);
	const struct gmem_blob *blob = run->object[session].session.blob;
	struct gmem_blob_slot slot;
	uint64_t n = 0;

	if (!blob) {
		outcome_broken(outcome, "the blob was not retrieved, which describes the slots");
		return;
	}
	for (; !gmem_blob_get_slot(blob, n, &slot); n++) {
		struct run_slot bound = {
			.vm = step->vm,
			.number = slot.slot,
			.gpa = slot.guest_address,
			.size = slot.size,
			.file = find_file(run, session, slot.token),
			.offset = slot.offset,
		};

		if (bound.file == SIZE_MAX) {
			outcome_broken(
				outcome,
				"slot %u is of the file with token %llu, which was not retrieved",
				slot.slot, (unsigned long long)slot.token);
			return;
		}
		if (!run_bind_slot(run, &bound, outcome))
			return;
	}
	outcome_done(outcome, "%llu slot%s bound again", (unsigned long long)n,
		     n == 1 ? " is" : "s are");
}

static void run_finish(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_session *session = run_session(run, step);
	int err = gmem_session_finish(session->session, run->report);

	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	run_release_session(session);
	outcome_done(outcome, "the kernel has forgotten it; what was retrieved stays");
}

static const char *check_vcpus(const struct flow_step *step)
{
	uint64_t vcpus = flow_number(step, "vcpus", 1);

	return vcpus < 1 || vcpus > GUESTVM_VCPUS_MAX ? "expected 1 to 64 vCPUs" : NULL;
}

const struct verb verbs_retrieve[] = {
	{
		.name = "retrieve session",
		.syntax = "<new-session:name>",
		.help = "take a session that the kernel before has sent",
		.needs = NEED_SESSION,
		.run = run_retrieve_session,
	},
	{
		.name = "retrieve vm",
		.syntax = "<new-vm:name> <session:session> <number:token> [vcpus <number:vcpus>]",
		.help = "get a VM back, with a new small guest in it",
		.check = check_vcpus,
		.run = run_retrieve_vm,
	},
	{
		.name = "retrieve file",
		.syntax = "<new-file:name> <session:session> <number:token>",
		.help = "get a file back, which must be as the blob says if that was retrieved",
		.run = run_retrieve_file,
	},
	{
		.name = "retrieve blob",
		.syntax = "<session:session> <number:token>",
		.help = "read what was known about the files of a session, and their slots",
		.run = run_retrieve_blob,
	},
	{
		.name = "retrieve slots",
		.syntax = "<session:session> [vm <vm:vm>]",
		.help = "bind the slots that the blob of a session describes",
		.run = run_retrieve_slots,
	},
	{
		.name = "finish",
		.syntax = "<end-session:session>",
		.help = "end an incoming session: what was not retrieved is destroyed",
		.run = run_finish,
	},
	{ 0 },
};
