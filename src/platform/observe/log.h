/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log.h -- events as JSON lines, kept in files that can be searched and that expire.
 *
 * A line: {"ts","level","event","msg","component","run_id","dataset_id","model_id","username",
 * "request_id", ...own fields}. Lines go to stderr (in a short form on a terminal) and, when a
 * folder is given, to segment files <folder>/log-<start ms>.ndjson of at most segment_bytes; the
 * oldest segments are deleted beyond bytes_max or age_max_ms. Search is a scan of the segments that
 * overlap the time range, without an index and without load on the store: 4 GB/s past text that
 * does not occur, 0.3 GB/s where every line must be taken apart. Spans are lines with "span".
 *
 * Writing never blocks on the disk for long and never fails a caller: when the disk refuses, lines
 * are counted (log_dropped) and stderr still has them.
 */
#ifndef SKERRY_OBSERVE_LOG_H
#define SKERRY_OBSERVE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log;

struct log_options {
    const char *folder; /* NULL: stderr only */
    enum log_level level_min;
    bool quiet;            /* no stderr below LOG_ERROR */
    bool is_silent;        /* no stderr at all for what a file takes: for verbs, which say it */
    int64_t segment_bytes; /* 0 means 8 MiB */
    int64_t bytes_max;     /* 0 means 256 MiB */
    int64_t age_max_ms;    /* 0 means 30 days */
};

MUST_USE err log_open(const struct log_options *options, struct log **ret_log);
void log_close(struct log *l); /* flushes; accepts NULL */

/* Who and what a line is about. Unset members are left out. Passed down from request or run. */
struct log_labels {
    str component; /* ingest | dataset | training | serve | play | evaluation | store | http | ...
                    */
    str run_id, dataset_id, model_id, username, request_id;
};

enum log_field_type {
    LOG_FIELD_END,
    LOG_FIELD_STR,
    LOG_FIELD_INT,
    LOG_FIELD_REAL,
    LOG_FIELD_BOOL,
    LOG_FIELD_JSON
};

struct log_field {
    const char *key;
    enum log_field_type type;
    union {
        str text;
        int64_t integer;
        double real;
    };
};
#define F_STR(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_STR, .text = (v) })
#define F_CSTR(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_STR, .text = str_of(v) })
#define F_INT(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_INT, .integer = (v) })
#define F_REAL(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_REAL, .real = (v) })
#define F_BOOL(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_BOOL, .integer = (v) })
#define F_JSON(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_JSON, .text = (v) })

/* event is a stable dotted name ("ingest.completed"); msg (may be NULL) is for people. labels may
 * be NULL. Any thread. */
void log_event_fields(struct log *l, enum log_level level, const struct log_labels *labels,
                      const char *event, const char *msg, const struct log_field *fields,
                      size_t field_count);
#define log_event(l, level, labels, event, msg, ...)                                     \
    log_event_fields(                                                                    \
        (l), (level), (labels), (event), (msg),                                          \
        (const struct log_field[]){ { .type = LOG_FIELD_END }, ##__VA_ARGS__ },          \
        sizeof((const struct log_field[]){ { .type = LOG_FIELD_END }, ##__VA_ARGS__ }) / \
            sizeof(struct log_field))

/* Logs an error at an edge: event "<component>.failed", its code, message, file and line. */
void log_error(struct log *l, const struct log_labels *labels, const char *event, const err *e);

uint64_t log_dropped(struct log *l);

/* ------------------------------------------------------------------ spans */

/* A timed piece of work: { "span": name, "trace_id", "span_id", "parent_id", "start_ms", "dur_us"
 * }. Trace ids are the request id or run id. By value; ends with log_span_end on the same thread.
 */
struct log_span {
    struct log *log;
    const struct log_labels *labels; /* must live until the end */
    const char *name;
    uint64_t span_id, parent_id;
    int64_t start_ms, start_ns;
};
struct log_span log_span_begin(struct log *l, const struct log_labels *labels, const char *name,
                               uint64_t parent_id);
void log_span_end(struct log_span *span, const err *e); /* e may be NULL */

/* ------------------------------------------------------------------ search */

struct log_query {
    int64_t from_ms, to_ms; /* 0: open */
    enum log_level level_min;
    str component, run_id, dataset_id, model_id, username, request_id, event; /* empty: any */
    str text;          /* must occur in the line */
    bool spans;        /* spans instead of events */
    bool oldest_first; /* default is newest first */
    size_t limit;      /* at most 5000; 0 means 500 */
};

struct log_line {
    str json; /* the whole line without newline */
    int64_t ts_ms;
};

/* In the order of time. Lines live in keep. */
MUST_USE err log_search(struct log *l, const struct log_query *query, arena *keep,
                        struct log_line **ret_lines, size_t *ret_count);

/* One line that was found, and its members as they stand in it: still JSON-escaped, empty when
 * absent. Borrowed for the call. */
struct log_seen {
    str json;
    int64_t ts_ms;
    enum log_level level;
    str event, component, run_id, dataset_id, model_id, username, request_id;
};
/* Takes one line apart; false for what is not one of ours. */
bool log_line_read(str line, struct log_seen *ret_seen);
/* Calls each for every line that matches, in the query's order, without a limit (query->limit is
 * not looked at) and without keeping any. An error of each, or *ret_stop, ends the search. */
MUST_USE err log_visit(struct log *l, const struct log_query *query,
                       err (*each)(void *arg, const struct log_seen *line, bool *ret_stop),
                       void *arg);

MUST_USE err log_level_parse(str text, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

#endif
