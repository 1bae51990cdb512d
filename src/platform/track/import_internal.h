/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_internal.h -- what the files of import.h share. */
#ifndef SKERRY_TRACK_IMPORT_INTERNAL_H
#define SKERRY_TRACK_IMPORT_INTERNAL_H

#include "base/map.h"
#include "platform/track/import.h"
#include "platform/track/track_internal.h"

enum { IMPORT_SUM_WORDS = 4, IMPORT_MARK_BYTES = 64 };

/* A digest of rows in any order: the SHA-256 of each, added up word by word. */
struct import_sum {
    uint64_t words[IMPORT_SUM_WORDS];
};

struct import_line {
    enum import_kind kind;
    const struct store_value *values;
};

struct import_tally {
    struct import_counts counts[IMPORT_KIND_COUNT];
    struct import_sum sums[IMPORT_KIND_COUNT]; /* of the source's rows */
    int64_t elsewhere, bytes;                  /* artifact roots we cannot read; bytes of files */
};

struct import_difference {
    enum import_kind kind;
    char what[160];
};

struct import {
    struct run *run;
    struct track *track;
    str source;
    char mark[IMPORT_MARK_BYTES]; /* key of the tag that tells what something here was there */
    arena keep;                   /* as long as the import */

    arena memory; /* of the batch */
    struct import_line *lines;
    size_t line_count, line_bytes;
    struct blob_id *pins;
    size_t pin_count;

    struct import_tally tally;  /* what is committed, and what is in the batch */
    struct import_tally placed; /* as it was at the last place */
    struct import_sum here[IMPORT_KIND_COUNT];
    int stage;
    char after[IMPORT_AFTER_BYTES_MAX + 1];
    struct import_difference *differences;
    size_t difference_count;
    char elsewhere[200]; /* the first such root */
};

enum import_parent { PARENT_RUN, PARENT_LOGGED_MODEL, PARENT_TRACE, PARENT_COUNT };

/* What a write of one batch finds out: made anew each time it runs. */
struct import_write {
    struct import *im;
    struct import_counts counts[IMPORT_KIND_COUNT]; /* added, same, different, skipped */
    struct import_difference *differences;
    size_t difference_count;
    arena keep; /* metric keys and the like */
    struct map experiments, models, metrics;
    /* The parent asked for last, which is mostly that of the next row. */
    str parent[PARENT_COUNT];
    bool parent_is_here[PARENT_COUNT];
};

struct import_shape {
    const char *name;    /* in reports */
    const char *columns; /* types, as in import.h */
    const char *summed;  /* places of the columns that the digest covers, as digits; NULL: none */
};
extern const struct import_shape import_shapes[IMPORT_KIND_COUNT];

void import_sum_add(struct import_sum *sum, const char *places, const struct store_value *values);

/* Puts all lines of the batch. */
MUST_USE err import_put(struct store_tx *tx, struct import_write *w);
/* Counts one row: added, or here already, and then whether is_same (NULL: it is) counts any. */
MUST_USE err import_settle(struct store_tx *tx, struct import_write *w,
                           const struct import_line *line, int64_t added, const char *is_same,
                           struct store_args args);
/* Is what a row belongs to here? */
MUST_USE err import_has_parent(struct store_tx *tx, struct import_write *w,
                               enum import_parent parent, str id, bool *ret_has);
MUST_USE err import_put_trace(struct store_tx *tx, struct import_write *w,
                              const struct import_line *line);
MUST_USE err import_put_registry(struct store_tx *tx, struct import_write *w,
                                 const struct import_line *line);
/* All metric points of the batch. */
MUST_USE err import_put_metrics(struct store_tx *tx, struct import_write *w);
/* The number that an experiment of the source has here; -1: it is not here. */
MUST_USE err import_experiment(struct store_read *rd, struct import *im, int64_t source_id,
                               int64_t *ret_id);

/* The same, remembered for the batch. */
MUST_USE err import_experiment_of(struct store_tx *tx, struct import_write *w, int64_t source_id,
                                  int64_t *ret_id);

#define IMPORT_TAG_SOURCE "skerry.imported_from"

#endif
