/* SPDX-License-Identifier: GPL-3.0-or-later */
/* history_internal.h -- what the files of the history share, and what its tests steer time with. */
#ifndef SKERRY_TRACK_HISTORY_INTERNAL_H
#define SKERRY_TRACK_HISTORY_INTERNAL_H

#include "platform/track/track_internal.h"

enum {
    HISTORY_SERIES_MAX = 8192,        /* sampled at once */
    HISTORY_QUERY_SERIES_MAX = 8192,  /* of one question: a histogram of every route may match */
    HISTORY_SELECT_SERIES_MAX = 8192, /* for query languages: all that are sampled at once */
    HISTORY_POINTS_MAX = 11000,       /* of one answer, as Prometheus has it */
    HISTORY_SESSIONS_MAX = 4096,      /* looked at: restarts within the time that is kept */
    HISTORY_SLICE = 512,              /* series that one transaction of maintenance moves */
    HISTORY_THIN_BATCH = 64,
    HISTORY_CHUNK_BYTES_MAX = 1024 * 1024,
};
#define HISTORY_HOUR_MS INT64_C(3600000)
#define HISTORY_DAY_MS (24 * HISTORY_HOUR_MS)
#define HISTORY_RAW_MS (48 * HISTORY_HOUR_MS) /* every sample is kept this long */
#define HISTORY_THIN_MS INT64_C(300000)       /* then one in five minutes */
#define HISTORY_AGE_DEFAULT_MS (30 * HISTORY_DAY_MS)

struct history_sample {
    int64_t ts_ms;
    double value; /* NAN: the series ended here */
};

/* ------------------------------------------------------------------ history_codec.c */

/* Samples of one series in order of time. The first one may be older than the chunk: it is the last
 * sample before it, carried along so that a chunk can be read alone. */
void history_chunk_write(struct buf *out, const struct history_sample *samples, size_t count);

struct history_chunk_reader {
    struct cursor cursor;
    int64_t ts_ms;
    uint64_t whole; /* last value that was a whole number, as two's complement */
};
struct history_chunk_reader history_chunk_read(str data);
bool history_chunk_next(struct history_chunk_reader *r, struct history_sample *ret_sample);

/* What changed in one round of sampling, by ascending series id. */
struct history_entry {
    int64_t series_id;
    double value;
};
void history_tick_write(struct buf *out, const struct history_entry *entries, size_t count);
struct history_tick_reader {
    struct cursor cursor;
    uint64_t series_id;
};
struct history_tick_reader history_tick_read(str data);
bool history_tick_next(struct history_tick_reader *r, struct history_entry *ret_entry);

/* Keeps the last sample of every HISTORY_THIN_MS, and for a counter also those around each fall, so
 * that its increase stays what it was. Works in place, returns the new count. A sample before
 * `from_ms` stays. `session_of` tells samples of different processes apart. */
struct history_sessions;
size_t history_thin(struct history_sample *samples, size_t count, int64_t from_ms, bool is_counter,
                    const struct history_sessions *sessions);
bool history_is_counter(str name);

/* ------------------------------------------------------------------ history_sessions.c */

/* One session is one process: counters start from zero in each. */
struct history_session {
    int64_t start_ms, last_ms;
};
struct history_sessions {
    struct history_session *items; /* by start */
    size_t count;
};
/* Those that end at or after from_ms. `live_id` is still going on (0: none). */
MUST_USE err history_sessions_read(struct store_read *rd, int64_t live_id, int64_t from_ms,
                                   arena *keep, struct history_sessions *ret_sessions);
/* The session a time falls into, or NULL. */
const struct history_session *history_session_at(const struct history_sessions *s, int64_t ts_ms);

/* ------------------------------------------------------------------ history.c */

struct history_series {
    int64_t id;  /* 0: not known yet */
    double last; /* as stored last */
    bool has_last;
    uint64_t seen; /* round that has seen it */
    size_t name_len, labels_len;
    char text[]; /* name, NUL, labels, NUL: the key in `series` is name NUL labels */
};

struct history {
    struct store *store;
    struct metrics *metrics;
    void (*refresh)(void *arg); /* or NULL */
    void *refresh_arg;

    pthread_mutex_t sampling; /* one round at a time; guards the five below */
    struct map series;        /* of struct history_series */
    uint64_t round;
    int64_t last_ts_ms;
    int64_t expired_ms;
    int64_t age_max_ms;
    _Atomic int64_t session_id; /* 0 before the first sample; queries read it without the lock */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop; /* guarded by lock */
    int64_t interval_ms;
};

/* One round at a given time; times do not go back. */
MUST_USE err history_sample_at(struct history *h, int64_t now_ms);

/* ------------------------------------------------------------------ history_maintain.c */

/* Moves complete hours of ticks into chunks, thins old chunks, forgets what is too old: a bounded
 * amount of work each call. Called under h->sampling. */
MUST_USE err history_maintain(struct history *h, int64_t now_ms);

/* Samples of one series between two times from its chunks, one older sample in front when there is
 * one. *samples grows in `keep`. */
struct history_samples {
    struct history_sample *items;
    size_t count, room;
    /* The first one is carried: the series is older, but what came before is forgotten. Otherwise
     * it is the first one ever. */
    bool begins_carried;
    arena *keep;
};
MUST_USE err history_samples_add(struct history_samples *s, struct history_sample sample);
MUST_USE err history_chunks_read(struct store_read *rd, int64_t series_id, int64_t from_ms,
                                 int64_t to_ms, struct history_samples *out);

#endif
