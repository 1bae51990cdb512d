/* SPDX-License-Identifier: GPL-3.0-or-later */
/* outbox_internal.h -- what the files of this room share: outbox.c opens and answers, rows.c knows
 * the tables, ship.c is the thread of a destination. */
#ifndef SKERRY_OUTBOX_INTERNAL_H
#define SKERRY_OUTBOX_INTERNAL_H

#include <pthread.h>

#include "platform/observe/log_follow.h"
#include "platform/outbox/breaker.h"
#include "platform/outbox/outbox.h"

enum {
    OUTBOX_ITEMS_MAX = 1000,
    OUTBOX_BATCH_BYTES_MAX = 1 << 20,
    OUTBOX_SUBJECT_MAX = 200,
};
#define OUTBOX_TOPIC "outbox"

enum outbox_metric {
    OUTBOX_M_SENT,
    OUTBOX_M_FAILED,
    OUTBOX_M_DEAD,
    OUTBOX_M_LOST,
    OUTBOX_M_ITEMS,
    OUTBOX_M_BYTES,
    OUTBOX_M_OLDEST,
    OUTBOX_M_BREAKER,
    OUTBOX_M_SECONDS,
    OUTBOX_M_COUNT,
};

/* What is known of a destination; the numbers of the last look. */
struct outbox_numbers {
    enum outbox_breaker breaker;
    char error[ERR_MSG_BYTES];
    int64_t error_ms, sent_ms, sent, lost;
    int64_t waiting_items, waiting_bytes, oldest_ms, dead_items;
};

/* A destination and its thread. Only the thread touches what is not guarded or atomic. */
struct ship {
    struct outbox *outbox;
    const struct outbox_kind *kind;
    const void *config;
    struct metric_cell *cells[OUTBOX_M_COUNT]; /* NULL without metrics */

    pthread_t thread;
    bool is_running;

    void *state; /* of the kind; NULL: to be opened */
    struct breaker breaker;
    struct log_follow follow;
    size_t share;             /* how much of a full batch is tried: see set_share */
    int64_t rows_waiting;     /* at the last look */
    bool is_following;        /* follow was read from the store, or begun */
    bool is_refusing;         /* the last batch had dead letters: said once */
    atomic_bool is_losing;    /* something was lost, and nothing sent since: said once */
    int64_t looked_ms;        /* monotonic: when rows were counted and trimmed last */
    struct store_lock *files; /* of lines: a server and a worker may share a data folder */

    pthread_mutex_t lock;
    struct outbox_numbers numbers; /* guarded by lock */
};

struct outbox {
    struct outbox_options options;
    struct ship ships[OUTBOX_DESTINATIONS_MAX];
    size_t count;
    bool takes_events;
    atomic_bool stop;
    _Atomic int64_t puts, put_bytes; /* of this process, since its start */
    bool is_listening;
    pthread_t keeper; /* keeps to the caps, however long a send takes */
    bool has_keeper;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t waked; /* guarded by lock: counts wake-ups */
};

/* ------------------------------------------------------------------ rows.c */

/* What is kept of a destination for one instance. */
struct outbox_saved {
    str cursor; /* places in the log; empty: none yet */
    str error;
    enum outbox_breaker breaker;
    int64_t error_ms, sent_ms, sent, lost;
};
/* *ret_found false: the store does not know it. Texts live in keep. */
MUST_USE err rows_saved(struct outbox *o, const char *destination, arena *keep,
                        struct outbox_saved *ret_saved, bool *ret_found);

MUST_USE err rows_put(struct store_tx *tx, const char *destination, str event_id, str type,
                      str subject, str body, int64_t at_ms);

/* The oldest waiting rows, at most `max` of together about bytes_max bytes; ids beside the items.
 */
MUST_USE err rows_read(struct outbox *o, const struct ship *s, size_t max, arena *keep,
                       struct outbox_item *items, int64_t *ids, size_t *ret_count);

/* What a try came to, made durable in one transaction. */
struct rows_outcome {
    const struct ship *ship;
    const struct outbox_item *items;
    const int64_t *ids; /* of rows; NULL: the items are lines */
    size_t count;       /* settled items, from the first on */
    str cursor;         /* empty: none */
    const struct outbox_numbers *numbers;
};
MUST_USE err rows_settle(struct outbox *o, const struct rows_outcome *outcome);

struct rows_counts {
    int64_t waiting, waiting_bytes, oldest_ms, dead;
};
MUST_USE err rows_count(struct outbox *o, const char *destination, struct rows_counts *ret);
/* Forgets what is beyond the caps, the oldest first. */
MUST_USE err rows_trim(struct outbox *o, const char *destination, int64_t *ret_lost);

MUST_USE err rows_dead(struct outbox *o, const char *destination, int64_t limit, arena *keep,
                       struct outbox_letter **ret_letters, size_t *ret_count);
MUST_USE err rows_replay(struct outbox *o, const char *destination, int64_t *ret_count);
MUST_USE err rows_drop(struct outbox *o, const char *destination, int64_t *ret_count);
/* What waits, too, and what is known of it: of a destination that nothing is sent to any more. */
MUST_USE err rows_drop_all(struct outbox *o, const char *destination, int64_t *ret_count);

/* ------------------------------------------------------------------ ship.c */

void *ship_main(void *ship);
/* Deletes what is above the caps. Any thread. */
MUST_USE err ship_trim(struct ship *s, struct rows_counts *ret_rows);
/* Takes the log's files, when no other process of the data folder has them, and finds the place
 * where sending goes on; is_following says whether. Called before the thread runs, so that lines of
 * a process that is killed in its first moments are behind a place that is durable; then by it. */
MUST_USE err ship_follow(struct ship *s);

/* outbox.c: waits until somebody wakes, the time is over, or the end. */
void outbox_wait(struct outbox *o, uint64_t *seen, int64_t ms);

#endif
