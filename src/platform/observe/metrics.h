/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metrics.h -- counters, gauges and histograms, exposed as Prometheus text 0.0.4 and
 * OpenMetrics 1.0.
 *
 * A family is a const table row (name, type, help, label names, buckets), declared by the room or
 * app that owns it. A cell is one label set of a family; cells are made when first asked for, and
 * live as long as the registry, so hot code asks once and keeps the pointer. Adding is one atomic
 * operation. A family has at most `cells_max` label sets (default 256); beyond, all further sets
 * share one cell whose label values are "other", and skerry_metrics_overflow_total counts them.
 */
#ifndef SKERRY_OBSERVE_METRICS_H
#define SKERRY_OBSERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum metric_type { METRIC_UNSET, METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum { METRIC_LABELS_MAX = 8, METRIC_BUCKETS_MAX = 24, METRIC_CELLS_DEFAULT = 256 };

struct metric_family {
    const char
        *name; /* counters end in _total; units in the name: _seconds, _bytes. NULL ends a table */
    enum metric_type type;
    const char *help;
    const char *labels[METRIC_LABELS_MAX]; /* names; the first NULL ends them */
    const double *buckets; /* histograms: ascending upper bounds without +Inf; NULL = default */
    size_t bucket_count;
    size_t cells_max; /* 0 means METRIC_CELLS_DEFAULT */
};

/* Seconds: 50 us to 10 s, for requests and predictions. */
extern const double METRIC_BUCKETS_LATENCY[];
extern const size_t METRIC_BUCKETS_LATENCY_COUNT;

struct metrics;
struct metric_cell;

MUST_USE err metrics_open(struct metrics **ret_metrics);
void metrics_close(struct metrics *m);

/* Registers every family of a table that ends with a NULL name. A family without labels gets its
 * cell at once, so that it is exposed as zero from the start. ERR_CONFLICT for a name registered
 * twice. */
MUST_USE err metrics_register(struct metrics *m, const struct metric_family *families);

/* Values are cut at 200 bytes and made valid UTF-8.
 * The cell of a label set (as many values as the family has labels, in their order; NULL label
 * values read as ""). Never fails: an unknown family (our mistake) asserts, a full family gives the
 * shared cell, and a machine without memory one that takes the numbers but is not shown. The
 * pointer stays valid. Any thread. */
struct metric_cell *metric_cell(struct metrics *m, const struct metric_family *family,
                                const str *label_values, size_t count);
#define METRIC_CELL(m, family, ...)                          \
    metric_cell((m), (family), (const str[]){ __VA_ARGS__ }, \
                sizeof((const str[]){ __VA_ARGS__ }) / sizeof(str))
struct metric_cell *metric_cell_plain(struct metrics *m, const struct metric_family *family);

void metric_add(struct metric_cell *cell, double amount);    /* counter (amount >= 0) or gauge */
void metric_set(struct metric_cell *cell, double value);     /* gauge */
void metric_observe(struct metric_cell *cell, double value); /* histogram */
double metric_value(const struct metric_cell *cell);         /* histogram: the count */
/* Quantile 0..1 of a histogram, interpolated within its bucket; NAN when empty. */
double metric_quantile(const struct metric_cell *cell, double q);

/* Drops the label sets of `family` in which label `label` has `value` (a finished run's gauges).
 * The cells' memory stays; a later metric_cell with the same labels starts from zero. A pointer to
 * a dropped cell may be written to without harm until cells_max later drops: then the cell is used
 * again. */
void metrics_drop(struct metrics *m, const struct metric_family *family, const char *label,
                  str value);

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };
/* Everything, families sorted by name. Consistent per cell, not across cells. */
void metrics_write(struct metrics *m, enum metrics_format format, struct buf *out);

/* Walks every exposed cell, for the sampler that keeps history: one call per series, histograms as
 * their _count, _sum and buckets. `labels` is the text between the braces. fn runs under the
 * registry's lock: it may not call anything of this header but metric_add, metric_set and
 * metric_observe. */
void metrics_each(struct metrics *m,
                  void (*fn)(void *arg, const char *name, str labels, double value), void *arg);

#endif
