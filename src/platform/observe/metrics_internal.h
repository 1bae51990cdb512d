/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metrics_internal.h -- what metrics.c and metrics_text.c share: how families and cells are laid
 * out.
 *
 * The registry lock guards everything but the numbers. The numbers are atomic, so that adding never
 * waits for an exposition that is under way.
 */
#ifndef SKERRY_OBSERVE_METRICS_INTERNAL_H
#define SKERRY_OBSERVE_METRICS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/map.h"
#include "platform/observe/metrics.h"

struct metric_entry;

/* Cells of different threads must not share a cache line: 64 bytes. */
struct metric_cell {
    struct metric_entry *entry;
    _Atomic uint64_t
        real_bits;          /* a double: gauge value, histogram sum, fractional part of a counter */
    _Atomic uint64_t whole; /* whole amounts of a counter: one fetch-and-add */
    _Atomic uint64_t *buckets; /* histogram: bucket_count + 1, not cumulative */
    char *values; /* label values, each with a NUL behind: the key in the family's map */
    size_t values_bytes;
    char *labels; /* rendered once: a="x",b="y" */
    size_t labels_len;
    struct list_link link; /* in the family's live or dropped list; guarded by the registry lock */
    bool is_dropped;
} __attribute__((aligned(64)));

struct metric_entry {
    const struct metric_family *family;
    struct metrics *registry;
    size_t label_count;
    const double *buckets;
    size_t bucket_count;
    size_t cells_max;
    struct metric_cell *shared; /* the "other" cell of a full family; NULL before that */
    struct metric_cell *lost;   /* never shown: takes what there is no memory to count apart */
    struct map cells;           /* by label values */
    struct list live, dropped;  /* both oldest first */
    size_t live_count, dropped_count;
};

struct metrics {
    pthread_mutex_t lock;         /* guards all below but the numbers in cells */
    struct map by_name;           /* family name -> struct metric_entry */
    struct metric_entry **sorted; /* by name */
    size_t count, cap;
};

double metric_bits_load(const _Atomic uint64_t *bits);
double metric_cell_number(const struct metric_cell *cell); /* counter or gauge */

#endif
