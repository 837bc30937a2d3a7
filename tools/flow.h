/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A flow as it is read: a list of steps, each a verb with its arguments, all names resolved.
 *
 * A flow is read completely, with every number checked, before any of it runs. What a verb takes is
 * said by its entry in a verb table (verb.h); the parser knows no verb.
 */
#ifndef GMEMCTL_FLOW_H
#define GMEMCTL_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_SIZE_MAX  (1u << 20) /* bytes of a flow file */
#define FLOW_LINE_MAX  512	  /* bytes of a line */
#define FLOW_WORDS_MAX 32	  /* words of a line */
#define FLOW_NAME_MAX  31	  /* bytes of a name */
#define FLOW_ARGS_MAX  12	  /* arguments of a step */

struct verb;

/* What a flow gives names to. */
enum flow_object_kind {
	FLOW_VM,
	FLOW_FILE,
	FLOW_MAPPING,
	FLOW_PIN,
	FLOW_PROCESS,
	FLOW_SESSION,
	FLOW_OBJECT_KINDS
};

struct flow_object {
	enum flow_object_kind kind;
	char name[FLOW_NAME_MAX + 1];
	unsigned int line;
	size_t vm;  /* the VM it belongs to (index); for a VM its own index */
	bool ended; /* a step has released it: the name is free again */
};

/* What guest and host memory is filled with, or expected to hold. */
enum flow_pattern {
	FLOW_PATTERN_VALUE, /* every u64 is one value; "zero" is value 0 */
	FLOW_PATTERN_SEED,  /* guestvm_pattern() */
};

/* One argument. key points into the verb's syntax. */
struct flow_arg {
	const char *key;
	size_t key_size;
	uint64_t number; /* a number; an object's index; a choice's index; an errno (positive) */
	bool object;	 /* number is the index of an object */
	enum flow_pattern pattern;
	const char *word; /* as it was written, first word */
};

/* How a step ends. */
enum flow_outcome {
	FLOW_DONE,
	FLOW_ERROR,	   /* a call failed: err, perhaps offset */
	FLOW_SIGBUS,	   /* a host access was refused: offset in the mapping */
	FLOW_DIFFERS,	   /* contents or state are not what the step looked for: offset */
	FLOW_MEMORY_FAULT, /* KVM_EXIT_MEMORY_FAULT: offset is the GPA, private_wanted */
	FLOW_MMIO,	   /* the guest touched a place without a slot: offset is the GPA */
	FLOW_REFUSED,	   /* the guest's request was answered with an errno: err */
	FLOW_BROKEN, /* the step makes no sense now, or the tool has no memory: always a failure */
	FLOW_OUTCOMES
};

/* What a step is expected to end with: from the "expect" line after it. */
struct flow_expect {
	unsigned int line; /* 0: none, FLOW_DONE is expected */
	enum flow_outcome outcome;
	int err; /* positive */
	bool has_offset;
	uint64_t offset;
	bool has_value;
	uint64_t value;
	bool private_wanted;
	/* of a query, see extents.c: all extents, or the one state of all, as text; NULL: any */
	const char *extents, *state;
	bool has_allocated;
	uint64_t allocated;
	const char *text; /* the line */
};

struct flow_step {
	const struct verb *verb;
	unsigned int line;
	const char *text; /* the line, blanks squeezed, without its comment */
	size_t args;
	struct flow_arg arg[FLOW_ARGS_MAX];
	size_t vm; /* the VM it is about (index of the object), SIZE_MAX: none */
	struct flow_expect expect;
};

struct flow {
	const char *name; /* of the file, printable */
	char **summary;	  /* the comment lines at the top, without licence lines */
	size_t summaries;
	struct flow_step *step;
	size_t steps;
	size_t updates; /* steps at which the kernel is replaced: the flow goes on in the next stage
			 */
	struct flow_object *object;
	size_t objects;
	char *words; /* memory of all words and lines */
};

/* A mistake in a flow. */
struct flow_mistake {
	unsigned int line;
	unsigned int column; /* in bytes, from 1 */
	char text[800];
};

/*
 * Read a flow. text need not be terminated.
 * -EINVAL: there is a mistake, ret_mistake tells the first one; -ENOMEM.
 */
int flow_parse(const char *name, const char *text, size_t size, struct flow **ret_flow,
	       struct flow_mistake *ret_mistake);
void flow_free(struct flow *flow);

/* Put a question mark for every byte that is not printable UTF-8. */
void flow_make_printable(char *text);

/* Whether the kernel is replaced at a step, and with it all that the flow has made. */
bool flow_updates(const struct flow_step *step);
/* The steps from here on of a stage: the first one, and the one after the last. */
void flow_stage(const struct flow *flow, size_t stage, size_t *ret_first, size_t *ret_end);

/* The argument of a key, NULL if the step does not have it. */
const struct flow_arg *flow_arg(const struct flow_step *step, const char *key);
/* Its number, or a default. */
uint64_t flow_number(const struct flow_step *step, const char *key, uint64_t fallback);

/*
 * "4096", "0x1000", "4K", "2M", "1G", "1T" -> bytes. -EINVAL: no number; -ERANGE: 2^64 or more.
 */
int flow_parse_number(const char *word, uint64_t *ret_number);

/* The kinds of objects, for messages: "VM", "file", "mapping", ... */
const char *flow_object_kind_name(enum flow_object_kind kind);

#endif
