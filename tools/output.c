/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Choosing a form of output. */
#include "output.h"

void output_init(struct output *output, enum output_form form, FILE *stream, int verbosity)
{
	static const struct output_ops *const forms[] = {
		[OUTPUT_HUMAN] = &output_human,
		[OUTPUT_JSON] = &output_json,
		[OUTPUT_TAP] = &output_tap,
	};

	*output = (struct output){ .ops = forms[form], .stream = stream, .verbosity = verbosity };
	output->colour = output_colour(stream);
}
