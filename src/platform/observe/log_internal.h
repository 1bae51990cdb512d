/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_internal.h -- what the files of the log share: log.c makes lines, log_writer.c takes them to
 * disk, log_scan.c reads a line back, log_search.c finds lines. */
#ifndef SKERRY_OBSERVE_LOG_INTERNAL_H
#define SKERRY_OBSERVE_LOG_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/fs.h"
#include "platform/observe/log.h"

enum {
    /* A line is cut above this; search skips what is longer, so both use the same number. */
    LOG_LINE_BYTES_MAX = 256 * 1024,
    /* Lines wait here for the writer thread. 4 MiB: half a minute of 1,000 lines a second. */
    LOG_QUEUE_BYTES_MAX = 4 * 1024 * 1024,
    LOG_TS_BYTES = 24, /* 2026-11-21T10:22:33.123Z */
};

struct log_writer;

struct log {
    enum log_level level_min;
    bool quiet, is_silent;
    bool stderr_is_terminal;
    struct log_writer *writer;
    _Atomic uint64_t dropped;
    _Atomic uint64_t span_serial;
};

/* ------------------------------------------------------------------ writer */

enum log_destination { LOG_TO_FILE = 1, LOG_TO_STDERR = 2 };
enum { LOG_TS_AT = 7 }; /* where the time stands in a line: {"ts":" */

MUST_USE err log_writer_open(const struct log_options *options, _Atomic uint64_t *dropped,
                             struct log_writer **ret_writer);
void log_writer_close(struct log_writer *w); /* writes out what waits; accepts NULL */
bool log_writer_has_folder(const struct log_writer *w);
const char *log_writer_folder(const struct log_writer *w);
/* Name of the segment that it writes to, or wrote to last. */
int64_t log_writer_segment(struct log_writer *w);

/* Queues a line, newline included, that was made at at_ms. Never blocks on a disk; a full queue
 * drops the line and counts it. Urgent lines are written out at once rather than with the next
 * batch. One for the file begins {"ts":"...", and its time is moved behind that of the line before
 * where it is in front of it by a moment. */
void log_writer_add(struct log_writer *w, unsigned destinations, str line, int64_t at_ms,
                    bool is_urgent);

/* Returns when everything that was queued before the call is in its file (or was dropped). */
void log_writer_flush(struct log_writer *w);

/* ------------------------------------------------------------------ segments */

struct log_segment {
    int64_t start_ms;
    int64_t bytes;
    int64_t changed_ms; /* last write */
};
void log_segment_path(char out[FS_PATH_BYTES], const char *folder, int64_t start_ms);
/* All segments of a folder, oldest first. Free with free(). A missing folder has none. */
MUST_USE err log_segments_list(const char *folder, struct log_segment **ret_segments,
                               size_t *ret_count);

/* ------------------------------------------------------------------ reading a line back */

/* Slices of the line, still JSON-escaped, without their quotes. Empty when absent. */
struct log_scan {
    int64_t ts_ms;
    enum log_level level;
    str event, span, component, run_id, dataset_id, model_id, username, request_id;
};
/* False for anything that is not one whole line of ours: torn, foreign, not an object. */
bool log_scan_line(str line, struct log_scan *ret_scan);

/* ------------------------------------------------------------------ log_cursor.c */

/* What a query looks for. */
struct log_match {
    const struct log_query *query;
    /* A line that matches contains all of these: the text, "run_id":"...", JSON-escaped. */
    str needles[9];
    size_t needle_count;
    struct log_scan wanted; /* escaped values */
};
/* Texts live in keep; the query must live as long. */
MUST_USE err log_match_init(struct log_match *m, const struct log_query *q, arena *keep);

/* The lines of a segment that match, in the query's order. One that stands in the wrong place by
 * the threads' doing stays there. */
struct log_cursor {
    const struct log_match *match;
    struct log_seen head; /* the line that comes next, when not is_done; good until the next call */
    bool is_done, is_in_long_line;
    int fd;
    int64_t start_ms;
    int64_t from, to; /* of the file: what was not read yet */
    struct buf window;
    str rest; /* of the window */
};
/* Finds the first line. log_cursor_close() also after an error. A segment that is gone has none. */
MUST_USE err log_cursor_open(struct log_cursor *c, const struct log_match *match,
                             const char *folder, const struct log_segment *segment);
MUST_USE err log_cursor_next(struct log_cursor *c);
void log_cursor_close(struct log_cursor *c);

#endif
