/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_follow.h -- reads the log's lines once, in the order of their files, and remembers how far.
 *
 * Several processes write segments into one folder (a server, and verbs beside it), so "how far" is
 * an offset for each segment that may still grow. Those that have ended and are read are forgotten
 * again. What expires before it was read is lost, and counted.
 */
#ifndef SKERRY_OBSERVE_LOG_FOLLOW_H
#define SKERRY_OBSERVE_LOG_FOLLOW_H

#include "platform/observe/log.h"

enum {
    LOG_PLACES_MAX = 512,
    LOG_PLACES_TEXT_MAX = LOG_PLACES_MAX * 48 + 64,
    LOG_FOLLOW_BYTES_MIN = 1 << 20, /* the longest line fits, and more */
};

struct log_place {
    int64_t segment; /* the segment's name: ms */
    int64_t offset;  /* bytes that were read */
    /* Lines of the wanted kind between offset and counted. Not saved. */
    int64_t counted, waiting;
    int64_t changed_ms;
};

struct log_follow {
    bool spans;     /* spans instead of events */
    int64_t passed; /* segments up to this name are in `places` or read */
    size_t count;
    struct log_place places[LOG_PLACES_MAX];
};

/* Nothing is read yet but what was written by processes that began before from_ms. */
MUST_USE err log_follow_begin(struct log *l, bool spans, int64_t from_ms, struct log_follow *ret);
/* The places as text, and back. ERR_CORRUPT for a text that is none. */
void log_follow_save(const struct log_follow *f, struct buf *out);
MUST_USE err log_follow_load(str text, bool spans, struct log_follow *ret);

struct log_waiting {
    int64_t lines, bytes; /* not read yet; bytes of all kinds of lines */
    int64_t since_ms;     /* about when the oldest of them was written; 0: none wait */
    int64_t lost;         /* lines that expired unread since the last look */
};
/* Looks at the folder: new segments, grown and expired ones. */
MUST_USE err log_follow_look(struct log *l, struct log_follow *f, struct log_waiting *ret);

/* Calls each for up to bytes_max bytes of lines behind the places of f, which does not move. `each`
 * sets *ret_stop when it takes no more, before the line that it was called with. What was visited,
 * and lines of the other kind before it, lie before *ret_after. */
MUST_USE err log_follow_read(struct log *l, const struct log_follow *f, size_t bytes_max,
                             err (*each)(void *arg, str line, int64_t segment, int64_t end_offset,
                                         bool *ret_stop),
                             void *arg, struct log_follow *ret_after);
/* Moves to the end of a line that was visited: it and all before it count as read. */
void log_follow_move(struct log_follow *f, int64_t segment, int64_t end_offset);

#endif
