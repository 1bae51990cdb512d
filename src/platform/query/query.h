/* SPDX-License-Identifier: GPL-3.0-or-later */
/* query.h -- questions in PromQL about our metrics and in LogQL about our log lines.
 *
 * A text is parsed into a tree (query_parse) and the tree is evaluated at one moment or at evenly
 * spaced ones (query_run), against sources: where samples and lines come from. Both languages share
 * one parser and one evaluator; a LogQL metric query is an expression over counted lines. What is
 * supported is listed in docs/observability.md; anything else is an error that names it and its
 * position.
 *
 * Texts come from strangers, so everything has a maximum: the length and depth of the text, series,
 * values, samples looked at, and time. One query is one thread's.
 *
 * Errors: ERR_INVALID for the text or the times, ERR_CONFLICT where labels do not allow what is
 * asked, ERR_TOO_BIG and ERR_NO_MEMORY over a maximum, ERR_TIMEOUT, and those of the sources.
 */
#ifndef SKERRY_QUERY_H
#define SKERRY_QUERY_H

#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"

enum {
    QUERY_BYTES_MAX = 16 * 1024, /* of the text */
    QUERY_DEPTH_MAX = 64,        /* of parentheses, calls and signs */
    QUERY_OPERATORS_MAX = 256,
    QUERY_STEPS_MAX = 11000,    /* moments of one question, as Prometheus has it */
    QUERY_SERIES_MAX = 10000,   /* of one part of an expression: 500 routes have 7,500 buckets */
    QUERY_VALUES_MAX = 4000000, /* series x moments of one part: 32 MB */
    QUERY_SAMPLES_MAX = 50000000,
    QUERY_LINES_MAX = 5000,               /* log lines of one answer */
    QUERY_ARENA_BYTES = 96 * 1024 * 1024, /* what to give the arena of a run */
    QUERY_LOOKBACK_MS = 5 * 60 * 1000,    /* how old the value of a series may be */
    QUERY_TIMEOUT_MS = 10000,
};

enum query_language { QUERY_PROMQL, QUERY_LOGQL };

struct query;
/* Lives in keep; `text` must live as long. */
MUST_USE err query_parse(arena *keep, enum query_language language, str text,
                         struct query **ret_query);
/* True for a LogQL query that asks for lines rather than for numbers. */
bool query_wants_lines(const struct query *q);

/* ------------------------------------------------------------------ labels */

struct label {
    str name, value;
};
/* Sorted by name, without empty values. The name of a metric is the label __name__. */
struct labels {
    const struct label *items;
    size_t count;
};
#define LABELS_NAME STR("__name__")
/* Empty when there is none. */
str labels_get(struct labels labels, str name);
/* A label set from pairs in any order; the texts are borrowed. */
MUST_USE err labels_make(arena *keep, const struct label *pairs, size_t count,
                         struct labels *ret_labels);
/* name and 'a="x",b="y"' as a metrics registry or the history has them. Texts without a backslash
 * are slices of the input. ERR_INVALID when it is not that. */
MUST_USE err labels_parse(arena *keep, str name, str text, struct labels *ret_labels);
void labels_json(struct labels labels, struct json_out *out);

/* What is between braces: name{a="x",b=~"y"}. */
struct query_selector;
/* One selector alone, as /api/v1/series takes it. */
MUST_USE err query_selector_parse(arena *keep, str text, struct query_selector **ret_selector);
bool query_selector_matches(const struct query_selector *s, struct labels labels);
/* The metric that it names with =, or empty: an index may start there. */
str query_selector_name(const struct query_selector *s);
/* The value that it demands of a label with =, or empty: a source may filter early. */
str query_selector_demands(const struct query_selector *s, str label);

/* ------------------------------------------------------------------ sources */

struct query_point {
    int64_t ts_ms;
    double value; /* query_absent(): the series ended here */
};
/* A NaN of its own, which no computation yields. */
double query_absent(void);
bool query_is_absent(double value);

/* One series: its samples in order of time. Borrowed for the call. Labels may be slices of the
 * source's memory: the receiver copies what it keeps. */
