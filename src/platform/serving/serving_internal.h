/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serving_internal.h -- what the files of this room share. Not for other rooms. */
#ifndef SKERRY_SERVING_INTERNAL_H
#define SKERRY_SERVING_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "platform/serving/serving.h"
#include "platform/serving/tally.h"

enum {
    MODEL_LABEL_BYTES = 200,
    /* A note is about 60 bytes: ten seconds of 20,000 a second. */
    QUEUE_BYTES_MAX = 16 * 1024 * 1024,
    /* Added up in one write: a millisecond or two, so that other writes do not wait. A row may hold
     * many notes; the one that reaches the limit is the last. */
    PENDING_ROWS = 512,
    PENDING_NOTES = 1024,
};

/* A version in memory: made once, never changed, freed by the last who lets go. */
struct served {
    atomic_int holders;
    const struct serving_family *row;
    struct metrics *metrics;
    void *model;
    int64_t version, bytes, loaded_ms, load_ns;
    char id[UUID_BYTES]; /* of the version: a name can be made anew, with a version 1 again */
    char label[MODEL_LABEL_BYTES];
    struct metric_cell *predictions;
    struct serving_reference reference;
};

/* What a family's slots hold, as one value: a request sees all of a swap or nothing of it. */
struct serving_set {
    atomic_int holders; /* the family is one */
    int64_t generation;
    struct {
        struct served *served; /* NULL: empty */
        int64_t tenure, since_ms;
    } slots[SERVING_SLOTS];
};

/* What the alias says, and why it does not serve. */
struct slot_state {
    int64_t alias_version;
    char failed_id[UUID_BYTES]; /* version that could not be loaded; empty: none */
    int64_t retry_ns;           /* monotonic: not before */
    char failure[ERR_MSG_BYTES];
};

struct slot_cells {
    struct metric_cell *predictions, *correct, *exposures, *version, *accuracy, *log_loss,
        *calibration, *drift_inputs, *drift_predictions, *alarms[2];
};

struct served_family {
    struct serving *s;
    const struct serving_family *row;
    _Atomic double ratio;

    pthread_mutex_t load_lock; /* one at a time looks at aliases; taken before `lock` */

    pthread_mutex_t lock; /* held for a few instructions, never while a model is asked */
    struct serving_set *set;
    struct slot_state states[SERVING_SLOTS]; /* guarded by lock */

    pthread_mutex_t tally_lock;
    struct tally_table *tallies; /* guarded by tally_lock; swapped with an empty one by flush */

    struct tally_table *spare; /* of who holds flush_lock */

    _Atomic int64_t named, unnamed, failed, skipped; /* see struct serving_looks */

    struct metric_cell *seconds;
    struct slot_cells cells[SERVING_SLOTS];
    bool alarms[SERVING_SLOTS][2]; /* as they were told last; of the thread */
};

struct serving {
    struct serving_options options;
    struct served_family *families;
    size_t family_count;
    _Atomic uint64_t calls; /* for sampling */

    pthread_mutex_t queue_lock;
    struct buf queue; /* guarded by queue_lock: entries, see notes.c */

    pthread_mutex_t flush_lock; /* one flush at a time; taken before all others */
    struct buf batch;           /* being written, or waiting to be written again */
    size_t batch_done;          /* bytes of it that are written */

    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    bool is_stopping, is_moved; /* guarded by wake_lock */
    pthread_t thread;
    bool is_started;
};

/* ------------------------------------------------------------------ metrics.c */

enum serving_metric {
    SERVING_M_PREDICTIONS,
    SERVING_M_CORRECT,
    SERVING_M_MODEL_PREDICTIONS,
    SERVING_M_SECONDS,
    SERVING_M_EXPOSURES,
    SERVING_M_FALLBACKS,
    SERVING_M_VERSION,
    SERVING_M_LOAD_SECONDS,
    SERVING_M_LOAD_FAILURES,
    SERVING_M_ACCURACY,
    SERVING_M_LOG_LOSS,
    SERVING_M_CALIBRATION,
    SERVING_M_DRIFT,
    SERVING_M_ALARM,
    SERVING_M_DROPPED,
    SERVING_M_UNJOINED,
    SERVING_M_FLUSH_SECONDS,
    SERVING_M_DECISIONS,
};
enum serving_alarm { ALARM_ACCURACY, ALARM_DRIFT };
#define SERVING_CELL(s, which, ...) \
    METRIC_CELL((s)->options.metrics, &serving_metrics[which], __VA_ARGS__)
void serving_cells_make(struct served_family *f);
void serving_dropped(struct serving *s, const char *what, double count);

/* ------------------------------------------------------------------ loading.c */

struct serving_set *serving_set_hold(struct served_family *f); /* never NULL */
void serving_set_release(struct serving_set *set);
enum serving_look {
    SERVING_LOOK,
    SERVING_LOOK_RETRY, /* also at versions in their cool-down */
    SERVING_LOOK_ANEW,  /* also at what is in memory: all is loaded again */
};
/* Brings the slots of a family to what the aliases say. Fails only when the registry cannot be
 * read. */
MUST_USE err serving_family_follow(struct served_family *f, enum serving_look look);

/* ------------------------------------------------------------------ flush.c */

/* Adds sums to the rows of the table, in the caller's transaction. */
MUST_USE err serving_tallies_write(struct store_tx *tx, const struct served_family *f,
                                   const struct tally_table *t);
/* Adds up what apps noted in their own transactions. */
MUST_USE err serving_pending_fold(struct serving *s);
MUST_USE err serving_purge(struct serving *s);

/* ------------------------------------------------------------------ notes.c */

/* A note is queued instead of added up when there is no room for its sums: aliases that move many
 * times a second, calls of many hours. */
enum queued_kind { QUEUED_CALL, QUEUED_TRUTH, QUEUED_NOTE };
struct queued {
    enum queued_kind kind;
    struct served_family *family;
    int64_t at_ms;
    int truth;         /* NO_TRUTH: of a call that waits for it */
    bool is_uncounted; /* a call that is not in the sums yet */
    int tries;
    str key, note; /* slices of the batch */
};
bool serving_queue_add(struct serving *s, const struct queued *q);
/* The next entry of a batch; false at its end. */
bool serving_queue_next(struct serving *s, struct cursor *c, struct queued *ret_entry);
bool serving_is_sampled(struct serving *s);

/* ------------------------------------------------------------------ report.c */

/* Sums of a version in a slot since its tenure began, together with the other's: from generation
 * `generation_min` on both were there. hour_min: not before. */
MUST_USE err serving_tally_in(struct store_read *rd, const struct served_family *f,
                              enum serving_slot slot, int64_t tenure, int64_t generation_min,
                              int64_t hour_min, struct serving_tally *ret_tally);

/* ------------------------------------------------------------------ watch.c */

/* Gauges and alarms of a family, from the tables. */
MUST_USE err serving_watch(struct served_family *f);

#endif
