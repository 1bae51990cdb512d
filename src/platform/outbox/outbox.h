/* SPDX-License-Identifier: GPL-3.0-or-later */
/* outbox.h -- everything that leaves by itself: one queue, one way to try again, one way to give
 * up.
 *
 * A destination is a table of functions (struct outbox_kind) and what it takes: events, which are
 * rows in the store put there by the transaction that they tell of; or lines or spans of the log,
 * which are in files already, so that only a place in those files is kept. Each configured
 * destination has one thread, which is the only one that talks to it. Nobody who works waits for
 * it: an unreachable destination costs one batch of memory, rows up to a cap, and log files that
 * are kept anyway. What goes beyond is lost, counted and said.
 *
 * What is sent was committed before. What the destination took is taken off in a transaction of its
 * own; a process that dies between the two sends the same again, with the same id or time.
 */
#ifndef SKERRY_OUTBOX_H
#define SKERRY_OUTBOX_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rand.h"
#include "base/str.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"

struct outbox;

enum {
    OUTBOX_DESTINATIONS_MAX = 8,
    OUTBOX_BODY_MAX = 64 * 1024, /* of an event's data */
    OUTBOX_DEAD_MAX = 10000,     /* dead letters kept of a destination; the oldest go first */
    OUTBOX_WHY_BYTES = ERR_MSG_BYTES,
};

/* ------------------------------------------------------------------ a kind of destination */

enum outbox_takes { OUTBOX_EVENTS, OUTBOX_LINES, OUTBOX_SPANS };

enum outbox_outcome { OUTBOX_WAITING, OUTBOX_SENT, OUTBOX_REFUSED };

struct outbox_item {
    str id;                      /* of an event; empty for a line */
    str type;                    /* "run.finished"; empty for a line */
    str subject;                 /* what an event is about; may be empty */
    str body;                    /* an event's data, or the whole line: JSON */
    int64_t at_ms;               /* when it happened */
    enum outbox_outcome outcome; /* set by send */
    char why[OUTBOX_WHY_BYTES];  /* of OUTBOX_REFUSED */
};

struct outbox_batch {
    struct outbox_item *items;
    size_t count;
    int64_t deadline_ns;      /* clock_mono_ns() at which send must have given up */
    const atomic_bool *stop;  /* true: give up at once */
    int64_t retry_after_ms;   /* set by send: what the destination asked for; 0: nothing */
    int64_t unnamed_refusals; /* set by send: taken as a whole, but so many items were refused
                                 without saying which */
};

struct outbox_kind {
    const char *name; /* "loki": stable, it is in the store and in metrics */
    enum outbox_takes takes;
    size_t items_max, bytes_max; /* of one batch; an item that is larger goes alone */
    /* Makes what send works with; loads libraries. Called on the destination's thread, again after
     * each failure. `config` lives as long as the outbox. */
    err (*open)(const void *config, void **ret_state);
    /* OK: what it did not mark is sent. ERR_INVALID or ERR_TOO_BIG: the destination refuses the
     * batch as it is, and will again; it is then tried in halves, and a single item that is refused
     * becomes a dead letter. Any other error: later. Items may be marked one by one; those marked
     * stay so whatever is returned, and are passed over when they come again. Errors name no
     * secret. */
    err (*send)(void *state, struct outbox_batch *batch);
    void (*close)(void *state); /* accepts NULL */
};

struct outbox_destination {
    const struct outbox_kind *kind;
    const void *config;
};

/* ------------------------------------------------------------------ life cycle */

/* Registered by the owner of options.metrics, before outbox_open. */
extern const struct metric_family outbox_metrics[];
extern const struct store_migration outbox_migrations[]; /* of the owner "outbox" */

struct outbox_options {
    struct store *store;
    struct log *log;
    struct metrics *metrics; /* may be NULL */
    const struct outbox_destination *destinations;
    size_t destination_count;    /* at most OUTBOX_DESTINATIONS_MAX */
    const char *instance;        /* names these log files in the store: stable over restarts */
    int64_t started_ms;          /* of a log never shipped before, lines from here on are */
    int64_t rows_max, bytes_max; /* waiting events of a destination; 0 means 100,000 and 64 MiB */
    int64_t retry_ms;            /* pause after a first failure, doubled by each; 0 means 1 s */
    int64_t retry_max_ms;        /* and at most this; 0 means 60 s */
    int64_t timeout_ms;          /* of one batch; 0 means 20 s */
    int64_t poll_ms;             /* how often files and rows are looked at; 0 means 1 s */
};

/* Migrates its tables. The strings and configs are borrowed for its life. */
MUST_USE err outbox_open(const struct outbox_options *options, struct outbox **ret_outbox);
/* Starts a thread for each destination: in a server. A verb only puts, lists and replays. Where a
 * log that was never sent begins is durable when this returns. */
MUST_USE err outbox_start(struct outbox *o);
/* Stops sending at once: what waits is sent after the next start. Accepts NULL. */
void outbox_close(struct outbox *o);

/* ------------------------------------------------------------------ for who has something to tell
 */

struct outbox_event {
    const char *type; /* "run.finished" */
    str subject;      /* the id of what it is about; at most 200 bytes */
    str data;         /* a JSON object of at most OUTBOX_BODY_MAX bytes */
};

/* Puts an event into the caller's transaction: it leaves when that commits, and not otherwise. Does
 * nothing when no destination takes events, or o is NULL. */
MUST_USE err outbox_put(struct outbox *o, struct store_tx *tx, const struct outbox_event *event);
/* Whether anybody takes events: for callers that would have to compute the data. */
bool outbox_takes_events(const struct outbox *o);

/* ------------------------------------------------------------------ for who looks after it */

enum outbox_breaker { OUTBOX_CLOSED, OUTBOX_HALF_OPEN, OUTBOX_OPEN };
const char *outbox_breaker_name(enum outbox_breaker breaker); /* "closed", "half-open", "open" */
const char *outbox_takes_name(enum outbox_takes takes);       /* "events", "lines", "spans" */

struct outbox_info {
    const char *name;
    enum outbox_takes takes;
    bool is_here; /* this process sends; the breaker and the numbers below are its own */
    enum outbox_breaker breaker;
    str error;                 /* of the last failure since the last success; empty: none */
    int64_t error_ms, sent_ms; /* last failure, last success; 0: none */
    int64_t sent, lost;        /* items, since the store knows this instance */
    int64_t waiting_items, waiting_bytes, oldest_ms, dead_items;
};
/* The configured destinations. Texts live in keep. */
MUST_USE err outbox_list(struct outbox *o, arena *keep, struct outbox_info **ret_infos,
                         size_t *ret_count);

struct outbox_letter {
    int64_t id;
    str event_id, type, subject, body, why;
    int64_t at_ms, refused_ms;
};
/* Dead letters, newest first. ERR_NOT_FOUND: no such destination. limit at most 1000. */
MUST_USE err outbox_dead(struct outbox *o, str destination, int64_t limit, arena *keep,
                         struct outbox_letter **ret_letters, size_t *ret_count);
/* All dead letters of a destination wait again, or are forgotten. Of a destination that is not
 * configured any more, drop forgets what waits, too. */
MUST_USE err outbox_replay(struct outbox *o, str destination, int64_t *ret_count);
MUST_USE err outbox_drop(struct outbox *o, str destination, int64_t *ret_count);

#endif
