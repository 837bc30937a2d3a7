/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/serve.h>
#include "options.h"
#include "transaction.h"

/* Failures are out of line: a report is large, and served requests are many. */
#define COLD __attribute__((noinline, cold))

static COLD int refuse_request(const struct gmem_request *request, int code,
			       struct gmem_error *reterr_error)
{
	struct gmem_error error = {
		.call = "gmem_space_serve",
		.guest = true,
		.has_range = true,
		.offset = request->gpa,
		.size = request->size,
		.state = request->state,
	};

	return gmem_error_refuse(reterr_error, &error, code, GMEM_CAUSE_NOT_ALLOWED);
}

static COLD int refuse_call(int code, enum gmem_cause cause, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_space_serve", .guest = true };

	if (cause)
		return gmem_error_refuse(reterr_error, &error, code, cause);
	return gmem_error_refuse_options(reterr_error, &error, code);
}

/* A failure of another function, as one of this. */
static int rename_failure(int code, struct gmem_error *reterr_error)
{
	if (reterr_error) {
		reterr_error->call = "gmem_space_serve";
		reterr_error->guest = true;
	}
	return code;
}

static int convert(struct gmem_space *space, struct gmem_server *server,
		   const struct gmem_request *request, struct gmem_error *reterr_error)
{
	int r = 0;

	/* The caller knows whether the guest may have this. */
	if (server->allow)
		r = server->allow(request->gpa, request->size, request->state, server->allow_data);
	if (r != 0)
		return refuse_request(request, r == -EAGAIN ? -EAGAIN : -EACCES, reterr_error);
	return gmem_transaction(space, request->gpa, request->size, request->state, server->convert,
				"gmem_space_serve", GMEM_JOURNAL_REQUEST, reterr_error);
}

/* What is known of a server of this size is what a server of this version has. */
static int check_server(const struct gmem_server *server)
{
	struct gmem_server known;
	int r = 0;

	if (server->size != sizeof(known))
		r = gmem_options_read(&known, sizeof(known), sizeof(known), server);
	return r == 0 && server->reserved ? -EINVAL : r;
}

int gmem_space_serve(struct gmem_space *space, struct kvm_run *run, int run_result,
		     struct gmem_server *server, struct gmem_error *reterr_error)
{
	struct gmem_request request;
	bool hypercall;
	int r;

	if (!space || !run || !server)
		return refuse_call(-EINVAL, GMEM_CAUSE_ARGUMENT, reterr_error);
	r = check_server(server);
	if (r < 0)
		return refuse_call(r, GMEM_CAUSE_NONE, reterr_error);
	r = gmem_request_decode(run, run_result, &request, reterr_error);
	if (r == -ENODATA) {
		gmem_request_count(&server->repeats, NULL, 0, NULL);
		return r;
	}
	/* Of what makes no sense only a hypercall is EINVAL. */
	hypercall = r == 0 ? request.kind == GMEM_REQUEST_HYPERCALL : r == -EINVAL;
	if (r < 0) {
		rename_failure(r, reterr_error);
	} else {
		server->request = request;
		r = gmem_request_count(&server->repeats, &request, server->max_repeats,
				       reterr_error);
		if (r < 0)
			return rename_failure(r, reterr_error);
		r = convert(space, server, &request, reterr_error);
	}
	if (!hypercall)
		return r;
	server->result = r;
	gmem_request_answer(run, space->vm_type, r);
	return 0;
}
