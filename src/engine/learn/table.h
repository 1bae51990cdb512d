/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table.h -- rows of numbers with a class each: what is learnt from by the models of this room.
 *
 * A row carries the group that it came from (a game, a person) and its time, because a row without
 * them cannot be split without leaks: whoever makes the features says where they come from. Values
 * are doubles, as serving has them; a value that is not finite counts as missing. Rows are named by
 * their index; a part of a table is a list of indices, and values are never copied for a split.
 */
#ifndef SKERRY_LEARN_TABLE_H
#define SKERRY_LEARN_TABLE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { LEARN_FEATURES_MAX = 1024, LEARN_CLASSES_MAX = 32 };
/* 4 GiB of 50 features is ten million rows; more does not fit the machines that this is for. */
enum { LEARN_ROWS_MAX = 10 * 1000 * 1000 };

struct learn_table {
    size_t feature_count, class_count;
    size_t row_count;
    double *values; /* row after row, feature_count each; owned, like the arrays below */
    uint8_t *labels;
    uint64_t *groups;
    int64_t *times;
    size_t row_room; /* private */
    size_t row_max;
};

/* ERR_INVALID above the maxima, or with fewer than one feature, two classes or one row. */
MUST_USE err learn_table_init(struct learn_table *t, size_t feature_count, size_t class_count,
                              size_t row_max);
void learn_table_deinit(struct learn_table *t); /* accepts all zero */
/* Copies feature_count values. ERR_INVALID for a label beyond the classes, ERR_TOO_BIG above
 * row_max. */
MUST_USE err learn_table_add(struct learn_table *t, const double *values, size_t label,
                             uint64_t group, int64_t time);
const double *learn_table_row(const struct learn_table *t, size_t row);

/* Some rows of a table, in an order; borrowed. */
struct learn_rows {
    const uint32_t *index;
    size_t count;
};

/* Mean and standard deviation (of the population) of each feature over the rows: what is missing is
 * left out. A feature that does not vary, or that is always missing, has scale 1. Both arrays hold
 * feature_count. */
void learn_table_scale(const struct learn_table *t, struct learn_rows rows, double *ret_mean,
                       double *ret_scale);
/* A value as models see it: how many scales from the mean, at most LEARN_SCALED_MAX; 0 for one that
 * is missing, as if it were the mean. */
#define LEARN_SCALED_MAX 1e4
static inline float learn_scaled(double value, double mean, double inverse_scale)
{
    double scaled = (value - mean) * inverse_scale;
    scaled = scaled < LEARN_SCALED_MAX ? scaled : LEARN_SCALED_MAX;
    scaled = scaled > -LEARN_SCALED_MAX ? scaled : -LEARN_SCALED_MAX;
    return isfinite(value) ? (float)scaled : 0;
}

/* Weights that make every class count the same: count / (classes there * count of the class); 0 for
 * a class that is not there. The array holds class_count. */
void learn_table_class_weights(const struct learn_table *t, struct learn_rows rows,
                               double *ret_weights);

#endif
