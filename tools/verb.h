/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a verb is. To add one: add an entry to the table of the verb-*.c file that it belongs to,
 * and describe it in gmem_flow(5). Nothing else has to know.
 *
 * Syntax: words separated by blanks.
 *   word              must stand there as it is
 *   <kind:key>        an argument, kept under the key
 *   {key:one|two}     one of these words; the number of the argument is its index
 *   [word ...]        optional, recognised by its first word; all optional parts are at the end and
 *                     may come in any order. [word] alone is kept under the key "word".
 * Kinds:
 *   number            decimal or 0x..., with K, M, G or T: also offsets, sizes, addresses
 *   errno             a name such as EAGAIN
 *   pattern           "zero", "value N" or "seed N"
 *   type              a VM type: "default", "sw-protected" or a number
 *   text              "in quotes"
 *   vm file mapping pin process session    an object that an earlier line made
 *   new-vm new-file ...            a name for an object made here
 *   end-file end-mapping ...       an object released here
 *
 * A step with an argument "in" runs in the child process that it names.
 */
#ifndef GMEMCTL_VERB_H
#define GMEMCTL_VERB_H

#include "flow.h"

struct flow_run;
struct outcome;

/* What a step needs of the kernel, of KVM and of the build; more than one may be set. */
enum need {
	NEED_MAP = 1 << 0,	   /* GMEM_FEATURE_MAP */
	NEED_INIT_SHARED = 1 << 1, /* GMEM_FEATURE_INIT_SHARED */
	NEED_CONVERT = 1 << 2,	   /* GMEM_FEATURE_CONVERT */
	NEED_HYPERCALL = 1 << 3,   /* the guest can ask for conversions */
	NEED_PIN = 1 << 4,	   /* built with liburing, and io_uring is allowed */
	NEED_FILE = 1 << 5,	   /* GMEM_FEATURE_CREATE */
	NEED_IN_PLACE = 1 << 6,	   /* GMEM_FEATURE_IN_PLACE */
	NEED_IMITATE = 1 << 7,	   /* kvm.gmem_imitate can be set */
	NEED_POLICY = 1 << 8,	   /* GMEM_FEATURE_POLICY */
	NEED_QUERY = 1 << 9,	   /* GMEM_FEATURE_QUERY */
	NEED_PRESERVE = 1 << 10,   /* GMEM_FEATURE_LIVE_UPDATE */
	NEED_MIXED = 1 << 11,	   /* GMEM_FEATURE_LIVE_UPDATE_MIXED */
	NEED_SESSION = 1 << 12,	   /* /dev/liveupdate can be opened */
	NEED_STAGES = 1 << 13,	   /* the kernel is replaced under gmemctl, as the lab does it */
	NEEDS = 14
};

struct verb {
	const char *name;   /* one or two words */
	const char *syntax; /* NULL: no arguments */
	const char *help;   /* one line */
	unsigned int needs;
	/* what is wrong with the arguments, NULL if nothing is; may be NULL */
	const char *(*check)(const struct flow_step *step);
	/* needs that depend on the arguments; may be NULL */
	unsigned int (*more_needs)(const struct flow_step *step);
	/* NULL: said by the output, nothing to do */
	void (*run)(struct flow_run *run, const struct flow_step *step, struct outcome *outcome);
	/* for the forms of "expect": what they set in the step before; then run is not called */
	void (*expect)(const struct flow_step *line, struct flow_expect *expect);
	/* the kernel is replaced here, unless the argument "refused" is there */
	bool updates;
};

/* The tables, each ended by an entry without a name (verbs.c). */
extern const struct verb *const verb_tables[];
extern const struct verb verbs_vm[];
extern const struct verb verbs_file[];
extern const struct verb verbs_host[];
extern const struct verb verbs_guest[];
extern const struct verb verbs_request[];
extern const struct verb verbs_pin[];
extern const struct verb verbs_process[];
extern const struct verb verbs_imitate[];
extern const struct verb verbs_raw[];
extern const struct verb verbs_level[];
extern const struct verb verbs_preserve[];
extern const struct verb verbs_retrieve[];
extern const struct verb verbs_expect[];

/*
 * The verb of a line: second is its second word or NULL. ret_words: how many words the name has.
 * NULL if there is none.
 */
const struct verb *verb_find(const char *first, const char *second, size_t *ret_words);

/* The n-th verb of all, NULL after the last. */
const struct verb *verb_at(size_t n);

/* The syntax for people: "file NAME SIZE private|shared [mappable]". Returns as snprintf(3). */
int verb_usage(const struct verb *verb, char *buffer, size_t size);

#endif