typedef err (*query_series_fn)(void *arg, struct labels labels, const struct query_point *points,
                               size_t count);
/* One log line and the labels of its stream. Borrowed for the call. */
typedef err (*query_line_fn)(void *arg, struct labels stream, str line, int64_t ts_ms,
                             bool *ret_stop);

struct query_source {
    void *arg;
    /* Samples of every series that the selector matches, from_ms < ts <= to_ms; others do no harm.
     * NULL: there are none. */
    err (*series)(void *arg, const struct query_selector *selector, int64_t from_ms, int64_t to_ms,
                  query_series_fn each, void *each_arg);
    /* Log lines with from_ms <= ts <= to_ms, by time; `must_contain` may be empty. NULL: none. */
    err (*lines)(void *arg, const struct query_selector *selector, str must_contain,
                 int64_t from_ms, int64_t to_ms, bool oldest_first, query_line_fn each,
                 void *each_arg);
};

/* Our own samples and lines: src/platform/track and src/platform/observe. */
struct history;
struct metrics;
struct log;
struct query_house {
    struct history *history;
    struct metrics *metrics;
    struct log *log;
};
/* `house` must live as long as the source is used. */
struct query_source query_source_house(struct query_house *house);
/* Label sets of all series that are kept or live and match one of the selectors (none: all), each
 * once, in order. Whether a series has samples in some stretch of time is not looked at. */
MUST_USE err query_series_list(const struct query_house *house,
                               struct query_selector *const *selectors, size_t selector_count,
                               arena *keep, struct labels **ret_list, size_t *ret_count);
/* The values that a label of log lines has between two times, each once, in order; at most
 * QUERY_SERIES_MAX. */
MUST_USE err query_log_values(const struct query_house *house, str label, int64_t from_ms,
                              int64_t to_ms, arena *keep, str **ret_values, size_t *ret_count);
/* The labels that log lines have, whatever they are called in them; NULL ends the list. */
extern const char *const query_log_labels[];

/* ------------------------------------------------------------------ asking */

struct query_times {
    int64_t start_ms, end_ms; /* the same moment for an instant query */
    int64_t step_ms;          /* ignored for an instant query */
    bool is_range;
    int64_t timeout_ms; /* 0 or more than QUERY_TIMEOUT_MS: that */
};

enum query_type { QUERY_SCALAR, QUERY_VECTOR, QUERY_MATRIX, QUERY_STRING };

/* Values of one series at each moment; query_absent() where there is none. */
struct query_series {
    struct labels labels;
    double *values;
};
struct query_result {
    enum query_type type;
    struct query_times times;
    size_t step_count;
    struct query_series *series; /* by labels, or as sort() and topk() have them */
    size_t count;
    double *scalars; /* a scalar, at each moment */
    str text;        /* a string */
    /* A range selector alone, asked at one moment: its samples as they are. */
    struct query_point **points;
    size_t *point_counts;
};
MUST_USE err query_run(const struct query *q, const struct query_source *source,
                       const struct query_times *times, arena *keep,
                       struct query_result *ret_result);

/* The member "data" of Prometheus' answers: {"resultType":..,"result":..}. Loki's are the same, but
 * for a scalar, which it does not have at one moment. */
void query_result_json(const struct query_result *r, struct json_out *out);

struct query_line {
    str line;
    int64_t ts_ms;
};
struct query_stream {
    struct labels labels;
    struct query_line *lines;
    size_t count;
};
/* At most `limit` lines (0: 100, at most QUERY_LINES_MAX), the newest ones or the oldest, grouped
 * by the labels of their streams. query_wants_lines(q) holds. */
MUST_USE err query_run_lines(const struct query *q, const struct query_source *source,
                             const struct query_times *times, size_t limit, bool oldest_first,
                             arena *keep, struct query_stream **ret_streams, size_t *ret_count);
/* The member "data" of Loki's answer to it. */
void query_streams_json(const struct query_stream *streams, size_t count, struct json_out *out);

/* "5m", "1h30m", "250ms": ERR_INVALID for anything else, nothing, or more than 100 years. */
MUST_USE err query_duration_parse(str text, int64_t *ret_ms);

#endif
