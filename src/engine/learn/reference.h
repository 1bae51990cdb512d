/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reference.h -- what a model saw and said when it was made, in ten bins each: what later inputs
 * and answers are compared with, to tell whether the world has changed. It stands in the model's
 * card, as the member "reference" of its metrics. */
#ifndef SKERRY_LEARN_REFERENCE_H
#define SKERRY_LEARN_REFERENCE_H

#include <stdbool.h>

#include "base/json.h"
#include "engine/learn/table.h"

enum { LEARN_REFERENCE_BINS = 10, LEARN_WATCHED_MAX = 16 };

struct learn_reference {
    /* Share of answers by the tenth in which the likeliest class's probability is: of rows that did
     * not train, because of its own a model is too sure. */
    double confidence[LEARN_REFERENCE_BINS];
    /* Columns of the table. A bin holds what is below its edge, the last one the rest: tenths of
     * the rows, as far as values differ. What is missing is in the last bin. */
    size_t watched_count;
    struct learn_watched {
        size_t column;
        double edges[LEARN_REFERENCE_BINS - 1], shares[LEARN_REFERENCE_BINS];
    } watched[LEARN_WATCHED_MAX];
};

/* Adds one answer; afterwards learn_reference_close makes shares of the counts. */
void learn_reference_answer(struct learn_reference *r, double confidence);
void learn_reference_close(struct learn_reference *r);
/* Of the first row_count rows of the table. ERR_NO_MEMORY. */
MUST_USE err learn_reference_watch(struct learn_reference *r, const struct learn_table *t,
                                   size_t column);

/* As an object. */
void learn_reference_write(const struct learn_reference *r, struct json_out *w);
/* False when it is not there, or not what was written. */
bool learn_reference_read(const struct json *node, struct learn_reference *ret_reference);

#endif
